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
from words import Thing

DRAWN, RESIZED = "scenes_drawn", "scenes_resized"
SCENE_SEEDS = {DRAWN: 5, RESIZED: 6}
CAMERA = (640, 480)  # scenes_resized are drawn at this size and resized as the image processor does
SHARDS = 3  # of training speech


def make_scenes(name: str, count: int, folder: Path) -> None:
    """Writes pixels to NAME.npy and a line for each scene to NAME.jsonl."""
    shape = (count, FRAME_HEIGHT, FRAME_WIDTH, 3)
    pixels = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, shape)
    size = CAMERA if name == RESIZED else (FRAME_WIDTH, FRAME_HEIGHT)
    with open(folder / f"{name}.jsonl", "w") as lines:
        for i in range(count):
            drawn = scene(np.random.default_rng([SCENE_SEEDS[name], i]), *size)
            picture = Image.fromarray(drawn.pixels)
            if size != (FRAME_WIDTH, FRAME_HEIGHT):
                picture = picture.resize((FRAME_WIDTH, FRAME_HEIGHT), Image.BICUBIC)
            pixels[i] = np.asarray(picture)
            things = [[label, [float(share) for share in box]] for label, box in drawn.things]
            lines.write(json.dumps([things, drawn.place, drawn.night]) + "\n")
            if (i + 1) % 500 == 0:
                print(f"{name}: {i + 1} of {count}", flush=True)


class Scenes:
    """Scenes on disk: pixels and what is on them, half of the draws mirrored."""

    def __init__(self, folder: Path, name: str) -> None:
        self.pixels = np.load(folder / f"{name}.npy", mmap_mode="r")
        with open(folder / f"{name}.jsonl") as lines:
            self.notes = [json.loads(line) for line in lines]

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, list[Thing], str, bool]:
        i = int(rng.integers(len(self.notes)))
        pixels = np.array(self.pixels[i])
        listed, place, night = self.notes[i]
        things: list[Thing] = [(label, tuple(box)) for label, box in listed]
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
            things = [(label, (y0, 1 - x1, y1, 1 - x0)) for label, (y0, x0, y1, x1) in things]
        return pixels, things, place, night


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="folder for data and checkpoints")
    arguments.add_argument("--scenes", type=int, default=12000, help="scenes drawn at 432x336 (0.43 MB each)")
    arguments.add_argument("--resized", type=int, default=2500, help="scenes drawn at 640x480 and resized")
    arguments.add_argument("--clips", type=int, default=9000, help="spoken sentences for training (0.06 MB each)")
    arguments.add_argument("--held-out", type=int, default=250, help="spoken sentences in each held-out set")
    options = arguments.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)

    with ProcessPoolExecutor(os.cpu_count()) as workers:
        jobs = [
            workers.submit(make_scenes, DRAWN, options.scenes, options.data),
            workers.submit(make_scenes, RESIZED, options.resized, options.data),
            workers.submit(make_clips, "val", 0, options.held_out, options.data),
            workers.submit(make_clips, "valvoice", 0, options.held_out, options.data),
        ]
        each = -(-options.clips // SHARDS)
        jobs += [workers.submit(make_clips, "train", shard, each, options.data) for shard in range(SHARDS)]
        for job in jobs:
            job.result()


if __name__ == "__main__":
    main()
