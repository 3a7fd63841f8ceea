"""Writes what transformers' own processors, chat template and greedy search make of the samples: prompts and answers, token by token."""
import argparse
import json
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoProcessor, Gemma4ForConditionalGeneration

from speech import read_sound

LONGEST_ANSWER = 160  # tokens


def cases(samples: Path, prompts: dict[str, str]) -> list[tuple[Path, str, str]]:
    """File, task and question of everything that is asked about the samples."""
    asked = []
    for name in json.loads((samples / "expected.json").read_text()):
        tasks = ("transcribe",) if name.endswith(".wav") else ("caption", "detect")
        asked += [(samples / name, task, prompts[task]) for task in tasks]
    return asked


def content(path: Path, question: str) -> list[dict]:
    """The user's turn: the medium and then the words."""
    if path.suffix == ".wav":
        medium = {"type": "audio", "audio": read_sound(path)}
    else:
        medium = {"type": "image", "image": Image.open(path).convert("RGB")}
    return [medium, {"type": "text", "text": question}]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", type=Path, help="folder in Hugging Face's form")
    arguments.add_argument("tiny", type=Path, help="folder with profile.json and samples/")
    arguments.add_argument("out", type=Path, help="JSON to write, of the tests of daemon/understand")
    options = arguments.parse_args()
    torch.set_num_threads(1)

    processor = AutoProcessor.from_pretrained(options.model)
    model = Gemma4ForConditionalGeneration.from_pretrained(options.model).float().eval()
    prompts = json.loads((options.tiny / "profile.json").read_text())["prompts"]
    entries = []
    for path, task, question in cases(options.tiny / "samples", prompts):
        turn = [{"role": "user", "content": content(path, question)}]
        inputs = processor.apply_chat_template(turn, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True)
        ids = inputs["input_ids"][0].tolist()
        with torch.no_grad():
            answer = model.generate(**inputs, max_new_tokens=LONGEST_ANSWER, do_sample=False)[0, len(ids):].tolist()
        text = processor.tokenizer.decode(answer[:-1])
        entries.append({"file": path.name, "task": task, "ids": ids, "answer_ids": answer, "answer": text})
    options.out.write_text("[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n")


if __name__ == "__main__":
    main()
