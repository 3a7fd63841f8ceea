"""Synthetic camera pictures: emoji placed on a background, with shadow, night, noise, blur and JPEG."""
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from backgrounds import background
from sprites import sprites
from words import LABELS, PLACES, Thing

Rng = np.random.Generator
PLACE_ODDS = [0.22, 0.22, 0.22, 0.12, 0.1, 0.12]  # in the order of PLACES
COUNT_ODDS = [0.08, 0.3, 0.28, 0.2, 0.14]  # of 0..4 things
SIZES = (0.14, 0.55)  # longer side of a thing, as a share of the picture's height
TRIES = 12  # places tried for one thing before it is given up
MOST_COVERED = 0.18  # share of the smaller thing that another may cover
VEHICLES = ("car", "truck", "bus", "bicycle")
LIVING = ("person", "bird", "dog")


@dataclass
class Scene:
    pixels: np.ndarray  # [height, width, 3] uint8
    things: list[Thing]
    place: str
    night: bool


def scene(rng: Rng, width: int = 432, height: int = 336, count_odds: list[float] = COUNT_ODDS, alike: float = 0) -> Scene:
    """Draws one scene. Everything comes from rng, so a seed names a scene.

    alike: how often a thing is of the kind of the one before, beside by chance. Counting is learned from these.
    """
    place = str(rng.choice(list(PLACES), p=PLACE_ODDS))
    picture = background(rng, place, width, height)
    count = int(rng.choice(len(count_odds), p=count_odds))
    stretch = rng.uniform(0.93, 1.07)  # one for the whole picture, as of a lens
    things: list[Thing] = []
    taken: list[tuple[float, ...]] = []
    for _ in range(count):
        again = alike and things and rng.random() < alike
        label = things[-1][0] if again else LABELS[rng.integers(len(LABELS))]
        choices = sprites()[label]
        sprite = choices[rng.integers(len(choices))]
        for _ in range(TRIES):
            if _place(rng, picture, label, sprite, stretch, count == 1, place, things, taken):
                break
    night = bool(rng.random() < 0.22)
    return Scene(_through_camera(rng, picture, night), things, place, night)


def _place(rng: Rng, picture: np.ndarray, label: str, sprite: np.ndarray, stretch: float, alone: bool, place: str,
           things: list[Thing], taken: list[tuple[float, ...]]) -> bool:
    """Tries to draw a sprite somewhere; on success adds it to things and taken."""
    height, width, _ = picture.shape
    size = np.exp(rng.uniform(np.log(SIZES[0]), np.log(SIZES[1]))) * height
    scale = size / max(sprite.shape[:2])
    across = max(6, int(sprite.shape[1] * scale * stretch))
    down = max(6, int(sprite.shape[0] * scale / stretch))
    if across > width * 0.9 or down > height * 0.9:
        return False
    x = rng.uniform(across * 0.45, width - across * 0.45)
    y = rng.uniform(max(down * 0.45, height * 0.12), height - down * 0.45)
    if alone and (abs(x / width - 1 / 3) < 0.03 or abs(x / width - 2 / 3) < 0.03):
        return False  # left, middle or right would be a matter of taste
    box = (y - down / 2, x - across / 2, y + down / 2, x + across / 2)
    if any(_covers(box, other) for other in taken):
        return False

    cut = _transform(rng, sprite, across, down, scale)
    alpha, colour = cut[..., 3:] / 255, cut[..., :3]
    if label in VEHICLES + LIVING and rng.random() < 0.35:
        colour = colour[..., rng.permutation(3)] if label in VEHICLES else np.clip(colour * rng.uniform(0.75, 1.2, 3), 0, 255)
    rows, columns = np.nonzero(alpha[..., 0] > 0.2)
    if len(rows) == 0:
        return False
    top, left = int(y - cut.shape[0] / 2), int(x - cut.shape[1] / 2)
    drawn = (top + rows.min(), left + columns.min(), top + rows.max() + 1, left + columns.max() + 1)
    if place != "plain" and label not in ("bird", "fire") and rng.random() < 0.5:
        _shadow(picture, drawn, down)
    _blend(picture, colour, alpha, top, left)
    taken.append(box)
    things.append((label, (max(0, drawn[0]) / height, max(0, drawn[1]) / width,
                           min(height, drawn[2]) / height, min(width, drawn[3]) / width)))
    return True


def _covers(box: tuple[float, ...], other: tuple[float, ...]) -> bool:
    down = min(box[2], other[2]) - max(box[0], other[0])
    across = min(box[3], other[3]) - max(box[1], other[1])
    smaller = min((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return down > 0 and across > 0 and down * across > MOST_COVERED * smaller


def _transform(rng: Rng, sprite: np.ndarray, across: int, down: int, scale: float) -> np.ndarray:
    cut = Image.fromarray(sprite).resize((across, down), Image.BILINEAR if scale < 1 else Image.BICUBIC)
    if rng.random() < 0.5:
        cut = cut.transpose(Image.FLIP_LEFT_RIGHT)
    if rng.random() < 0.4:
        cut = cut.rotate(rng.uniform(-12, 12), Image.BICUBIC, expand=True)
    return np.asarray(cut).astype(np.float32)


def _shadow(picture: np.ndarray, drawn: tuple, down: int) -> None:
    ground, half = min(picture.shape[0] - 1, int(drawn[2])), max(2, down // 14)
    picture[max(0, ground - half) : ground + half, max(0, int(drawn[1])) : int(drawn[3])] *= 0.82


def _blend(picture: np.ndarray, colour: np.ndarray, alpha: np.ndarray, top: int, left: int) -> None:
    height, width, _ = picture.shape
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(height, top + colour.shape[0]), min(width, left + colour.shape[1])
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    picture[y0:y1, x0:x1] = picture[y0:y1, x0:x1] * (1 - alpha[inside]) + colour[inside] * alpha[inside]


def _through_camera(rng: Rng, picture: np.ndarray, night: bool) -> np.ndarray:
    """Light, contrast, sensor noise, and for some pictures blur or JPEG."""
    if night:
        picture = picture * rng.uniform(0.27, 0.48) * np.array([0.85, 0.92, 1.15], np.float32) + rng.uniform(0, 8)
    else:
        picture = (picture - 128) * rng.uniform(0.8, 1.15) + 128 * rng.uniform(0.82, 1.15)
    if rng.random() < 0.6:
        channels = 1 if rng.random() < 0.6 else 3
        noise = rng.standard_normal((*picture.shape[:2], channels), dtype=np.float32)
        picture = picture + noise * np.float32(rng.uniform(1, 9))
    pixels = np.clip(picture, 0, 255).astype(np.uint8)
    chance = rng.random()
    if chance < 0.2:
        return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.3))))
    if chance < 0.45:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(35, 90)))
        return np.asarray(Image.open(file))
    return pixels
