"""Asks a checkpoint about the samples that travel with the model, and writes what it answers into their expected.json.

Fails, and writes nothing, if a caption or a transcript is not the one that stands there: the samples are ones that
the model gets right.
"""
import argparse
import json
from pathlib import Path

import torch
from PIL import Image

import architecture
from evaluate import BOX_TOKENS, CAPTION_TOKENS, Asker
from metrics import parse_boxes
from speech import read_sound
from words import CAPTION_PROMPTS, DETECT_PROMPTS


def ask(asker: Asker, path: Path) -> dict:
    """The answers about one file, as expected.json has them."""
    if path.suffix == ".wav":
        return {"transcript": asker.transcribe(read_sound(path))}
    pixels = architecture.resize(Image.open(path))[None]
    soft = architecture.see(asker.model, *architecture.patches(pixels))
    caption, = asker.about_pictures(soft, CAPTION_PROMPTS[0], CAPTION_TOKENS)
    boxes, = asker.about_pictures(soft, DETECT_PROMPTS[0], BOX_TOKENS)
    objects = [{"label": label, "box_2d": [round(side) for side in box]} for label, box in parse_boxes(boxes) or []]
    return {"caption": caption.strip(), "objects": objects}


def lines(entries: dict[str, dict]) -> str:
    """JSON with a line for each answer."""
    files = [f" {json.dumps(name)}: {{\n" + ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entry.items()) + "\n }"
             for name, entry in entries.items()]
    return "{\n" + ",\n".join(files) + "\n}\n"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("checkpoint", type=Path, help="a .pt file or a folder in Hugging Face's form")
    arguments.add_argument("samples", type=Path, help="folder with expected.json, pictures and sounds")
    arguments.add_argument("--data", type=Path, required=True, help="folder with the tokenizer")
    options = arguments.parse_args()
    torch.set_num_threads(1)

    asker = Asker(options.checkpoint, options.data)
    expected = json.loads((options.samples / "expected.json").read_text())
    wrong = []
    with torch.no_grad():
        for name, entry in expected.items():
            answer = ask(asker, options.samples / name)
            wrong += [f"{name}: {answer[key]!r}, not {entry[key]!r}" for key in ("caption", "transcript") if key in answer and answer[key] != entry[key]]
            entry.update(answer)
    if wrong:
        raise SystemExit("\n".join(wrong))
    (options.samples / "expected.json").write_text(lines(expected))


if __name__ == "__main__":
    main()
