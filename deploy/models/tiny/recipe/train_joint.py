"""Trains everything together, on real pictures and sound. Several processes (--rank, --world) train one model."""
import argparse
import datetime
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.distributed as distributed
import torch.nn.functional as F
from transformers import Gemma4ForConditionalGeneration

import architecture
import checkpoints
import options
import vocabulary
from architecture import FRAME_TOKENS
from chat import Chat, Sample
from codes import truth
from data import DRAWN, RESIZED, Scenes
from decoder import answer_logits
from losses import BoxHead, answer_figures, picture_losses, sound_loss, weighted
from questions import Questions
from sound import SpeechBatches, silence
from speech import Clips
from training import train

PICTURES, SOUNDS = 6, 6  # in a step, for each process
RESIZED_SHARE = 0.35
SILENT_SHARE = 0.35  # of steps in which one clip is silence
BOTH_WAYS_SHARE = 0.25  # see decoder.answer_logits
PICTURE_WEIGHTS = {"object": 12, "label": 1, "hundreds": 1, "tens": 0.3, "box": 25, "place": 0.3}
CODE_WEIGHT, SOUND_WEIGHT, DETECT_WEIGHT = 0.12, 0.15, 1.5
Batch = list[tuple[Sample, torch.Tensor, int]]  # question, soft tokens, kind of task


class Joint:
    """The model with what it is trained on."""

    def __init__(self, settings: argparse.Namespace, model: Gemma4ForConditionalGeneration, chat: Chat, box_head: BoxHead) -> None:
        seed = [21, settings.rank, int(settings.rate * 1e6)]
        self.model, self.chat, self.box_head = model, chat, box_head
        self.rng = np.random.default_rng(seed)
        self.questions = Questions(chat, random.Random(str(seed)), usual=0.4)
        self.scenes = {name: Scenes(settings.data, name) for name in (DRAWN, RESIZED)}
        self.speech = SpeechBatches(Clips(settings.data, "train"), self.rng)

    def pictures(self) -> tuple[Batch, Batch, torch.Tensor]:
        """Detection questions, other questions, and the loss of the code."""
        drawn = [self.scenes[RESIZED if self.rng.random() < RESIZED_SHARE else DRAWN].draw(self.rng) for _ in range(PICTURES)]
        values, positions = architecture.patches(np.stack([pixels for pixels, *_ in drawn]))
        light = torch.empty(PICTURES, 1, 1).uniform_(0.88, 1.12), torch.empty(PICTURES, 1, 1).uniform_(-0.05, 0.05)
        soft = architecture.see(self.model, (values * light[0] + light[1]).clamp_(0, 1), positions)
        truths = [truth(things, place, night) for _, things, place, night in drawn]
        detect: Batch = []
        others: Batch = []
        for tokens, (_, things, place, night) in zip(soft, drawn):
            detect.append((self.questions.detect(things, FRAME_TOKENS), tokens, 0))
            others.append((self.questions.caption(things, place, night, FRAME_TOKENS), tokens, 1))
            if self.rng.random() < 0.5:
                others.append((self.questions.detect_one(things, FRAME_TOKENS), tokens, 2))
        return detect, others, weighted(picture_losses(soft, truths, self.box_head), PICTURE_WEIGHTS)

    def sounds(self) -> tuple[Batch, torch.Tensor]:
        """Questions about speech, and the loss of its characters."""
        samples, texts = self.speech.draw(SOUNDS)
        if self.rng.random() < SILENT_SHARE:
            samples[0], texts[0] = silence(self.rng), ""
        soft, counts = architecture.hear(self.model, samples)
        batch = [(self.questions.transcribe(text, int(count)), tokens[:count], 3) for text, count, tokens in zip(texts, counts, soft)]
        return batch, sound_loss(soft, counts, texts)

    def step(self, _: float) -> tuple[torch.Tensor, dict[str, float]]:
        detect, others, code = self.pictures()
        speech, characters = self.sounds()
        total = CODE_WEIGHT * code + SOUND_WEIGHT * characters
        figures = {"code": code.item(), "ctc": characters.item()}
        both_ways = self.rng.random() < BOTH_WAYS_SHARE
        for batch, weight, ways in ((detect, DETECT_WEIGHT, both_ways), (others, 1.0, both_ways), (speech, 1.0, False)):
            questions, soft = [q for q, _, _ in batch], [tokens for _, tokens, _ in batch]
            logits, wanted, rows = answer_logits(self.model, questions, soft, self.chat.ids, ways)
            loss = F.cross_entropy(logits, wanted, reduction="none")
            total = total + weight * loss.mean()
            figures |= answer_figures(loss.detach(), logits, wanted, torch.tensor([kind for _, _, kind in batch])[rows])
        return total, figures


def averager(named: list[tuple[str, torch.nn.Parameter]], world: int) -> Callable[[float], float]:
    """A function that averages the gradients, and the seconds used, over all processes."""
    size = sum(weight.numel() for _, weight in named)

    def average(used: float) -> float:
        flat = torch.zeros(size + 1)
        flat[-1] = used
        pieces = flat[:-1].split([weight.numel() for _, weight in named])
        for piece, (_, weight) in zip(pieces, named):
            if weight.grad is not None:
                piece.copy_(weight.grad.view(-1))
        distributed.all_reduce(flat)
        flat /= world
        for piece, (_, weight) in zip(pieces, named):
            weight.grad = piece.view_as(weight).clone()
        return float(flat[-1])

    return average


def trained_box_head(stages: list[Path]) -> BoxHead:
    """The helper of the stage that trained it; a fresh one when none did."""
    box_head = BoxHead()
    for path in stages:
        weights = {name.removeprefix(checkpoints.BOX_HEAD): weight for name, weight in checkpoints.read(path).items()
                   if name.startswith(checkpoints.BOX_HEAD)}
        if weights:
            box_head.load_state_dict(weights)
    return box_head


def main() -> None:
    arguments = options.parser(__doc__, minutes=23, peak=1.3e-3)
    arguments.add_argument("--rank", type=int, default=0)
    arguments.add_argument("--world", type=int, default=1)
    settings = arguments.parse_args()
    if settings.world > 1:
        meeting = (settings.data / ".meeting").absolute()
        distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=settings.rank,
                                       world_size=settings.world, timeout=datetime.timedelta(hours=2))
    tokenizer = vocabulary.load(settings.data)
    model = architecture.build(tokenizer)
    stages = [settings.start] if settings.start else [settings.data / f"{stage}.pt" for stage in ("vision", "audio", "text")]
    for path in stages:
        checkpoints.load_into(model, path)
    box_head = trained_box_head(stages)
    architecture.use_fast_norms()
    named = list(model.named_parameters()) + [(checkpoints.BOX_HEAD + name, weight) for name, weight in box_head.named_parameters()]
    joint = Joint(settings, model, Chat(tokenizer), box_head)
    share = averager(named, settings.world) if settings.world > 1 else None
    train("joint", joint.step, named, settings.data, settings.minutes, settings.rate, share, leader=settings.rank == 0)
    if settings.world > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
