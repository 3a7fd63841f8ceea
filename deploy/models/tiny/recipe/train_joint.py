"""Trains everything together, on real pictures and sound."""
import argparse
import random

import numpy as np
import torch
from transformers import Gemma4ForConditionalGeneration

import architecture
import checkpoints
import norms
import options
import sight
import vocabulary
from chat import Chat, Question, Row
from codes import AMPLITUDE, bases, truth
from decoder import answer_logits
from losses import SOUND_SHARPNESS, answer_loss, picture_losses, sound_loss, weighted
from questions import Questions
from scenes import Scene
from sound import SpeechBatches, silence
from speech import Clips
from training import train
from views import Views, grid

PICTURES, SOUNDS = 8, 6  # in a step, for each process
SOUND_EVERY, FROZEN_SOUND_EVERY = 3, 4  # steps; the second only keeps the decoder in practice
SILENT_SHARE = 0.35  # of steps with sound in which one clip is silence
CAPTION_SHARE, SOME_SHARE, POINT_SHARE = 1.0, 0.4, 0.15  # of pictures that are asked so, beside for all boxes
TRANSLATED_SHARE = 0.35  # of clips
BOTH_WAYS_SHARE = 0.15  # see decoder.answer_logits
CODE_WEIGHTS = {"object": 12, "label": 1, "numbers": 0.5, "place": 0.3, "night": 0.3, "code": 2}
CODE_WEIGHT, SOUND_WEIGHT = 0.25, 0.15
LEARNING_SHARE = 0.04  # of the time: new readers learn to read before the towers are told to write for them
PARTS = {"vision": ("vision_tower", "embed_vision"), "audio": ("audio_tower", "embed_audio"), "text": ("language_model",)}
Batch = list[tuple[Row, torch.Tensor]]  # questions, soft tokens


class Readers(torch.nn.Module):
    """Reads from soft tokens what is in a picture and which characters are spoken: helpers of training.

    They begin as the fixed code, in which the parts were trained. A model that writes something else, as one does
    that was trained for long, gets them to learn its own.
    """

    def __init__(self) -> None:
        super().__init__()
        pictures, sound = bases()
        self.pictures = torch.nn.Parameter(pictures / AMPLITUDE)
        self.sound = torch.nn.Parameter(sound / AMPLITUDE * SOUND_SHARPNESS)


