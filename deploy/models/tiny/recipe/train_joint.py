"""Trains everything together, on real pictures and sound."""
import argparse
import random

import numpy as np
import torch
from transformers import Gemma4ForConditionalGeneration

import architecture
import checkpoints
import options
import sight
import vocabulary
from architecture import FRAME_TOKENS, GRID_HEIGHT, GRID_WIDTH
from chat import Chat, Row
from codes import truth
from data import DRAWN, RESIZED, Scenes
from decoder import answer_logits
from losses import answer_loss, picture_losses, sound_loss, weighted
from questions import Questions
from sound import SpeechBatches, silence
from speech import Clips
from training import train
from words import Thing

PICTURES, SOUNDS = 8, 6  # in a step, for each process
SOUND_EVERY = 2  # steps
RESIZED_SHARE = 0.6
SILENT_SHARE = 0.35  # of steps with sound in which one clip is silence
BOTH_WAYS_SHARE = 0.15  # see decoder.answer_logits
CODE_WEIGHTS = {"object": 12, "label": 1, "numbers": 0.5, "place": 0.3, "night": 0.3, "code": 2}
CODE_WEIGHT, SOUND_WEIGHT = 0.25, 0.15
Batch = list[tuple[Row, torch.Tensor]]  # questions, soft tokens


class Joint:
    """The model with what it is trained on."""

    def __init__(self, settings: argparse.Namespace, model: Gemma4ForConditionalGeneration, chat: Chat) -> None:
        seed = [21, settings.rank, settings.seed, int(settings.rate * 1e6)]
        self.model, self.chat, self.compiled = model, chat, settings.compile
        self.rng = np.random.default_rng(seed)
        self.questions = Questions(random.Random(str(seed)), usual=0.4)
        self.scenes = {name: Scenes(settings.data, name) for name in (DRAWN, RESIZED)}
        self.speech = SpeechBatches(Clips(settings.data, "train"), self.rng)
        self.positions = sight.cell_positions(GRID_HEIGHT, GRID_WIDTH).view(1, -1, 2).expand(PICTURES, -1, 2)
        self.count = 0

    def pictures(self) -> tuple[Batch, torch.Tensor, dict[str, float]]:
        """Questions about pictures, and the loss of the code."""
        drawn = [self.scenes[RESIZED if self.rng.random() < RESIZED_SHARE else DRAWN].draw(self.rng) for _ in range(PICTURES)]
        patches = sight.by_cell(torch.from_numpy(np.stack([pixels for pixels, *_ in drawn])))
        light = torch.empty(PICTURES, 1, 1).uniform_(0.88, 1.12), torch.empty(PICTURES, 1, 1).uniform_(-0.05, 0.05)
        values = (patches.flatten(1, 2).float() / 255 * light[0] + light[1]).clamp_(0, 1)
        soft = sight.pool(self.model, sight.look(self.model, values, self.positions, self.compiled)[-1])
        losses = picture_losses(soft, [truth(things, place, night) for _, things, place, night in drawn])
        batch: Batch = []
        for tokens, (_, things, place, night) in zip(soft, drawn):
            asked = [self.questions.detect(things), self.questions.detect_some(things)]
            if not unclear(things):
                asked.append(self.questions.caption(things, place, night))
            asked.append(self.questions.point(things) if self.rng.random() < 0.3 else self.questions.detect_some(things))
            self.questions.rng.shuffle(asked)
            batch.append((self.chat.row(asked, "image", FRAME_TOKENS, self.questions.rng), tokens))
        figures = {name: losses[name].item() for name in ("_wrong", "_right", "_off") if name in losses}
        return batch, weighted(losses, CODE_WEIGHTS), figures

    def sounds(self) -> tuple[Batch, torch.Tensor]:
        """Questions about speech, and the loss of its characters."""
        samples, texts = self.speech.draw(SOUNDS)
        if self.rng.random() < SILENT_SHARE:
            samples[0], texts[0] = silence(self.rng), ""
        soft, counts = architecture.hear(self.model, samples)
        batch = [(self.chat.row([self.questions.transcribe(text)], "audio", int(count), self.questions.rng, media_last=0.2), tokens[:count])
                 for text, count, tokens in zip(texts, counts, soft)]
        return batch, sound_loss(soft, counts, texts)

    def answer(self, batch: Batch, both_ways: bool) -> tuple[torch.Tensor, dict[str, float]]:
        rows, soft = [row for row, _ in batch], [tokens for _, tokens in batch]
        return answer_loss(*answer_logits(self.model, rows, soft, self.chat.ids, both_ways))

    def step(self, _: float) -> tuple[torch.Tensor, dict[str, float]]:
        batch, code, figures = self.pictures()
        loss, more = self.answer(batch, self.rng.random() < BOTH_WAYS_SHARE)
        total, figures = loss + CODE_WEIGHT * code, figures | more
        if self.count % SOUND_EVERY == 0:
            batch, characters = self.sounds()
            loss, more = self.answer(batch, False)
            total, figures = total + loss + SOUND_WEIGHT * characters, figures | more | {"ctc": characters.item()}
        self.count += 1
        return total, figures


def unclear(things: list[Thing]) -> bool:
    """Whether a single thing is just between left, middle and right, as no scene has it before a frame is cut from it."""
    middles = [(x0 + x1) / 2 for _, (_, x0, _, x1) in things]
    return len(middles) == 1 and min(abs(middles[0] - 1 / 3), abs(middles[0] - 2 / 3)) < 0.02


def main() -> None:
    settings = options.parser(__doc__, minutes=60, peak=1.3e-3).parse_args()
    tokenizer = vocabulary.load(settings.data)
    model = architecture.build(tokenizer)
    stages = [settings.start] if settings.start else [settings.data / f"{stage}.pt" for stage in ("vision", "audio", "text")]
    for path in stages:
        checkpoints.load_into(model, path)
    architecture.use_fast_norms()
    named = list(model.named_parameters())
    joint = Joint(settings, model, Chat(tokenizer))
    train("joint", joint.step, named, settings)


if __name__ == "__main__":
    main()
