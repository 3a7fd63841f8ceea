"""Measures a checkpoint on the held-out sets: greedy answers, float32."""
import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import architecture
import checkpoints
from chat import Chat
from decoder import generate
from heldout import asked_labels, held_out_scenes, held_out_silence, held_out_speech
from metrics import edits, f1, match, parse_boxes
from scenes import Scene
from spanish import spanish
from speech import Clips
from words import (
    CAPTION_PROMPTS, DETECT_PROMPTS, DETECT_SOME_PROMPTS, LABELS, POINT_PROMPT, SPOKEN_IN, TRANSCRIBE_PROMPT, TRANSLATED,
    TRANSLATE_PROMPT, caption,
)

BATCH = 25
CAPTION_TOKENS, BOX_TOKENS, SPEECH_TOKENS, TRANSLATION_TOKENS = 40, 120, 40, 120
MOST_FAILURES = 12  # listed in the report


class Asker:
    def __init__(self, path: Path, data: Path) -> None:
        self.model, self.tokenizer = checkpoints.open_model(path, data)
        self.chat = Chat(self.tokenizer)

    def about_pictures(self, soft: torch.Tensor, prompt: str, most: int) -> list[str]:
        """soft: [batch, tokens, WIDTH]."""
        prompts = [self.chat.prompt(prompt, "image", soft.shape[1])] * len(soft)
        return generate(self.model, self.tokenizer, self.chat.ids, prompts, list(soft), most)

    def about_each(self, soft: torch.Tensor, prompts: list[str], most: int) -> list[str]:
        """Another prompt for each picture."""
        answers = [""] * len(prompts)
        encoded = [self.chat.prompt(prompt, "image", soft.shape[1]) for prompt in prompts]
        for length in sorted({len(ids) for ids in encoded}):
            same = [i for i, ids in enumerate(encoded) if len(ids) == length]
            said = generate(self.model, self.tokenizer, self.chat.ids, [encoded[i] for i in same], [soft[i] for i in same], most)
            for i, answer in zip(same, said):
                answers[i] = answer
        return answers

    def about_sound(self, samples: np.ndarray, question: str, most: int) -> str:
        soft = architecture.hear_one(self.model, samples)
        prompt = self.chat.prompt(question, "audio", len(soft))
        return generate(self.model, self.tokenizer, self.chat.ids, [prompt], [soft], most)[0].strip()

    def transcribe(self, samples: np.ndarray) -> str:
        return self.about_sound(samples, TRANSCRIBE_PROMPT, SPEECH_TOKENS)

    def translate(self, samples: np.ndarray) -> str:
        return self.about_sound(samples, TRANSLATE_PROMPT.format(language=SPOKEN_IN[0]), TRANSLATION_TOKENS)


def evaluate_pictures(asker: Asker, count: int) -> dict:
    scenes = held_out_scenes(count)
    right: dict[int, list[bool]] = defaultdict(list)
    hits, found, there = Counter(), Counter(), Counter()
    valid, failures = 0, []
    asked, pointed = Asked(), Asked()
    labels_asked = asked_labels(scenes)
    for first in range(0, count, BATCH):
        part = scenes[first : first + BATCH]
        pixels = np.stack([architecture.resize(Image.fromarray(drawn.pixels)) for drawn in part])
        soft = architecture.see(asker.model, *architecture.patches(pixels))
        captions = asker.about_pictures(soft, CAPTION_PROMPTS[0], CAPTION_TOKENS)
        answers = asker.about_pictures(soft, DETECT_PROMPTS[0], BOX_TOKENS)
        for drawn, said, answer in zip(part, captions, answers):
            wanted = caption(drawn.things, drawn.place, drawn.night)
            right[len(drawn.things)].append(said.strip() == wanted)
            if said.strip() != wanted and len(failures) < MOST_FAILURES:
                failures.append([wanted, said])
            objects = parse_boxes(answer)
            valid += objects is not None
            objects = objects or []
            true = [(label, [share * 1000 for share in box]) for label, box in drawn.things]
            hits.update(label for (label, _), hit in zip(objects, match(objects, true)) if hit)
            found.update(label for label, _ in objects)
            there.update(label for label, _ in true)
        labels = labels_asked[first : first + BATCH]
        asked.add(part, labels, asker.about_each(soft, [DETECT_SOME_PROMPTS[0].format(label) for label in labels], BOX_TOKENS))
        pointed.add(part, labels, asker.about_each(soft, [POINT_PROMPT.format(label) for label in labels], BOX_TOKENS))
    return {
        "scenes": count,
        "caption_exact": sum(map(sum, right.values())) / max(1, count),
        "caption_exact_by_things": {str(n): round(sum(good) / len(good), 3) for n, good in sorted(right.items())},
        "json_valid": valid / max(1, count),
        "boxes_f1": f1(hits.total(), found.total(), there.total()),
        "boxes_f1_by_label": {label: round(f1(hits[label], found[label], there[label]), 3) for label in LABELS},
        "asked": asked.report(),
        "pointed": pointed.report(),
        "caption_failures": failures,
    }


