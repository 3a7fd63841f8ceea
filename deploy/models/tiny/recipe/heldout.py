"""Writes the held-out sets as files that any engine can be given: PNG, WAV and truth.json.

The seeds are those of evaluate.py, so the figures can be laid side by side.
"""
import argparse
import json
import random
import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from scenes import Scene, scene
from sound import augment, pad, silence
from spanish import spanish
from speech import RATE, Clips, make_clips
from words import LABELS, boxes_json, caption

NOISE_SEED = 4
SILENCE_SEED = 8
SILENT_CLIPS = 40


class SceneSet(NamedTuple):
    seed: int
    width: int
    height: int


SCENES = {"scenes": SceneSet(999, 640, 480), "small": SceneSet(998, 432, 336)}


def held_out_scenes(name: str, count: int) -> list[Scene]:
    """The first scenes of a set in SCENES."""
    held = SCENES[name]
    return [scene(np.random.default_rng([held.seed, i]), held.width, held.height) for i in range(count)]


def asked_labels(scenes: list[Scene]) -> list[str]:
    """For each scene a label to ask for: half of the time one that is there, else any."""
    rng = random.Random(5)
    labels = []
    for drawn in scenes:
        there = sorted({label for label, _ in drawn.things})
        labels.append(rng.choice(there) if there and rng.random() < 0.5 else rng.choice(LABELS))
    return labels


def held_out_silence(count: int = SILENT_CLIPS) -> list[np.ndarray]:
    rng = np.random.default_rng(SILENCE_SEED)
    return [silence(rng) for _ in range(count)]


def held_out_speech(clips: Clips, count: int, noisy: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(NOISE_SEED)
    return [augment(clip, rng) if noisy else pad(clip) for clip in clips.samples[:count]]


def write_wave(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())


def write_scenes(folder: Path, name: str, count: int) -> list[dict]:
    entries = []
    scenes = held_out_scenes(name, count)
    for i, (drawn, asked) in enumerate(zip(scenes, asked_labels(scenes))):
        file = f"{name}{i:03}.png"
        Image.fromarray(drawn.pixels).save(folder / file)
        entries.append({
            "file": file,
            "caption": caption(drawn.things, drawn.place, drawn.night),
            "objects": [{"label": label, "box_2d": [share * 1000 for share in box]} for label, box in drawn.things],
            "answer": boxes_json(drawn.things),
            "asked": asked,
        })
    return entries


def write_speech(folder: Path, prefix: str, clips: Clips, count: int, noisy: bool) -> list[dict]:
    entries = []
    for i, samples in enumerate(held_out_speech(clips, count, noisy)):
        name = f"{prefix}{i:03}.wav"
        write_wave(folder / name, samples)
        text = clips.texts[i]
        entries.append({"file": name, "text": text, "spanish": spanish(text), "voice": clips.voices[i]})
    return entries


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("out", type=Path, help="folder to write; about 120 MB at the usual sizes")
    arguments.add_argument("--scenes", type=int, default=150, help="scenes in each set of pictures")
    arguments.add_argument("--clips", type=int, default=100, help="clips in each set of speech")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)

    truth = {name: write_scenes(options.out, name, options.scenes) for name in SCENES}
    for split in ("val", "valvoice"):
        make_clips(split, 0, options.clips, options.out)
    known, new = Clips(options.out, "val"), Clips(options.out, "valvoice")
    truth["sentences"] = write_speech(options.out, "sentence", known, options.clips, noisy=False)
    truth["noisy"] = write_speech(options.out, "noisy", known, options.clips, noisy=True)
    truth["voices"] = write_speech(options.out, "voice", new, options.clips, noisy=False)
    truth["silence"] = []
    for i, samples in enumerate(held_out_silence()):
        write_wave(options.out / f"silence{i:03}.wav", samples)
        truth["silence"].append({"file": f"silence{i:03}.wav", "text": ""})
    (options.out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
