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
from heldout import SCENES, asked_labels, held_out_scenes, held_out_silence, held_out_speech
from metrics import edits, f1, match, parse_boxes, unfenced
from scenes import Scene
from spanish import spanish
from speech import Clips
from words import (
    CAPTION_PROMPTS, DETECT_PROMPTS, DETECT_SOME_PROMPTS, EVERYTHING, FENCED_DETECT_PROMPT, LABELS, OFFICIAL_CAPTION_PROMPT,
    POINT_PROMPT, SPOKEN_IN, TRANSCRIBE_PROMPT, TRANSLATED, TRANSLATE_PROMPT, caption,
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


class Described:
    """What came of asking for captions and for all boxes."""

    def __init__(self) -> None:
        self.right: dict[int, list[bool]] = defaultdict(list)
        self.hits, self.found, self.there = Counter(), Counter(), Counter()
        self.valid, self.failures = 0, []

    def add(self, scenes: list[Scene], captions: list[str], answers: list[str]) -> None:
        for drawn, said, answer in zip(scenes, captions, answers):
            wanted = caption(drawn.things, drawn.place, drawn.night)
            self.right[len(drawn.things)].append(said.strip() == wanted)
            if said.strip() != wanted and len(self.failures) < MOST_FAILURES:
                self.failures.append([wanted, said])
            objects = parse_boxes(answer)
            self.valid += objects is not None
            objects = objects or []
            true = [(label, [share * 1000 for share in box]) for label, box in drawn.things]
            self.hits.update(label for (label, _), hit in zip(objects, match(objects, true)) if hit)
            self.found.update(label for label, _ in objects)
            self.there.update(label for label, _ in true)

    def report(self) -> dict:
        count = sum(map(len, self.right.values()))
        return {
            "scenes": count,
            "caption_exact": sum(map(sum, self.right.values())) / max(1, count),
            "caption_exact_by_things": {str(n): round(sum(good) / len(good), 3) for n, good in sorted(self.right.items())},
            "json_valid": self.valid / max(1, count),
            "boxes_f1": f1(self.hits.total(), self.found.total(), self.there.total()),
            "boxes_f1_by_label": {label: round(f1(self.hits[label], self.found[label], self.there[label]), 3) for label in LABELS},
            "caption_failures": self.failures,
        }


def evaluate_pictures(asker: Asker, name: str, count: int) -> dict:
    """name: of a set of scenes. In the words of profile.json, and in those of the published models."""
    scenes = held_out_scenes(name, count)
    labels_asked = asked_labels(scenes)
    described, official, asked, pointed = Described(), Described(), Asked(), Asked()
    for first in range(0, count, BATCH):
        part, labels = scenes[first : first + BATCH], labels_asked[first : first + BATCH]
        pixels = np.stack([architecture.resize(Image.fromarray(drawn.pixels)) for drawn in part])
        soft = architecture.see(asker.model, *architecture.patches(pixels))
        described.add(part, asker.about_pictures(soft, CAPTION_PROMPTS[0], CAPTION_TOKENS),
                      asker.about_pictures(soft, DETECT_PROMPTS[0], BOX_TOKENS))
        fenced = asker.about_pictures(soft, FENCED_DETECT_PROMPT.format(EVERYTHING), BOX_TOKENS)
        official.add(part, asker.about_pictures(soft, OFFICIAL_CAPTION_PROMPT, CAPTION_TOKENS), [unfenced(answer) for answer in fenced])
        asked.add(part, labels, asker.about_each(soft, [DETECT_SOME_PROMPTS[0].format(label) for label in labels], BOX_TOKENS))
        pointed.add(part, labels, asker.about_each(soft, [POINT_PROMPT.format(label) for label in labels], BOX_TOKENS))
    return described.report() | {"official": official.report(), "asked": asked.report(), "pointed": pointed.report()}


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
    arguments.add_argument("--scenes", type=int, default=150, help="of each size")
    arguments.add_argument("--clips", type=int, default=100)
    arguments.add_argument("--out", type=Path, help="report to write, JSON")
    options = arguments.parse_args()
    torch.set_num_threads(1)

    asker = Asker(options.checkpoint, options.data)
    known, new = Clips(options.data, "val"), Clips(options.data, "valvoice")
    report: dict[str, dict] = {}
    with torch.no_grad():
        report |= {name: evaluate_pictures(asker, name, options.scenes) for name in SCENES}
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
