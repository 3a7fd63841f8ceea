"""Pictures that are drawn while training goes on, of every shape that cameras have: none is seen twice."""
from typing import NamedTuple

import numpy as np
from PIL import Image

from architecture import PATCH, POOL, SOFT_TOKENS, resize
from data import FULL
from scenes import COUNT_ODDS, Scene, scene

FULL_SHARE = 0.6  # of pictures, with more things in them
ALIKE = 0.25  # of things are of the kind of the one before
GRAIN = PATCH * POOL  # pixels that become one soft token, across and down


class View(NamedTuple):
    """A camera: how often it is taken, the size at which a scene is drawn, and the most soft tokens for it."""

    share: float
    width: int
    height: int
    soft_tokens: int = SOFT_TOKENS


VIEWS = (
    View(0.36, 432, 336),  # 4:3, drawn as the tower sees it, and resized as by the image processor
    View(0.36, 640, 480),
    View(0.12, 640, 360),  # 16:9
    View(0.05, 480, 480),
    View(0.05, 360, 480),
    View(0.04, 640, 480, 140),
    View(0.02, 960, 720, 280),
)


class Views:
    """Draws pictures from the views."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def draw(self, count: int) -> tuple[np.ndarray, list[Scene]]:
        """Pictures of one shape as the vision tower sees them, [count, height, width, 3], and the scenes that they show.

        Of views with more soft tokens than usual there are fewer, so that a step takes about as long.
        """
        view = VIEWS[self.rng.choice(len(VIEWS), p=[view.share for view in VIEWS])]
        count = max(1, count * SOFT_TOKENS // view.soft_tokens)
        scenes = [scene(self.rng, view.width, view.height, FULL if self.rng.random() < FULL_SHARE else COUNT_ODDS, ALIKE)
                  for _ in range(count)]
        return np.stack([resize(Image.fromarray(drawn.pixels), view.soft_tokens) for drawn in scenes]), scenes


def grid(pixels: np.ndarray) -> tuple[int, int]:
    """Soft tokens across and down of pictures [count, height, width, 3]."""
    return pixels.shape[2] // GRAIN, pixels.shape[1] // GRAIN
