"""Makes a trained vision tower wider and deeper without changing what it says.

New channels of the hidden values begin at zero, new heads and new hidden units of the MLP are not listened to yet,
and new layers add nothing yet; training then finds uses for them. The RMS norms see more channels of the same
content, so their weights shrink by as much as the mean of squares does.
"""
import re

import torch

from architecture import Sight

TOWER = "model.vision_tower."
PROJECTION = "model.embed_vision.embedding_projection.weight"
TABLE, PATCHES = TOWER + "patch_embedder.position_embedding_table", TOWER + "patch_embedder.input_proj.weight"
WRITING = ("o_proj.linear.weight", "down_proj.linear.weight")  # to the hidden values; all other matrices read them
HEAD_NORMS = ("q_norm.weight", "k_norm.weight")  # of the size of a head, which stays


def grow(weights: dict[str, torch.Tensor], fresh: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights with a vision tower of the size of the fresh one, whose values are used where the old has none."""
    size = sight_size(weights)
    if size is None:
        return weights
    old, layers = size
    new = fresh[TABLE].shape[-1]
    if old > new:
        raise ValueError(f"the vision tower to start from is {old} wide, more than {new}")
    share = (old / new) ** 0.5
    grown = dict(weights)
    for name, start in fresh.items():
        if not name.startswith((TOWER, PROJECTION)) or "_min" in name or "_max" in name:
            continue
        kept = weights.get(name)
        if kept is None:
            added = _layer(name) >= layers
            silent = added and name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight"))
            grown[name] = torch.zeros_like(start) if silent else start.clone()
        elif name == PROJECTION:
            grown[name] = _wider(kept * share, start)
        elif name in (TABLE, PATCHES):
            grown[name] = _wider(kept, torch.zeros_like(start))
        elif name.endswith(WRITING):
            grown[name] = _wider(kept, torch.zeros_like(start))
        elif kept.ndim == 1 and not name.endswith(HEAD_NORMS):
            grown[name] = _wider(kept * share, torch.full_like(start, float(kept.mean()) * share))
        else:
            grown[name] = _wider(kept, start)
    return grown


def sight_size(weights: dict[str, torch.Tensor]) -> Sight | None:
    """The size of the vision tower, None if there is none."""
    if TABLE not in weights:
        return None
    return Sight(weights[TABLE].shape[-1], 1 + max(_layer(name) for name in weights))


def _layer(name: str) -> int:
    """The number of the tower's layer that a weight belongs to, -1 for others."""
    found = re.match(re.escape(TOWER) + r"encoder\.layers\.(\d+)\.", name)
    return int(found[1]) if found else -1


def _wider(kept: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """start with kept in its first corner."""
    if any(small > large for small, large in zip(kept.shape, start.shape)):
        raise ValueError(f"a weight of the vision tower to start from is {list(kept.shape)}, more than {list(start.shape)}")
    grown = start.clone()
    grown[tuple(slice(0, size) for size in kept.shape)] = kept
    return grown
