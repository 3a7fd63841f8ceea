"""What a soft token ought to say, as a fixed linear code in the width of the decoder.

The towers are first trained to write this code and the decoder to read it,
each without the other. A picture's token says whether an object has its centre
there, its label, where the four sides of its box and its middle are, and the
place; a sound's token says a character or nothing, as in CTC.

A position is written as cosines and sines of falling period. A tower learns
the coarse ones first and the fine ones after; and the product with the same
cosines and sines of a number is highest for the number that is meant, so the
decoder needs no arithmetic to read it.
"""
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from architecture import GRID_HEIGHT, GRID_WIDTH, WIDTH
from words import LABELS, PLACES, Box, Thing

AMPLITUDE = 2.0
CHARACTERS = "_ abcdefghijklmnopqrstuvwxyz"  # _ is the blank of CTC
PERIODS = (2.0, 1.0, 1 / 2, 1 / 4, 1 / 8, 1 / 16)  # as shares of the picture
POSITIONS = 6  # y0, x0, y1, x1, and the middle: y, x
WAVE = 0.5  # how high a wave is in the code, where a label is 1
NUMBERS = 101  # hundredths of the picture that a box can be at

OBJECT = 0
LABEL = slice(1, 1 + len(LABELS))
WAVES = slice(LABEL.stop, LABEL.stop + POSITIONS * 2 * len(PERIODS))
SAID = slice(WAVES.stop, WAVES.stop + 2 * len(PERIODS))  # rows for the waves of the number that the decoder is about to say
PLACE = slice(97, 97 + len(PLACES))
NIGHT = PLACE.stop
SIZE = NIGHT + 1


@lru_cache(maxsize=1)
def bases() -> tuple[torch.Tensor, torch.Tensor]:
    """Orthonormal rows: [SIZE, WIDTH] for pictures and [characters, WIDTH] for sound."""
    random = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(123))
    rows, _ = torch.linalg.qr(random)
    return rows[:SIZE].contiguous(), rows[SIZE : SIZE + len(CHARACTERS)].contiguous()


def waves(positions: np.ndarray) -> np.ndarray:
    """Shares of the picture [...] -> [..., 2 * periods], each in -1..1."""
    turns = positions[..., None] * (2 * np.pi / np.array(PERIODS))
    return np.concatenate([np.cos(turns), np.sin(turns)], -1).astype(np.float32)


@lru_cache(maxsize=1)
def number_waves() -> torch.Tensor:
    """The waves of every number: [NUMBERS, 2 * periods]."""
    return torch.from_numpy(waves(np.arange(NUMBERS) / (NUMBERS - 1)))


def with_middle(box: Box) -> np.ndarray:
    """The POSITIONS of a box."""
    y0, x0, y1, x1 = box
    return np.array([y0, x0, y1, x1, (y0 + y1) / 2, (x0 + x1) / 2])


@dataclass
class Truth:
    """What the tokens of one picture ought to say."""

    code: np.ndarray  # [tokens, SIZE]
    objects: dict[int, tuple[int, np.ndarray]]  # token -> (index of the label, POSITIONS of the box)


def truth(things: list[Thing], place: str, night: bool, jitter: np.random.Generator | None = None,
          grid: tuple[int, int] = (GRID_WIDTH, GRID_HEIGHT)) -> Truth:
    """jitter: adds a little noise to the positions. grid: soft tokens across and down."""
    across, down = grid
    code = np.zeros((across * down, SIZE), np.float32)
    objects: dict[int, tuple[int, np.ndarray]] = {}
    # Large ones first, so that of two in one cell the smaller stays.
    for label, box in sorted(things, key=lambda thing: -(thing[1][2] - thing[1][0]) * (thing[1][3] - thing[1][1])):
        positions = with_middle(box)
        y, x = positions[4:]
        cell = min(down - 1, int(y * down)) * across + min(across - 1, int(x * across))
        if jitter is not None:
            positions = positions + jitter.normal(0, 0.003, POSITIONS)
        code[cell] = 0
        code[cell, OBJECT] = 1
        code[cell, LABEL.start + LABELS.index(label)] = 1
        code[cell, WAVES] = WAVE * waves(positions).reshape(-1)
        objects[cell] = (LABELS.index(label), with_middle(box))
    code[:, PLACE.start + list(PLACES).index(place)] = 1
    code[:, NIGHT] = float(night)
    return Truth(code, objects)


def spell(text: str) -> list[int]:
    """Indices of the characters."""
    return [CHARACTERS.index(character) for character in text]
