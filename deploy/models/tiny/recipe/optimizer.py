"""Muon for the matrices of the blocks, AdamW for everything else, and the learning rate over time."""
from collections.abc import Iterable

import torch

MOMENTUM = 0.95
DECAY = 0.02
SLOW = 0.1
# Newton-Schulz iteration that pushes all singular values towards 1 (Muon, Jordan et al. 2024).
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class MuonAdam:
    def __init__(self, named: Iterable[tuple[str, torch.nn.Parameter]], rate: float) -> None:
        self.matrices: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
        rest: list[torch.nn.Parameter] = []
        slow: list[torch.nn.Parameter] = []
        for name, weight in named:
            if weight.ndim == 2 and ".layers." in name and min(weight.shape) >= 32:
                self.matrices.setdefault(tuple(weight.shape), []).append(weight)
            elif "input_proj.weight" in name and "patch_embedder" in name:
                slow.append(weight)  # begins small and right, see start.py
            else:
                rest.append(weight)
        self.momentum = {shape: torch.zeros(len(weights), *shape) for shape, weights in self.matrices.items()}
        groups = [{"params": rest, "share": 1.0}, {"params": slow, "share": SLOW}]
        self.adam = torch.optim.AdamW([group for group in groups if group["params"]], lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.weights = [weight for weights in self.matrices.values() for weight in weights] + rest + slow

    @torch.no_grad()
    def step(self, rate: float) -> float:
        """Applies the gradients and clears them; returns their norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_([weight for weight in self.weights if weight.grad is not None], 1.0)
        for group in self.adam.param_groups:
            group["lr"] = rate * group["share"]
        self.adam.step()
        for shape, weights in self.matrices.items():
            gradient = torch.stack([torch.zeros_like(w) if w.grad is None else w.grad for w in weights])
            momentum = self.momentum[shape]
            momentum.mul_(MOMENTUM).add_(gradient, alpha=1 - MOMENTUM)
            update = _orthogonal(gradient * (1 - MOMENTUM) + momentum * MOMENTUM)
            scale = rate * 0.5 * max(shape) ** 0.5
            for weight, direction in zip(weights, update):
                weight.mul_(1 - rate * DECAY).add_(direction, alpha=-scale)
        for weight in self.weights:
            weight.grad = None
        return float(norm)


def _orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest matrices [count, rows, columns] with singular values near 1."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-9)).bfloat16()  # the iteration does not mind, and it is twice as fast
    first, third, fifth = NEWTON_SCHULZ
    for _ in range(ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = first * x + (third * square + fifth * (square @ square)) @ x
    return (x.transpose(1, 2) if tall else x).float()


def rate_at(share: float, peak: float) -> float:
    """Learning rate when a share (0..1) of the time is used: 3% warm-up, flat to 20%, then down to 2%.

    A run is short for what there is to learn: most of what it gains comes while the rate falls.
    """
    warm, flat, floor = 0.03, 0.2, 0.02
    share = min(1.0, share)
    falling = 1.0 if share < flat else (1 - share) / (1 - flat)
    return peak * min(1.0, share / warm) * (floor + (1 - floor) * falling)
