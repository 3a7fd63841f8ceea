"""Makes the training data, all of it from seeds, and reads it back."""
import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from architecture import FRAME_HEIGHT, FRAME_WIDTH
from scenes import scene
from speech import make_clips
from words import Box, Thing

DRAWN, RESIZED = "scenes_drawn", "scenes_resized"
SCENE_SEEDS = {DRAWN: 5, RESIZED: 6}
CAMERA = (640, 480)  # scenes_resized are drawn at this size and resized as the image processor does
FULL = [0.04, 0.16, 0.25, 0.3, 0.25]  # of 0..4 things in scenes_drawn: more to learn from than in scenes_resized
SPARE_WIDTH, SPARE_HEIGHT = 24, 16  # a scene on disk is so much larger than a frame, which is cut from it
SHARDS = 3  # of training speech


def make_scenes(name: str, count: int, folder: Path) -> None:
    """Writes pixels to NAME.npy and a line for each scene to NAME.jsonl."""
    width, height = FRAME_WIDTH + SPARE_WIDTH, FRAME_HEIGHT + SPARE_HEIGHT
    pixels = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, (count, height, width, 3))
    with open(folder / f"{name}.jsonl", "w") as lines:
        for i in range(count):
            rng = np.random.default_rng([SCENE_SEEDS[name], i])
            drawn = scene(rng, *CAMERA) if name == RESIZED else scene(rng, width, height, FULL)
            picture = Image.fromarray(drawn.pixels)
            if picture.size != (width, height):
                picture = picture.resize((width, height), Image.BICUBIC)
            pixels[i] = np.asarray(picture)
            things = [[label, [float(share) for share in box]] for label, box in drawn.things]
            lines.write(json.dumps([things, drawn.place, drawn.night]) + "\n")
            if (i + 1) % 500 == 0:
                print(f"{name}: {i + 1} of {count}", flush=True)


class Scenes:
    """Scenes on disk: pixels and what is on them. Each draw cuts another frame from one, half of them mirrored."""

    def __init__(self, folder: Path, name: str) -> None:
        self.pixels = np.load(folder / f"{name}.npy", mmap_mode="r")
        with open(folder / f"{name}.jsonl") as lines:
            self.notes = [json.loads(line) for line in lines]

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, list[Thing], str, bool]:
        i = int(rng.integers(len(self.notes)))
        left, top = int(rng.integers(SPARE_WIDTH + 1)), int(rng.integers(SPARE_HEIGHT + 1))
        pixels = np.array(self.pixels[i, top : top + FRAME_HEIGHT, left : left + FRAME_WIDTH])
        listed, place, night = self.notes[i]
        things = [(label, _cut(box, left, top)) for label, box in listed]
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
            things = [(label, (y0, 1 - x1, y1, 1 - x0)) for label, (y0, x0, y1, x1) in things]
        return pixels, things, place, night


def _cut(box: list[float], left: int, top: int) -> Box:
    """A box in shares of a scene on disk -> in shares of the frame whose corner is at (left, top) of it."""
    y0, x0, y1, x1 = box
    width, height = FRAME_WIDTH + SPARE_WIDTH, FRAME_HEIGHT + SPARE_HEIGHT
    across = [min(1.0, max(0.0, (x * width - left) / FRAME_WIDTH)) for x in (x0, x1)]
    down = [min(1.0, max(0.0, (y * height - top) / FRAME_HEIGHT)) for y in (y0, y1)]
    return down[0], across[0], down[1], across[1]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="folder for data and checkpoints")
    arguments.add_argument("--scenes", type=int, default=12000, help="scenes drawn at 432x336 (0.43 MB each)")
    arguments.add_argument("--resized", type=int, default=2500, help="scenes drawn at 640x480 and resized")
    arguments.add_argument("--clips", type=int, default=9000, help="spoken sentences for training (0.06 MB each)")
    arguments.add_argument("--held-out", type=int, default=250, help="spoken sentences in each held-out set")
    options = arguments.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)

    scenes = {DRAWN: options.scenes, RESIZED: options.resized}
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        jobs = [
            *(workers.submit(make_scenes, name, count, options.data) for name, count in scenes.items() if count),
            workers.submit(make_clips, "val", 0, options.held_out, options.data),
            workers.submit(make_clips, "valvoice", 0, options.held_out, options.data),
        ]
        each = -(-options.clips // SHARDS)
        jobs += [workers.submit(make_clips, "train", shard, each, options.data) for shard in range(SHARDS)]
        for job in jobs:
            job.result()


if __name__ == "__main__":
    main()
