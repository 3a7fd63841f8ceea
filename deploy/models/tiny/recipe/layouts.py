"""Scenes that are never drawn and speech that is never spoken.

The text decoder learns to read the code of soft tokens (codes.py) from these,
as many as it likes, before the towers can write it.
"""
from functools import lru_cache

import numpy as np
import torch

from architecture import FRAME_HEIGHT, FRAME_WIDTH, GRID_HEIGHT, GRID_WIDTH, WIDTH
from codes import AMPLITUDE, CHARACTERS, bases, spell
from scenes import MOST_COVERED, PLACE_ODDS, SIZES, TRIES
from sprites import sprites
from words import LABELS, PLACES, Box, Thing

Rng = np.random.Generator
COUNT_ODDS = [0.06, 0.2, 0.28, 0.26, 0.2]  # of 0..4 things; more are harder and so more frequent than in pictures


@lru_cache(maxsize=1)
def _aspects() -> dict[str, list[float]]:
    return {label: [cut.shape[1] / cut.shape[0] for cut in cuts] for label, cuts in sprites().items()}


def layout(rng: Rng, count: int | None = None) -> tuple[list[Thing], str, bool]:
    """Things, place and night of a scene that might have been drawn; count: how many things."""
    place = str(rng.choice(list(PLACES), p=PLACE_ODDS))
    if count is None:
        count = int(rng.choice(len(COUNT_ODDS), p=COUNT_ODDS))
    things: list[Thing] = []
    for _ in range(count):
        label = LABELS[rng.integers(len(LABELS))]
        aspect = _aspects()[label][rng.integers(len(_aspects()[label]))]
        for _ in range(TRIES):
            box = _box(rng, aspect, count == 1)
            if box is not None and not any(_clash(box, other) for _, other in things):
                things.append((label, box))
                break
    return things, place, bool(rng.random() < 0.25)


def _box(rng: Rng, aspect: float, alone: bool) -> Box | None:
    size = np.exp(rng.uniform(np.log(SIZES[0]), np.log(SIZES[1]))) * FRAME_HEIGHT
    width, height = (size, size / aspect) if aspect > 1 else (size * aspect, size)
    width *= rng.uniform(0.92, 1.2)
    height *= rng.uniform(0.92, 1.2)
    if width > FRAME_WIDTH * 0.9 or height > FRAME_HEIGHT * 0.9:
        return None
    x = rng.uniform(width * 0.45, FRAME_WIDTH - width * 0.45)
    y = rng.uniform(max(height * 0.45, FRAME_HEIGHT * 0.12), FRAME_HEIGHT - height * 0.45)
    if alone and (abs(x / FRAME_WIDTH - 1 / 3) < 0.025 or abs(x / FRAME_WIDTH - 2 / 3) < 0.025):
        return None
    return (
        max(0, y - height / 2) / FRAME_HEIGHT, max(0, x - width / 2) / FRAME_WIDTH,
        min(FRAME_HEIGHT, y + height / 2) / FRAME_HEIGHT, min(FRAME_WIDTH, x + width / 2) / FRAME_WIDTH,
    )


def _clash(box: Box, other: Box) -> bool:
    """Whether two boxes cover each other too much or have their centres in one cell of the grid."""
    down = min(box[2], other[2]) - max(box[0], other[0])
    across = min(box[3], other[3]) - max(box[1], other[1])
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return (down > 0 and across > 0 and down * across > MOST_COVERED * smaller) or _cell(box) == _cell(other)


def _cell(box: Box) -> tuple[int, int]:
    return int((box[0] + box[2]) / 2 * GRID_HEIGHT), int((box[1] + box[3]) / 2 * GRID_WIDTH)


def fuzzy(code: torch.Tensor, low: float, high: float, rng: Rng) -> torch.Tensor:
    """Code in the width of the decoder [tokens, WIDTH] as a tower would write it: louder or softer, and noisy."""
    return code * AMPLITUDE * float(rng.uniform(low, high)) + torch.randn(len(code), WIDTH) * float(rng.uniform(0.05, 0.3))


def character_stream(spoken_text: str, rng: Rng) -> torch.Tensor:
    """Soft tokens [time, WIDTH] as the audio tower writes a sentence: characters with blanks between, as in CTC."""
    stream = [0] * int(rng.integers(1, 10))
    pace = rng.uniform(1.5, 2.3)
    last = None
    for character in spell(spoken_text):
        if character == last:
            stream.append(0)
        stream.append(character)
        if rng.random() < 0.15:
            stream.append(character)
        stream += [0] * int(rng.poisson(max(0, pace - 1.1)))
        last = character
    stream += [0] * int(rng.integers(1, 10))

    odds = np.zeros((len(stream), len(CHARACTERS)), np.float32)
    odds[np.arange(len(stream)), stream] = 1
    doubt = rng.uniform(0, 0.25)
    odds = odds * (1 - doubt) + doubt * rng.dirichlet(np.ones(len(CHARACTERS)) * 0.1, len(stream)).astype(np.float32)
    return fuzzy(torch.from_numpy(odds) @ bases()[1], 0.7, 1.1, rng)
