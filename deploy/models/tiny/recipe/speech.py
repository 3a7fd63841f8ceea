"""Spoken sentences from espeak-ng and flite, as 16 kHz clips with their transcripts.

Voices and sentences of evaluation are apart from those of training: the split
"train" has known voices and sentences, "val" new sentences in known voices,
"valvoice" new sentences in new voices.
"""
import io
import random
import subprocess
import tempfile
import wave
from math import gcd
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from words import SHORT, command, is_held_out

RATE = 16000
SEEDS = {"train": 1000, "val": 77, "valvoice": 99}
LOUDEST = 20000  # of 32767: clips that are louder are brought down to it
SHORTEST = 3000  # samples; what is shorter went wrong

ESPEAK_LANGUAGES = ["en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-us-nyc", "en-us", "en-us"]
ESPEAK_VARIANTS = [
    "", "", "adam", "Alex", "Andrea", "Andy", "Annie", "antonio", "belinda", "benjamin", "boris", "caleb", "david",
    "Denis", "ed", "edward", "Gene", "Henrique", "Hugo", "iven", "iven2", "Jacky", "John", "Lee", "linda", "marcelo",
    "Marco", "max", "michael", "miguel", "mike", "pablo", "paul", "quincy", "rob", "robert", "steph", "steph2", "Storm",
    "victor", "Zac", "anika", "f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "m5", "m7", "m8", "klatt2", "grandma",
]
FLITE_VOICES = ["kal16", "awb", "slt"]
NEW_ESPEAK_LANGUAGES = ["en-gb-x-gbclan", "en-us"]
NEW_ESPEAK_VARIANTS = ["Alicia", "Mario", "steph3", "Gene2", "travis", "f5", "m6", "aunty"]
NEW_FLITE_VOICES = ["rms"]


def synthesize(text: str, rng: random.Random, new_voice: bool) -> tuple[np.ndarray, str]:
    """Speaks the text in a drawn voice: int16 samples at 16 kHz with a little silence around, and the voice's name."""
    if rng.random() < 0.65:
        rate, samples, name = _espeak(text, rng, new_voice)
    else:
        rate, samples, name = _flite(text, rng, new_voice)
    if rate != RATE:
        common = gcd(rate, RATE)
        samples = resample_poly(samples.astype(np.float32), RATE // common, rate // common)
    samples = np.asarray(samples, np.float32)
    samples = samples / max(1.0, np.abs(samples).max()) * LOUDEST
    heard = np.nonzero(np.abs(samples) > 150)[0]
    if len(heard):
        samples = samples[max(0, heard[0] - 800) : heard[-1] + 1600]
    return samples.astype(np.int16), name


def _espeak(text: str, rng: random.Random, new_voice: bool) -> tuple[int, np.ndarray, str]:
    language = rng.choice(NEW_ESPEAK_LANGUAGES if new_voice else ESPEAK_LANGUAGES)
    variant = rng.choice(NEW_ESPEAK_VARIANTS if new_voice else ESPEAK_VARIANTS)
    voice = f"{language}+{variant}" if variant else language
    options = ["-v", voice, "-s", str(rng.randint(120, 195)), "-p", str(rng.randint(30, 70))]
    data = subprocess.run(["espeak-ng", "--stdout", *options, text], capture_output=True, check=True).stdout
    # Written to a pipe, the header has no lengths yet.
    data = data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:40] + (len(data) - 44).to_bytes(4, "little") + data[44:]
    return *_read_wave(io.BytesIO(data)), f"espeak/{voice}"


def _flite(text: str, rng: random.Random, new_voice: bool) -> tuple[int, np.ndarray, str]:
    voice = rng.choice(NEW_FLITE_VOICES if new_voice else FLITE_VOICES)
    pace = f"duration_stretch={rng.uniform(0.8, 1.25):.2f}"
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", voice, "--setf", pace, "-t", text, "-o", file.name], capture_output=True, check=True)
        return *_read_wave(file.name), f"flite/{voice}"


def _read_wave(source: io.BytesIO | str) -> tuple[int, np.ndarray]:
    with wave.open(source) as file:
        return file.getframerate(), np.frombuffer(file.readframes(1 << 30), np.int16)


def make_clips(split: str, shard: int, count: int, folder: Path) -> None:
    """Writes count clips of a split to speech_SPLIT_SHARD.npz. Shards of one split differ by their seed."""
    rng = random.Random(SEEDS[split] + shard)
    texts: list[str] = []
    clips: list[np.ndarray] = []
    voices: list[str] = []
    while len(texts) < count:
        text = command(rng)
        training = split == "train"
        if training == is_held_out(text) or (not training and text in SHORT):
            continue
        clip, voice = synthesize(text, rng, split == "valvoice")
        if len(clip) < SHORTEST:
            continue
        texts.append(text)
        clips.append(clip)
        voices.append(voice)
        if len(texts) % 200 == 0:
            print(f"speech {split} {shard}: {len(texts)} of {count}", flush=True)
    np.savez(folder / f"speech_{split}_{shard}.npz", audio=np.concatenate(clips), lens=np.array([len(clip) for clip in clips]),
             texts=np.array(texts), names=np.array(voices))


class Clips:
    """The clips of a split: int16 samples, transcripts and names of voices."""

    def __init__(self, folder: Path, split: str) -> None:
        self.samples: list[np.ndarray] = []
        self.texts: list[str] = []
        self.voices: list[str] = []
        for path in sorted(folder.glob(f"speech_{split}_*.npz")):
            shard = np.load(path)
            self.samples += np.split(shard["audio"], np.cumsum(shard["lens"])[:-1])
            self.texts += [str(text) for text in shard["texts"]]
            self.voices += [str(name) for name in shard["names"]]
        if not self.samples:
            raise FileNotFoundError(f"{folder} has no speech_{split}_*.npz: run the data stage first")

    def __len__(self) -> int:
        return len(self.samples)
