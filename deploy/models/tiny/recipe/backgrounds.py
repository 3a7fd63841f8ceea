"""Backgrounds of the scenes: six kinds of places, drawn with bands of colour, blocks and noise."""
from collections.abc import Callable

import numpy as np
from PIL import Image

Rng = np.random.Generator
Colour = list[int] | np.ndarray


def background(rng: Rng, place: str, width: int, height: int) -> np.ndarray:
    """A picture [height, width, 3] of a place, float32, about 0..255."""
    picture = np.zeros((height, width, 3), np.float32)
    if place == "plain":
        return _plain(rng, picture)
    horizon = int(height * rng.uniform(0.2, 0.5))
    if rng.random() < 0.7:
        sky = (_vary(rng, [90, 150, 225]), _vary(rng, [190, 220, 245]))
    else:
        sky = (_vary(rng, [150, 155, 165]), _vary(rng, [200, 203, 208]))
    if place == "room":
        return _room(rng, picture)
    _OUTDOORS[place](rng, picture, horizon, sky)
    return picture


def _vary(rng: Rng, colour: Colour, amount: float = 18) -> np.ndarray:
    shifted = np.asarray(colour, np.float32) + rng.uniform(-amount, amount, 3) + rng.uniform(-amount, amount)
    return np.clip(shifted, 0, 255)


def _texture(rng: Rng, height: int, width: int, scale: int, strength: float) -> np.ndarray:
    """Smooth noise [height, width, 1]: grains of about scale pixels."""
    grains = rng.standard_normal((max(2, height // scale), max(2, width // scale)), dtype=np.float32)
    return np.asarray(Image.fromarray(grains).resize((width, height), Image.BILINEAR))[..., None] * strength


def _band(top: Colour, bottom: Colour, height: int, width: int) -> np.ndarray:
    """A vertical run of colour from top to bottom."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    colours = np.asarray(top, np.float32) * (1 - down) + np.asarray(bottom, np.float32) * down
    return np.broadcast_to(colours, (height, width, 3))


def _plain(rng: Rng, picture: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    picture[:] = _band(rng.uniform(30, 230, 3), rng.uniform(30, 230, 3), height, width)
    if rng.random() < 0.5 and width == height:
        picture = picture.transpose(1, 0, 2).copy()
    return picture + _texture(rng, height, width, int(rng.integers(2, 40)), rng.uniform(0, 12))


def _grass(rng: Rng, picture: np.ndarray, horizon: int, sky: tuple) -> None:
    height, width, _ = picture.shape
    picture[:horizon] = _band(*sky, horizon, width)
    picture[horizon:] = _band(_vary(rng, [95, 150, 60]), _vary(rng, [60, 120, 35]), height - horizon, width)
    picture[horizon:] += _texture(rng, height - horizon, width, int(rng.integers(1, 4)), rng.uniform(5, 18))


def _snow(rng: Rng, picture: np.ndarray, horizon: int, sky: tuple) -> None:
    height, width, _ = picture.shape
    picture[:horizon] = _band(_vary(rng, [150, 170, 200]), _vary(rng, [205, 215, 230]), horizon, width)
    picture[horizon:] = _band(_vary(rng, [228, 234, 242], 8), _vary(rng, [240, 244, 250], 6), height - horizon, width)
    picture[horizon:] += _texture(rng, height - horizon, width, int(rng.integers(3, 20)), rng.uniform(2, 8))


def _beach(rng: Rng, picture: np.ndarray, horizon: int, sky: tuple) -> None:
    height, width, _ = picture.shape
    shore = horizon + int(height * rng.uniform(0.08, 0.2))
    picture[:horizon] = _band(*sky, horizon, width)
    picture[horizon:shore] = _band(_vary(rng, [30, 110, 170]), _vary(rng, [60, 160, 190]), shore - horizon, width)
    picture[shore:] = _band(_vary(rng, [225, 200, 145]), _vary(rng, [205, 175, 115]), height - shore, width)
    picture[shore:] += _texture(rng, height - shore, width, int(rng.integers(1, 5)), rng.uniform(3, 10))


def _street(rng: Rng, picture: np.ndarray, horizon: int, sky: tuple) -> None:
    height, width, _ = picture.shape
    if rng.random() < 0.5:
        picture[:horizon] = _band(*sky, horizon, width)
    else:
        picture[:horizon] = _band(_vary(rng, [170, 110, 90], 40), _vary(rng, [150, 100, 85], 40), horizon, width)
    _houses(rng, picture, horizon)

    kerb, grey = int(height * rng.uniform(0.02, 0.08)), rng.uniform(75, 125)
    road = horizon + kerb
    picture[horizon:road] = _vary(rng, [175, 170, 165])
    picture[road:] = grey
    picture[road:] += _texture(rng, height - road, width, int(rng.integers(1, 4)), rng.uniform(3, 9))

    top, thickness = int(height * rng.uniform(0.62, 0.9)), int(rng.integers(3, 8))
    dash = int(width * rng.uniform(0.06, 0.14))
    for left in range(int(rng.integers(0, dash)), width, 2 * dash):
        picture[top : top + thickness, left : left + dash] = rng.uniform(190, 240)


def _houses(rng: Rng, picture: np.ndarray, horizon: int) -> None:
    width = picture.shape[1]
    left = 0
    while left < width and rng.random() < 0.95:
        house, roof = int(width * rng.uniform(0.1, 0.3)), horizon - int(horizon * rng.uniform(0.3, 1))
        colour = _vary(rng, [140, 125, 115], 50)
        picture[roof:horizon, left : left + house] = colour
        for y in range(roof + 6, horizon - 10, 22):
            for x in range(left + 6, min(left + house - 10, width), 20):
                picture[y : y + 11, x : x + 9] = colour * 0.55
        left += house + int(width * rng.uniform(0, 0.1))


def _room(rng: Rng, picture: np.ndarray) -> np.ndarray:
    height, width, _ = picture.shape
    edge = int(height * rng.uniform(0.5, 0.75))
    wall = _vary(rng, rng.choice([[215, 205, 185], [190, 205, 215], [220, 190, 180], [195, 210, 185], [225, 222, 215]]), 15)
    picture[:edge] = _band(wall, wall * 0.93, edge, width)
    floor = _vary(rng, rng.choice([[150, 105, 65], [120, 85, 55], [175, 150, 120], [130, 130, 135]]), 15)
    picture[edge:] = _band(floor * 0.9, floor * 1.05, height - edge, width)
    picture[edge - 5 : edge + 3] = wall * 0.75  # skirting board

    for _ in range(int(rng.integers(0, 3))):  # windows
        across, down = int(width * rng.uniform(0.1, 0.25)), int(edge * rng.uniform(0.25, 0.5))
        x, y = int(rng.integers(0, width - across)), int(rng.integers(5, max(6, edge - down - 10)))
        picture[y : y + down, x : x + across] = wall * 0.6
        picture[y + 4 : y + down - 4, x + 4 : x + across - 4] = _vary(rng, [170, 200, 225], 40)
    if rng.random() < 0.5:  # floorboards
        board = int(rng.integers(14, 40))
        for y in range(edge + board // 2, height, board):
            picture[y : y + 2] *= 0.85
    return picture + _texture(rng, height, width, 3, rng.uniform(0, 4))


_OUTDOORS: dict[str, Callable] = {"grass": _grass, "snow": _snow, "beach": _beach, "street": _street}
