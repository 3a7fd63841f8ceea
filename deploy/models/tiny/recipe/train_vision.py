"""Teaches the vision tower, alone, to write the code of what is in a picture.

Most of a picture is empty ground, so at first only some of its cells are
looked at: those that a thing touches, and as many others as fill the batch.
And every patch, not only every soft token, is asked what it belongs to.
"""
import argparse

import numpy as np
import torch
import torch.nn.functional as F

import architecture
import checkpoints
import norms
import options
import sight
import start
import vocabulary
from architecture import FRAME_HEIGHT, FRAME_TOKENS, FRAME_WIDTH, GRID_HEIGHT, GRID_WIDTH, PATCH, POOL
from codes import truth
from data import DRAWN, RESIZED, Scenes
from losses import code_of, outside, picture_losses, weighted
from training import train
from words import LABELS, Thing

BATCH = 12
CELLS = 32  # looked at in a picture, of 63
PARTS = 0.8  # share of the time in which only parts of the pictures are looked at
RESIZED_SHARE = 0.35
WEIGHTS = {"object": 12, "label": 1, "numbers": 0.5, "place": 0.3, "night": 0.3, "code": 4, "rest": 0.2}
PATCH_WEIGHT = 0.5
ASKED_LAYERS = (1, 3)
REACH = 4 * PATCH  # pixels: the unit of a patch's distances to the sides of its thing


class PatchHead(torch.nn.Linear):
    """Reads from each patch what thing it belongs to and how far the sides are: a helper of training."""

    def __init__(self) -> None:
        super().__init__(architecture.SIGHT.width, 1 + len(LABELS) + 4)


def touched(things: list[Thing]) -> np.ndarray:
    """Which cells a thing touches, [FRAME_TOKENS]."""
    cells = np.zeros((GRID_HEIGHT, GRID_WIDTH), bool)
    for _, (y0, x0, y1, x1) in things:
        cells[int(y0 * GRID_HEIGHT) : int(np.ceil(y1 * GRID_HEIGHT)), int(x0 * GRID_WIDTH) : int(np.ceil(x1 * GRID_WIDTH))] = True
    return cells.reshape(-1)


