"""Turns a checkpoint into a folder in Hugging Face's form and into GGUF files.

The converter and the chat template are llama.cpp's; its source comes inside the
sdist of llama-cpp-python.
"""
import argparse
import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import transformers.models.gemma4.modeling_gemma4 as gemma4
from tokenizers import Tokenizer

import architecture
import checkpoints
from scenes import scene
from sound import augment
from speech import Clips

NAME = "tiny-gemma4"
CALIBRATION_PICTURES, CALIBRATION_CLIPS, CALIBRATION_BATCH = 48, 40, 8
MARGIN = 2  # clip bounds are so many times the largest value seen: finite, and out of the way in normal use
TEMPLATE = "models/templates/google-gemma-4-31B-it.jinja"
# The large models answer an empty thought first; E2B and E4B, and so this one, do not.
EMPTY_THOUGHT = """        {%- if not enable_thinking | default(false) -%}
            {{- '<|channel>thought\\n<channel|>' -}}
        {%- endif -%}
"""
MEDIA_TOKENS = {
    "image_token": "<|image|>", "audio_token": "<|audio|>", "boi_token": "<|image>", "eoi_token": "<image|>",
    "boa_token": "<|audio>", "eoa_token": "<audio|>", "eot_token": "<turn|>",
}
IMAGE_PROCESSOR = {
    "image_processor_type": "Gemma4ImageProcessor", "image_mean": [0.0] * 3, "image_std": [1.0] * 3,
    "do_normalize": False, "do_rescale": True, "rescale_factor": 1 / 255, "patch_size": architecture.PATCH,
    "pooling_kernel_size": architecture.POOL, "max_soft_tokens": architecture.SOFT_TOKENS, "resample": 3,
}
FEATURE_EXTRACTOR = {
    "feature_extractor_type": "Gemma4AudioFeatureExtractor", "feature_size": architecture.MELS, "sampling_rate": 16000,
    "frame_length_ms": 20.0, "hop_length_ms": 10.0, "min_frequency": 0.0, "max_frequency": 8000.0, "mel_floor": 0.001,
}
PROCESSOR = {
    "processor_class": "Gemma4Processor", "image_seq_length": architecture.SOFT_TOKENS, "audio_seq_length": 750,
    "audio_ms_per_token": 40, "feature_extractor": FEATURE_EXTRACTOR, "image_processor": IMAGE_PROCESSOR,
}
FILES = {
    f"{NAME}-q8_0.gguf": ["--outtype", "q8_0"],
    f"{NAME}-f16.gguf": ["--outtype", "f16"],
    f"mmproj-{NAME}-q8_0.gguf": ["--mmproj", "--outtype", "q8_0"],
    f"mmproj-{NAME}-f16.gguf": ["--mmproj", "--outtype", "f16"],
}


def _clipped(model: torch.nn.Module) -> Iterator[tuple[str, gemma4.Gemma4ClippableLinear]]:
    return ((name, part) for name, part in model.named_modules() if isinstance(part, gemma4.Gemma4ClippableLinear))


@torch.no_grad()
def largest_values(model: gemma4.Gemma4ForConditionalGeneration, clips: Clips) -> dict[str, tuple[float, float]]:
    """The largest input and output of every clipped linear, over pictures and sound like those of training."""
    seen: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    hooks = []
    for name, part in _clipped(model):
        def note(_: torch.nn.Module, inputs: tuple, output: torch.Tensor, name: str = name) -> None:
            seen[name][0] = max(seen[name][0], inputs[0].abs().max().item())
            seen[name][1] = max(seen[name][1], output.abs().max().item())
        hooks.append(part.register_forward_hook(note))
    rng = np.random.default_rng(3)
    for _ in range(CALIBRATION_PICTURES // CALIBRATION_BATCH):
        pixels = np.stack([scene(rng).pixels for _ in range(CALIBRATION_BATCH)])
        architecture.see(model, *architecture.patches(pixels))
    for samples in clips.samples[:CALIBRATION_CLIPS]:
        architecture.hear_one(model, augment(samples, rng))
    for hook in hooks:
        hook.remove()
    return {name: (values[0], values[1]) for name, values in seen.items()}


def with_bounds(model: gemma4.Gemma4ForConditionalGeneration, tokenizer: Tokenizer,
                clips: Clips) -> gemma4.Gemma4ForConditionalGeneration:
    """The same weights in a model whose tower weights carry clip bounds."""
    seen = largest_values(model, clips)
    vision = model.config.vision_config
    bounded = architecture.build(tokenizer, clipped=True, sight=architecture.Sight(vision.hidden_size, vision.num_hidden_layers))
    bounded.load_state_dict(model.state_dict(), strict=False)
    for name, part in _clipped(bounded):
        into, out = (float(np.ceil(value * MARGIN * 8) / 8) for value in seen[name])
        part.input_min.fill_(-into)
        part.input_max.fill_(into)
        part.output_min.fill_(-out)
        part.output_max.fill_(out)
    return bounded


def write_folder(model: gemma4.Gemma4ForConditionalGeneration, tokenizer: Tokenizer, data: Path, folder: Path,
                 llama: Path) -> None:
    """The model in Hugging Face's form, with tokenizer, chat template and processors."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.generation_config.eos_token_id = [1, architecture.control_ids(tokenizer)["<turn|>"]]
    model.generation_config.do_sample = False
    model.config.architectures = ["Gemma4ForConditionalGeneration"]
    model.save_pretrained(folder)
    shutil.copytree(data / "tokenizer", folder, dirs_exist_ok=True)

    template = (llama / TEMPLATE).read_text()
    if EMPTY_THOUGHT not in template:
        raise ValueError(f"{llama / TEMPLATE} lacks the passage that is taken out here: another version of llama.cpp?")
    (folder / "chat_template.jinja").write_text(template.replace(EMPTY_THOUGHT, ""))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    for name, content in (
        ("tokenizer_config.json", settings | MEDIA_TOKENS),
        ("preprocessor_config.json", IMAGE_PROCESSOR),
        ("processor_config.json", PROCESSOR),
    ):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")


def write_ggufs(folder: Path, out: Path, llama: Path) -> None:
    for name, arguments in FILES.items():
        command = [sys.executable, str(llama / "convert_hf_to_gguf.py"), str(folder), *arguments]
        command += ["--model-name", NAME, "--outfile", str(out / name)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"llama.cpp's converter failed on {name}:\n{done.stderr[-2000:]}")
        print(f"{name}: {(out / name).stat().st_size / 1e6:.1f} MB", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("checkpoint", type=Path, help="a .pt file of training")
    arguments.add_argument("out", type=Path, help="folder for the GGUF files, and for hf/")
    arguments.add_argument("--data", type=Path, required=True, help="folder with data and tokenizer")
    arguments.add_argument("--llama", type=Path, required=True, help="folder with llama.cpp's source")
    options = arguments.parse_args()
    torch.set_num_threads(1)

    model, tokenizer = checkpoints.open_model(options.checkpoint, options.data)
    bounded = with_bounds(model, tokenizer, Clips(options.data, "train"))
    write_folder(bounded, tokenizer, options.data, options.out / "hf", options.llama)
    write_ggufs(options.out / "hf", options.out, options.llama)


if __name__ == "__main__":
    main()
