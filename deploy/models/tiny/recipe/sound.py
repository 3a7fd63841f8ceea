"""What happens to speech between a mouth and a microphone: pace, room, noise, loudness. And silence."""
import numpy as np

from speech import RATE, Clips

Rng = np.random.Generator
USUAL_PACES = 0.9, 1.12
WIDE_PACES = 0.8, 1.25  # pitch and formants move along, so that one voice is many: for training


def noise(length: int, rng: Rng) -> np.ndarray:
    """White, hum, pink or red noise, float32, not scaled."""
    kind = rng.integers(4)
    white = rng.standard_normal(length, dtype=np.float32)
    if kind == 0:
        return white
    if kind == 3:
        time = np.arange(length, dtype=np.float32) / RATE
        pitch = rng.uniform(45, 250)
        hum = sum(np.sin(2 * np.pi * pitch * harmonic * time + rng.uniform(0, 6)) / harmonic for harmonic in (1, 2, 3))
        return 0.3 * white + hum.astype(np.float32)
    spectrum = np.fft.rfft(white)
    frequency = np.maximum(1, np.arange(len(spectrum)))
    return np.fft.irfft(spectrum / frequency ** (0.5 if kind == 1 else 0.9), length).astype(np.float32)


def augment(clip: np.ndarray, rng: Rng, paces: tuple[float, float] = USUAL_PACES) -> np.ndarray:
    """A clip (int16) as a microphone might hear it: float32, -1..1."""
    samples = clip.astype(np.float32) / 32768
    if rng.random() < 0.6:
        pace = rng.uniform(*paces)
        samples = np.interp(np.arange(0, len(samples) - 1, pace), np.arange(len(samples)), samples).astype(np.float32)
    before, after = (np.zeros(int(rng.uniform(0, 0.35) * RATE), np.float32) for _ in range(2))
    samples = np.concatenate([before, samples, after])
    if rng.random() < 0.3:
        samples = _reverberate(samples, rng)
    level = float(np.sqrt((samples**2).mean()) + 1e-6)
    if rng.random() < 0.75:
        added = noise(len(samples), rng)
        samples = samples + added / (added.std() + 1e-6) * level * 10 ** (-rng.uniform(8, 32) / 20)
    samples = samples * (10 ** (rng.uniform(-18, 3) / 20) * 0.12 / level)
    return np.clip(samples, -1, 1)


def _reverberate(samples: np.ndarray, rng: Rng) -> np.ndarray:
    length = int(rng.uniform(0.05, 0.25) * RATE)
    decay = np.exp(-np.linspace(0, 6, length, dtype=np.float32))
    room = rng.standard_normal(length, dtype=np.float32) * decay * rng.uniform(0.02, 0.08)
    room[0] = 1
    size = 1 << int(np.ceil(np.log2(len(samples) + length)))
    heard = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(room, size), size)
    return heard[: len(samples)].astype(np.float32)


def silence(rng: Rng) -> np.ndarray:
    """Half a second to three seconds in which nobody speaks: digital silence or noise."""
    length = int(rng.uniform(0.5, 3) * RATE)
    if rng.random() < 0.15:
        return np.zeros(length, np.float32)
    samples = noise(length, rng)
    samples = samples / (samples.std() + 1e-6) * 10 ** (rng.uniform(-70, -25) / 20)
    if rng.random() < 0.3:
        samples[: int(rng.uniform(0, 1) * length)] *= rng.uniform(0, 3)
    return np.clip(samples, -1, 1).astype(np.float32)


def pad(clip: np.ndarray, seconds: float = 0.1) -> np.ndarray:
    """A clip (int16) with silence on both sides: float32, -1..1."""
    quiet = np.zeros(int(seconds * RATE), np.float32)
    return np.concatenate([quiet, clip.astype(np.float32) / 32768, quiet])


class SpeechBatches:
    """Draws batches of augmented clips of similar length."""

    def __init__(self, clips: Clips, rng: Rng) -> None:
        self.clips, self.rng = clips, rng
        self.by_length = np.argsort([len(samples) for samples in clips.samples])

    def draw(self, size: int) -> tuple[list[np.ndarray], list[str]]:
        """Augmented samples (float32) and their transcripts."""
        window = min(size * 6, len(self.clips))
        first = int(self.rng.integers(0, len(self.clips) - window + 1))
        chosen = self.by_length[first : first + window][self.rng.permutation(window)[:size]]
        return [augment(self.clips.samples[i], self.rng, WIDE_PACES) for i in chosen], [self.clips.texts[i] for i in chosen]
