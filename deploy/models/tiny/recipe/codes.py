"""What a soft token ought to say, as a fixed linear code in the width of the decoder.

The towers are first trained to write this code and the decoder to read it,
each without the other. A picture's token says whether an object has its centre
there, its label, its box (hundreds and tens of each of the four numbers), and
the place; a sound's token says a character or nothing, as in CTC.
"""
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from architecture import GRID_HEIGHT, GRID_WIDTH, WIDTH
from words import LABELS, PLACES, Thing, to_grid

AMPLITUDE = 2.0
CHARACTERS = "_ abcdefghijklmnopqrstuvwxyz"  # _ is the blank of CTC
HUNDREDS, TENS = 11, 10  # digits of a number 0..100, in each of 4 places

OBJECT = 0
LABEL = slice(1, 1 + len(LABELS))
HUNDRED = slice(LABEL.stop, LABEL.stop + 4 * HUNDREDS)
TEN = slice(HUNDRED.stop, HUNDRED.stop + 4 * TENS)
PLACE = slice(TEN.stop, TEN.stop + len(PLACES))
NIGHT = PLACE.stop
SIZE = NIGHT + 1


@lru_cache(maxsize=1)
def bases() -> tuple[torch.Tensor, torch.Tensor]:
    """Orthonormal rows: [SIZE, WIDTH] for pictures and [characters, WIDTH] for sound."""
    random = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(123))
    rows, _ = torch.linalg.qr(random)
    return rows[:SIZE].contiguous(), rows[SIZE : SIZE + len(CHARACTERS)].contiguous()


@dataclass
class Truth:
    """What the tokens of one picture ought to say."""

    code: np.ndarray  # [tokens, SIZE]
    objects: dict[int, tuple[int, list[int]]]  # token -> (index of the label, box in hundredths)


def truth(things: list[Thing], place: str, night: bool, blur: float = 0.4, jitter: np.random.Generator | None = None) -> Truth:
    """blur: how far neighbouring numbers share in the code, in hundredths; jitter: noise on the numbers."""
    code = np.zeros((GRID_WIDTH * GRID_HEIGHT, SIZE), np.float32)
    objects: dict[int, tuple[int, list[int]]] = {}
    # Large ones first, so that of two in one cell the smaller stays.
    for label, box in sorted(things, key=lambda thing: -(thing[1][2] - thing[1][0]) * (thing[1][3] - thing[1][1])):
        y, x = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        cell = min(GRID_HEIGHT - 1, int(y * GRID_HEIGHT)) * GRID_WIDTH + min(GRID_WIDTH - 1, int(x * GRID_WIDTH))
        code[cell] = 0
        code[cell, OBJECT] = 1
        code[cell, LABEL.start + LABELS.index(label)] = 1
        for side, share in enumerate(box):
            number = share * 100 + (jitter.normal(0, 0.35) if jitter is not None else 0)
            _write_number(code[cell], side, number, blur)
        objects[cell] = (LABELS.index(label), [to_grid(share) // 10 for share in box])
    code[:, PLACE.start + list(PLACES).index(place)] = 1
    code[:, NIGHT] = float(night)
    return Truth(code, objects)


def _write_number(code: np.ndarray, side: int, number: float, blur: float) -> None:
    first = max(0, int(number) - 3)
    near = np.arange(first, min(101, first + 8))
    weight = np.exp(-((near - number) ** 2) / (2 * blur * blur)) + 1e-9
    weight /= weight.sum()
    np.add.at(code, HUNDRED.start + HUNDREDS * side + near // 10, weight)
    np.add.at(code, TEN.start + TENS * side + near % 10, weight)


def spell(text: str) -> list[int]:
    """Indices of the characters."""
    return [CHARACTERS.index(character) for character in text]
