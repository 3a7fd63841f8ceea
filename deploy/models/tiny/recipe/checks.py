"""Checks of the recipe against the shipped model and transformers; ends with an error when one fails. Takes seconds."""
import argparse
import random
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import architecture
import checkpoints
import ggufs
import norms
import sight
import spanish
import vocabulary
from scenes import scene
from words import SENTENCES, command

SHIPPED = Path(__file__).absolute().parent.parent  # the folder with the GGUF files


def check_spanish() -> None:
    """Every sentence of the grammar has a translation."""
    if set(SENTENCES) != set(spanish.SENTENCES):
        raise AssertionError(f"only in one language: {set(SENTENCES) ^ set(spanish.SENTENCES)}")
    rng = random.Random(1)
    for _ in range(5000):
        spanish.spanish(command(rng))


def check_norms() -> None:
    """Our RMS norm and its gradients are PyTorch's."""
    torch.manual_seed(1)
    grad = torch.randn(5, 7, 48)
    for weight in (None, torch.rand(48) + 0.5):
        results = []
        for norm in (norms.rms_norm, lambda x, w, epsilon: F.rms_norm(x, x.shape[-1:], w, epsilon)):
            torch.manual_seed(2)
            x = torch.randn(5, 7, 48, requires_grad=True)
            w = None if weight is None else weight.clone().requires_grad_()
            y = norm(x, w, 1e-6)
            y.backward(grad)
            results.append([y, x.grad] + ([] if w is None else [w.grad]))
        for ours, theirs in zip(*results):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def check_growth(data: Path) -> None:
    """The shipped model is read whole; it sees the same when it is grown, and sight.look sees what transformers does."""
    tokenizer = vocabulary.load(data)
    weights = ggufs.read(SHIPPED)
    shipped = checkpoints.sight_of(SHIPPED)
    same = architecture.build(tokenizer, sight=shipped)
    missing = {name for name, _ in same.named_parameters() if name not in weights}
    if missing:
        raise AssertionError(f"the GGUF files of {SHIPPED} lack {sorted(missing)}")
    larger = architecture.Sight(shipped.width + 2 * architecture.SIGHT_HEAD, shipped.layers + 1)
    grown = architecture.build(tokenizer, sight=larger)
    drawn = scene(np.random.default_rng(1), 192, 144)
    values, positions = architecture.patches(drawn.pixels[None])
    seen = []
    for model in (same, grown):
        checkpoints.load_into(model, SHIPPED)
        seen.append(architecture.see(model.eval(), values, positions))
    torch.testing.assert_close(*seen, rtol=1e-3, atol=1e-4)

    cells = sight.by_cell(torch.from_numpy(drawn.pixels[None])).flatten(1, 2).float() / 255
    order = sight.cell_positions(3, 4).view(1, -1, 2)
    looked = sight.pool(same, sight.look(same, cells, order)[-1])
    off = (looked - seen[0]).pow(2).mean().sqrt() / seen[0].pow(2).mean().sqrt()
    if off > 0.05:  # bfloat16
        raise AssertionError(f"sight.look is {off:.3f} off")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="folder with the tokenizer, made on first use")
    options = arguments.parse_args()
    options.data.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    check_spanish()
    check_norms()
    check_growth(options.data)
    print("all checks passed")


if __name__ == "__main__":
    main()