class Joint:
    """The model with what it is trained on."""

    def __init__(self, settings: argparse.Namespace, model: Gemma4ForConditionalGeneration, readers: Readers, learn: bool,
                 chat: Chat) -> None:
        """learn: whether the readers have yet to learn what the model writes."""
        seed = [21, settings.rank, settings.seed, int(settings.rate * 1e6)]
        self.model, self.readers, self.chat, self.compiled = model, readers, chat, settings.compile
        self.learning_share = LEARNING_SHARE if learn else 0.0
        self.hearing_fixed = "audio" in settings.freeze
        self.rng = np.random.default_rng(seed)
        self.questions = Questions(random.Random(str(seed)), usual=0.4)
        self.views = Views(self.rng)
        self.speech = SpeechBatches(Clips(settings.data, "train"), self.rng)
        self.count = 0

    def pictures(self, learning: bool) -> tuple[Batch, torch.Tensor, dict[str, float]]:
        """Questions about pictures, and the loss of what their soft tokens say."""
        pixels, drawn = self.views.draw(PICTURES)
        across, down = grid(pixels)
        light = torch.empty(len(drawn), 1, 1).uniform_(0.88, 1.12), torch.empty(len(drawn), 1, 1).uniform_(-0.05, 0.05)
        values = (sight.by_cell(torch.from_numpy(pixels)).flatten(1, 2).float() / 255 * light[0] + light[1]).clamp_(0, 1)
        positions = sight.cell_positions(down, across).view(1, -1, 2).expand(len(drawn), -1, 2)
        soft = sight.pool(self.model, sight.look(self.model, values, positions, self.compiled)[-1])
        written = (soft.detach() if learning else soft) @ self.readers.pictures.T
        truths = [truth(scene.things, scene.place, scene.night, grid=(across, down)) for scene in drawn]
        losses = picture_losses(written, truths)
        batch: Batch = [(self.chat.row(self.ask(scene), "image", across * down, self.questions.rng), tokens)
                        for tokens, scene in zip(soft, drawn)]
        figures = {name.lstrip("_"): losses[name].item() for name in ("_wrong", "_right", "_off") if name in losses}
        return batch, weighted(losses, CODE_WEIGHTS), figures

    def ask(self, scene: Scene) -> list[Question]:
        """Questions about a scene, for all boxes and some others."""
        asked, rng = [self.questions.detect(scene.things)], self.questions.rng
        if rng.random() < CAPTION_SHARE:
            asked.append(self.questions.caption(scene.things, scene.place, scene.night))
        if rng.random() < SOME_SHARE:
            asked.append(self.questions.detect_some(scene.things))
        if rng.random() < POINT_SHARE:
            asked.append(self.questions.point(scene.things))
        rng.shuffle(asked)
        return asked

    def sounds(self, learning: bool) -> tuple[Batch, torch.Tensor]:
        """Questions about speech, and the loss of its characters."""
        samples, texts = self.speech.draw(SOUNDS)
        if self.rng.random() < SILENT_SHARE:
            samples[0], texts[0] = silence(self.rng), ""
        with torch.set_grad_enabled(not self.hearing_fixed):
            soft, counts = architecture.hear(self.model, samples)
        scores = (soft.detach() if learning else soft) @ self.readers.sound.T
        batch: Batch = []
        for text, count, tokens in zip(texts, counts, soft):
            asked = self.questions.about_speech(text, TRANSLATED_SHARE)
            batch.append((self.chat.row(asked, "audio", int(count), self.questions.rng, media_last=0.2), tokens[:count]))
        return batch, sound_loss(scores, counts, texts)

    def answer(self, batch: Batch, both_ways: bool) -> tuple[torch.Tensor, dict[str, float]]:
        rows, soft = [row for row, _ in batch], [tokens for _, tokens in batch]
        return answer_loss(*answer_logits(self.model, rows, soft, self.chat.ids, both_ways))

    def step(self, share: float) -> tuple[torch.Tensor, dict[str, float]]:
        learning = share < self.learning_share
        batch, code, figures = self.pictures(learning)
        loss, more = self.answer(batch, self.rng.random() < BOTH_WAYS_SHARE)
        total, figures = loss + CODE_WEIGHT * code, figures | more
        if self.count % (FROZEN_SOUND_EVERY if self.hearing_fixed else SOUND_EVERY) == 0:
            batch, characters = self.sounds(learning)
            loss, more = self.answer(batch, False)
            total, figures = total + loss + SOUND_WEIGHT * characters, figures | more | {"ctc": characters.item()}
        self.count += 1
        return total, figures


def main() -> None:
    arguments = options.parser(__doc__, minutes=60, peak=1.3e-3)
    arguments.add_argument("--freeze", choices=list(PARTS), action="append", default=[],
                           help="a part of the model to leave as it is")
    arguments.add_argument("--grow", action="store_true", help="first make the vision tower of --start as large as a new one")
    settings = arguments.parse_args()
    tokenizer = vocabulary.load(settings.data)
    keep = settings.start and not settings.grow
    model = architecture.build(tokenizer, sight=checkpoints.sight_of(settings.start) if keep else architecture.SIGHT)
    stages = [settings.start] if settings.start else [settings.data / f"{stage}.pt" for stage in ("vision", "audio", "text")]
    for path in stages:
        checkpoints.load_into(model, path)
    readers = Readers()
    learn = bool(settings.start) and not checkpoints.load_helper(readers, settings.start, checkpoints.READERS)
    norms.use_fast_norms()
    for part in settings.freeze:
        for name, weight in model.named_parameters():
            weight.requires_grad_(weight.requires_grad and not any(word in name for word in PARTS[part]))
    named = list(model.named_parameters())
    named += [(checkpoints.READERS + name, weight) for name, weight in readers.named_parameters()]
    joint = Joint(settings, model, readers, learn, Chat(tokenizer))
    train("joint", joint.step, named, settings)


if __name__ == "__main__":
    main()