def patch_truth(things: list[Thing], middles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For patches whose middles are at x, y [count, 2] in pixels: label + 1 or 0, and distances to y0, x0, y1, x1."""
    labels, sides = np.zeros(len(middles), np.int64), np.zeros((len(middles), 4), np.float32)
    scale = np.array([FRAME_HEIGHT, FRAME_WIDTH] * 2, np.float32)
    for label, box in things:
        y0, x0, y1, x1 = np.array(box) * scale
        x, y = middles.T
        inside = (y > y0) & (y < y1) & (x > x0) & (x < x1)
        labels[inside] = LABELS.index(label) + 1
        sides[inside] = (np.array([y0, x0, y1, x1]) - np.stack([y, x, y, x], -1)[inside]) / REACH
    return labels, sides


class Sight:
    """The tower with its pictures."""

    def __init__(self, settings: argparse.Namespace, model: torch.nn.Module, heads: torch.nn.ModuleList) -> None:
        self.model, self.heads, self.parts, self.compiled = model, heads, settings.parts, settings.compile
        self.rng = np.random.default_rng([11, settings.seed, settings.rank])
        self.scenes = {name: Scenes(settings.data, name) for name in (DRAWN, RESIZED)}
        self.positions = sight.cell_positions(GRID_HEIGHT, GRID_WIDTH)

    def draw(self, resized_share: float, most: int) -> tuple:
        """A picture whose things touch at most so many cells, and which those are."""
        while True:
            name = RESIZED if self.rng.random() < resized_share else DRAWN
            pixels, things, place, night = self.scenes[name].draw(self.rng)
            cells = touched(things)
            if cells.sum() <= most:
                return pixels, things, place, night, cells

    def step(self, share: float) -> tuple[torch.Tensor, dict[str, float]]:
        count = CELLS if share < self.parts else FRAME_TOKENS
        drawn = [self.draw(RESIZED_SHARE if share < self.parts else 0.6, count) for _ in range(BATCH)]
        # Cells with things first, the others in any order; then those that count, from the top of the picture on.
        order = [np.argsort(-cells.astype(float) + self.rng.random(FRAME_TOKENS) * 0.5)[:count] for *_, cells in drawn]
        cells = torch.from_numpy(np.sort(np.stack(order), 1))
        patches = sight.by_cell(torch.from_numpy(np.stack([pixels for pixels, *_ in drawn])))
        values = patches.gather(1, cells[..., None, None].expand(-1, -1, *patches.shape[2:])).flatten(1, 2).float() / 255
        light = torch.empty(BATCH, 1, 1).uniform_(0.85, 1.15), torch.empty(BATCH, 1, 1).uniform_(-0.06, 0.06)
        positions = self.positions[cells].flatten(1, 2)
        hidden = sight.look(self.model, (values * light[0] + light[1]).clamp_(0, 1), positions, self.compiled)
        truths = [truth(things, place, night) for _, things, place, night, _ in drawn]
        soft = sight.pool(self.model, hidden[-1])
        written = code_of(soft)
        losses = picture_losses(written, truths, cells) | {"rest": outside(soft, written)}
        patch = self.ask_patches(hidden, positions, [things for _, things, *_ in drawn])
        figures = {name.lstrip("_"): value.item() for name, value in losses.items()}
        return weighted(losses, WEIGHTS) + PATCH_WEIGHT * patch, figures | {"patch": patch.item()}

    def ask_patches(self, hidden: list[torch.Tensor], positions: torch.Tensor, things: list[list[Thing]]) -> torch.Tensor:
        middles = (positions.numpy() + 0.5) * PATCH
        pairs = [patch_truth(one, middle) for one, middle in zip(things, middles)]
        labels = torch.from_numpy(np.concatenate([label for label, _ in pairs]))
        sides = torch.from_numpy(np.concatenate([side for _, side in pairs]))
        loss = torch.zeros(())
        for head, layer in zip(self.heads, ASKED_LAYERS):
            said = head(F.rms_norm(hidden[layer].flatten(0, 1), hidden[layer].shape[-1:]))
            loss = loss + F.cross_entropy(said[:, : 1 + len(LABELS)], labels)
            loss = loss + 0.5 * (said[:, 1 + len(LABELS) :] - sides).abs()[labels > 0].mean()
        return loss

    def sample_patches(self) -> np.ndarray:
        """[count, 768] in 0..1, the same for all ranks."""
        rng = np.random.default_rng(7)
        pictures = np.stack([scenes.draw(rng)[0] for _ in range(100) for scenes in self.scenes.values()])
        return sight.by_cell(torch.from_numpy(pictures)).reshape(-1, 3 * PATCH * PATCH)[::5].numpy() / 255


def main() -> None:
    arguments = options.parser(__doc__, minutes=65, peak=2e-3)
    arguments.add_argument("--parts", type=float, default=PARTS,
                           help="share of the time in which only parts of pictures are looked at (default %(default)s)")
    settings = arguments.parse_args()
    model = architecture.build(vocabulary.load(settings.data), seed=1)
    heads = torch.nn.ModuleList([PatchHead() for _ in ASKED_LAYERS])
    seer = Sight(settings, model, heads)
    if settings.start:
        checkpoints.load_into(model, settings.start)
        checkpoints.load_helper(heads, settings.start, checkpoints.PATCH_HEADS)
    else:
        start.begin_sight(model, seer.sample_patches())
    norms.use_fast_norms()
    named = [(name, weight) for name, weight in model.named_parameters() if "vision_tower" in name or "embed_vision" in name]
    named += [(checkpoints.PATCH_HEADS + name, weight) for name, weight in heads.named_parameters()]
    train("vision", seer.step, named, settings)


if __name__ == "__main__":
    main()
