"""Spoken sentences from espeak-ng and flite, as 16 kHz clips with their transcripts.

Voices and sentences of evaluation are apart from those of training: the split
"train" has known voices and sentences, "val" new sentences in known voices,
"valvoice" new sentences in new voices.
"""
import io
import os
import random
import subprocess
import tempfile
import wave
from math import gcd
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from words import SHORT, command, is_held_out, loose_words

RATE = 16000
SEEDS = {"train": 1000, "val": 77, "valvoice": 99}
LOUDEST = 20000  # of 32767: clips that are louder are brought down to it
LOOSE_SHARE = 0.15  # of training clips
SHORTEST = 3000  # samples; what is shorter went wrong

ESPEAK_LANGUAGES = ["en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-us-nyc", "en-us", "en-us"]
ESPEAK_VARIANTS = [
    "", "", "adam", "Alex", "Andrea", "Andy", "Annie", "antonio", "belinda", "benjamin", "boris", "caleb", "david",
    "Denis", "ed", "edward", "Gene", "Henrique", "Hugo", "iven", "iven2", "Jacky", "John", "Lee", "linda", "marcelo",
    "Marco", "max", "michael", "miguel", "mike", "pablo", "paul", "quincy", "rob", "robert", "steph", "steph2", "Storm",
    "victor", "Zac", "anika", "f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "m5", "m7", "m8", "klatt2", "grandma",
]
FLITE_VOICES = ["kal16", "awb", "slt", "kal"]
MADE_UP = 0.6  # share of espeak-ng's training clips in a voice that made_up_voice drew
MADE_UP_VOICES = 150  # espeak-ng 1.51 knows at most 349 voices, languages included
NEW_ESPEAK_LANGUAGES = ["en-gb-x-gbclan", "en-us"]
NEW_ESPEAK_VARIANTS = ["Alicia", "Mario", "steph3", "Gene2", "travis", "f5", "m6", "aunty"]
NEW_FLITE_VOICES = ["rms"]


def made_up_voice(rng: random.Random) -> str:
    """A variant file of espeak-ng: a mouth of random size, pitch and roughness."""
    low = rng.uniform(65, 240)
    mouth = rng.uniform(86, 120)
    lines = ["language variant", "name made-up", f"pitch {low:.0f} {low * rng.uniform(1.2, 1.7):.0f}"]
    for formant in range(9):
        frequency, height, width = mouth * rng.uniform(0.94, 1.06), rng.uniform(75, 135), rng.uniform(75, 135)
        lines.append(f"formant {formant} {frequency:.0f} {height:.0f} {width:.0f}")
    lines += [
        f"flutter {rng.randint(0, 6)}", f"roughness {rng.randint(0, 3)}", f"intonation {rng.randint(1, 4)}",
        f"voicing {rng.randint(50, 120)}", f"consonants {rng.randint(70, 120)} {rng.randint(40, 110)}",
    ]
    if rng.random() < 0.3:
        lines.append(f"echo {rng.randint(20, 90)} {rng.randint(10, 50)}")
    if rng.random() < 0.3:
        breaths = " ".join(str(rng.randint(0, 8)) for _ in range(8))
        lines += ["breathw 150 150 200 200 400 400", f"breath {breaths}"]
    return "\n".join(lines) + "\n"


def make_up_voices(folder: Path, seed: int) -> Path:
    """A data folder of espeak-ng, mostly links to the installed one, whose variants are made_up_voice's: v0, v1 ..."""
    version = subprocess.run(["espeak-ng", "--version"], capture_output=True, check=True, text=True).stdout
    installed = Path(version.rsplit("Data at: ", 1)[1].strip())
    made = folder / "espeak-ng-data"
    variants = made / "voices" / "!v"
    variants.mkdir(parents=True, exist_ok=True)
    for entry in installed.iterdir():
        if not (made / entry.name).exists():
            (made / entry.name).symlink_to(entry)
    rng = random.Random(seed)
    for number in range(MADE_UP_VOICES):
        (variants / f"v{number}").write_text(made_up_voice(rng))
    return folder


def synthesize(text: str, rng: random.Random, new_voice: bool, made_up: Path | None = None) -> tuple[np.ndarray, str]:
    """Speaks the text in a drawn voice: int16 samples at 16 kHz with a little silence around, and the voice's name.

    made_up: the folder of make_up_voices, to draw from these voices too.
    """
    if rng.random() < 0.65:
        rate, samples, name = _espeak(text, rng, new_voice, made_up)
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


def _espeak(text: str, rng: random.Random, new_voice: bool, made_up: Path | None) -> tuple[int, np.ndarray, str]:
    language = rng.choice(NEW_ESPEAK_LANGUAGES if new_voice else ESPEAK_LANGUAGES)
    variant = rng.choice(NEW_ESPEAK_VARIANTS if new_voice else ESPEAK_VARIANTS)
    environment = None
    if made_up and rng.random() < MADE_UP:
        variant, environment = f"v{rng.randrange(MADE_UP_VOICES)}", {"ESPEAK_DATA_PATH": str(made_up)}
    voice = f"{language}+{variant}" if variant else language
    options = ["-v", voice, "-s", str(rng.randint(120, 195)), "-p", str(rng.randint(30, 70))]
    data = subprocess.run(["espeak-ng", "--stdout", *options, text], capture_output=True, check=True,
                          env=environment and os.environ | environment).stdout
    # Written to a pipe, the header has no lengths yet.
    data = data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:40] + (len(data) - 44).to_bytes(4, "little") + data[44:]
    return *read_wave(io.BytesIO(data)), f"espeak/{voice}"


def _flite(text: str, rng: random.Random, new_voice: bool) -> tuple[int, np.ndarray, str]:
    voice = rng.choice(NEW_FLITE_VOICES if new_voice else FLITE_VOICES)
    pace = f"duration_stretch={rng.uniform(0.8, 1.25):.2f}"
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["flite", "-voice", voice, "--setf", pace, "-t", text, "-o", file.name], capture_output=True, check=True)
        return *read_wave(file.name), f"flite/{voice}"


def read_wave(source: io.BytesIO | str) -> tuple[int, np.ndarray]:
    """Samples a second, and the samples of a WAV file: mono, 16 bits."""
    with wave.open(source) as file:
        return file.getframerate(), np.frombuffer(file.readframes(1 << 30), np.int16)


def read_sound(path: Path) -> np.ndarray:
    """The samples of a WAV file at 16 kHz, float32 in -1..1."""
    rate, samples = read_wave(str(path))
    if rate != RATE:
        raise ValueError(f"{path} has {rate} samples a second, not {RATE}")
    return samples.astype(np.float32) / 32768


def make_clips(split: str, shard: int, count: int, folder: Path) -> None:
    """Writes count clips of a split to speech_SPLIT_SHARD.npz. Shards of one split differ by their seed."""
    rng = random.Random(SEEDS[split] + shard)
    texts: list[str] = []
    clips: list[np.ndarray] = []
    voices: list[str] = []
    made_up = make_up_voices((folder / f".voices{shard}").absolute(), shard) if split == "train" else None
    while len(texts) < count:
        training = split == "train"
        text = loose_words(rng) if training and rng.random() < LOOSE_SHARE else command(rng)
        if training == is_held_out(text) or (not training and text in SHORT):
            continue
        clip, voice = synthesize(text, rng, split == "valvoice", made_up)
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
