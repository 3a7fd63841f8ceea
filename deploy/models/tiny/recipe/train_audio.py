"""Teaches the audio tower, alone, to write the characters of what is said."""
import numpy as np
import torch

import architecture
import checkpoints
import norms
import options
import vocabulary
from codes import CHARACTERS, bases
from losses import SOUND_SHARPNESS, sound_loss, sound_scores
from metrics import edits
from sound import SpeechBatches
from speech import Clips
from training import train
from words import spoken

BATCH = 10


def character_error(scores: torch.Tensor, counts: torch.Tensor, texts: list[str]) -> float:
    """Characters wrong over characters said, reading the likeliest one at each time."""
    wrong = said = 0
    for best, count, text in zip(scores.argmax(-1).tolist(), counts.tolist(), texts):
        heard = [now for before, now in zip([0, *best], best[:count]) if now and now != before]
        wrong += edits([CHARACTERS[index] for index in heard], list(spoken(text)))
        said += len(spoken(text))
    return wrong / max(1, said)


def main() -> None:
    settings = options.parser(__doc__, minutes=57, peak=2e-3).parse_args()
    model = architecture.build(vocabulary.load(settings.data), seed=2)
    if settings.start:
        checkpoints.load_into(model, settings.start)
    norms.use_fast_norms()
    named = [(name, weight) for name, weight in model.named_parameters() if "audio_tower" in name or "embed_audio" in name]
    batches = SpeechBatches(Clips(settings.data, "train"), np.random.default_rng(11))

    def step(_: float) -> tuple[torch.Tensor, dict[str, float]]:
        samples, texts = batches.draw(BATCH)
        soft, counts = architecture.hear(model, samples)
        scores = sound_scores(soft)
        ctc = sound_loss(scores, counts, texts)
        rows = bases()[1]
        rest = (soft - soft @ rows.T @ rows).pow(2).mean()
        size = (scores / SOUND_SHARPNESS).pow(2).mean()
        return ctc + 0.1 * rest + 0.02 * size, {"ctc": ctc.item(), "error": character_error(scores.detach(), counts, texts)}

    train("audio", step, named, settings)


if __name__ == "__main__":
    main()