class Asked:
    """What came of asking for one label."""

    def __init__(self) -> None:
        self.hits = self.found = self.there = self.absent = self.absent_empty = self.present = self.inside = 0

    def add(self, scenes: list[Scene], labels: list[str], answers: list[str]) -> None:
        for drawn, label, answer in zip(scenes, labels, answers):
            objects = parse_boxes(answer) or []
            true = [(name, [share * 1000 for share in box]) for name, box in drawn.things if name == label]
            self.hits += sum(match(objects, true))
            self.found += len(objects)
            self.there += len(true)
            if not true:
                self.absent += 1
                self.absent_empty += answer.strip() == "[]"
                continue
            self.present += 1
            if objects:
                y0, x0, y1, x1 = objects[0][1]
                y, x = (y0 + y1) / 2, (x0 + x1) / 2
                self.inside += any(box[0] <= y <= box[2] and box[1] <= x <= box[3] for _, box in true)

    def report(self) -> dict:
        return {
            "f1": f1(self.hits, self.found, self.there),
            "absent_empty": self.absent_empty / max(1, self.absent),
            "absent": self.absent,
            "middle_inside": self.inside / max(1, self.present),
        }


def evaluate_speech(asker: Asker, clips: Clips, count: int, noisy: bool) -> dict:
    count = min(count, len(clips))
    wrong = said = exact = 0
    failures = []
    for samples, text in zip(held_out_speech(clips, count, noisy), clips.texts):
        heard = asker.transcribe(samples)
        wrong += edits(heard.split(), text.split())
        said += len(text.split())
        exact += heard == text
        if heard != text and len(failures) < MOST_FAILURES:
            failures.append([text, heard])
    return {"clips": count, "word_error": wrong / max(1, said), "exact": exact / max(1, count), "failures": failures}


def evaluate_translations(asker: Asker, clips: Clips, count: int) -> dict:
    """How many clips are transcribed and translated to the letter."""
    count = min(count, len(clips))
    exact, failures = 0, []
    for samples, text in zip(held_out_speech(clips, count, noisy=False), clips.texts):
        said, wanted = asker.translate(samples), TRANSLATED.format(text, spanish(text))
        exact += said == wanted
        if said != wanted and len(failures) < MOST_FAILURES:
            failures.append([wanted, said])
    return {"clips": count, "exact": exact / max(1, count), "failures": failures}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("checkpoint", type=Path, help="a .pt file or a folder in Hugging Face's form")
    arguments.add_argument("--data", type=Path, required=True, help="folder with the held-out speech")
    arguments.add_argument("--scenes", type=int, default=150)
    arguments.add_argument("--clips", type=int, default=100)
    arguments.add_argument("--out", type=Path, help="report to write, JSON")
    options = arguments.parse_args()
    torch.set_num_threads(1)

    asker = Asker(options.checkpoint, options.data)
    known, new = Clips(options.data, "val"), Clips(options.data, "valvoice")
    report: dict[str, dict] = {}
    with torch.no_grad():
        report["pictures"] = evaluate_pictures(asker, options.scenes)
        report["new_sentences"] = evaluate_speech(asker, known, options.clips, noisy=False)
        report["new_sentences_noisy"] = evaluate_speech(asker, known, options.clips, noisy=True)
        report["new_voices"] = evaluate_speech(asker, new, options.clips, noisy=False)
        report["translations"] = evaluate_translations(asker, known, options.clips)
        quiet = [asker.transcribe(samples) == "" for samples in held_out_silence()]
        report["silence"] = {"clips": len(quiet), "empty": sum(quiet) / len(quiet)}
    text = json.dumps(report, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
