"""Weights on disk: .pt files of the training stages, and folders in Hugging Face's form."""
import os
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import Gemma4ForConditionalGeneration

import architecture
import ggufs
import norms
import vocabulary
from grow import grow, sight_size

PATCH_HEADS, READERS = "patch_heads.", "readers."  # helpers of training that are not part of the model


def save(path: Path, weights: dict[str, torch.Tensor], step: int) -> None:
    """Writes to a file beside path first, so that path is whole at all times."""
    temporary = path.with_suffix(".tmp")
    torch.save({"weights": {name: weight.detach() for name, weight in weights.items()}, "step": step}, temporary)
    os.replace(temporary, path)


def read(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a .pt file, or of a folder with model.safetensors or the two GGUF files."""
    if path.is_dir():
        whole = path / "model.safetensors"
        return load_file(whole) if whole.exists() else ggufs.read(path)
    return torch.load(path, weights_only=True)["weights"]


def sight_of(path: Path) -> architecture.Sight:
    """The size of the vision tower of a checkpoint; that of a new one if it has none."""
    weights = read(path)
    return sight_size(weights) or architecture.SIGHT


def load_into(model: Gemma4ForConditionalGeneration, path: Path) -> None:
    """Overwrites those weights of the model that path has. A smaller vision tower is grown; bounds and helpers are left out."""
    known = model.state_dict()
    grown = grow(read(path), known)
    weights = {name: weight for name, weight in grown.items() if name in known and weight.shape == known[name].shape}
    model.load_state_dict(weights, strict=False)
    print(f"{path}: {len(weights)} of {len(known)} weights", flush=True)


def load_helper(helper: torch.nn.Module, path: Path, prefix: str) -> bool:
    """Overwrites the weights of a helper of training with those that path has under the prefix; says whether it has any."""
    weights = {name.removeprefix(prefix): weight for name, weight in read(path).items() if name.startswith(prefix)}
    if weights:
        helper.load_state_dict(weights)
    return bool(weights)


def open_model(path: Path, data: Path) -> tuple[Gemma4ForConditionalGeneration, vocabulary.Tokenizer]:
    """A trained model, ready to answer. A folder keeps the clip bounds that it was exported with."""
    tokenizer = vocabulary.load(data)
    if (path / "config.json").exists():
        model = Gemma4ForConditionalGeneration.from_pretrained(path).float()
    else:
        model = architecture.build(tokenizer, sight=sight_of(path))
        load_into(model, path)
    norms.use_fast_norms()
    return model.eval(), tokenizer
