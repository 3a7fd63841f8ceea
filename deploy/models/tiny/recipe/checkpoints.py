"""Weights on disk: .pt files of the training stages, and folders in Hugging Face's form."""
import os
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import Gemma4ForConditionalGeneration

import architecture
import vocabulary

PATCH_HEADS = "patch_heads."  # helpers of training that are not part of the model


def save(path: Path, weights: dict[str, torch.Tensor], step: int) -> None:
    """Writes to a file beside path first, so that path is whole at all times."""
    temporary = path.with_suffix(".tmp")
    torch.save({"weights": {name: weight.detach() for name, weight in weights.items()}, "step": step}, temporary)
    os.replace(temporary, path)


def read(path: Path) -> dict[str, torch.Tensor]:
    """The weights of a .pt file, or of a folder with model.safetensors."""
    if path.is_dir():
        return load_file(path / "model.safetensors")
    return torch.load(path, weights_only=True)["weights"]


def load_into(model: Gemma4ForConditionalGeneration, path: Path) -> None:
    """Overwrites those weights of the model that path has; bounds, helpers and parts of another size are left out."""
    known = model.state_dict()
    weights = {name: weight for name, weight in read(path).items() if name in known and weight.shape == known[name].shape}
    model.load_state_dict(weights, strict=False)
    print(f"{path}: {len(weights)} of {len(known)} weights", flush=True)


def load_helper(helper: torch.nn.Module, path: Path, prefix: str) -> None:
    """Overwrites the weights of a helper of training with those that path has under the prefix, if any."""
    weights = {name.removeprefix(prefix): weight for name, weight in read(path).items() if name.startswith(prefix)}
    if weights:
        helper.load_state_dict(weights)


def open_model(path: Path, data: Path) -> tuple[Gemma4ForConditionalGeneration, vocabulary.Tokenizer]:
    """A trained model, ready to answer. A folder keeps the clip bounds that it was exported with."""
    tokenizer = vocabulary.load(data)
    if path.is_dir():
        model = Gemma4ForConditionalGeneration.from_pretrained(path).float()
    else:
        model = architecture.build(tokenizer)
        load_into(model, path)
    architecture.use_fast_norms()
    return model.eval(), tokenizer
