"""Teaches the text decoder, alone, to read the code of soft tokens and to answer about it."""
import random

import numpy as np
import torch
import torch.nn.functional as F

import architecture
import checkpoints
import options
import vocabulary
from architecture import FRAME_TOKENS
from chat import Chat, Sample
from codes import bases, truth
from decoder import answer_logits
from layouts import character_stream, fuzzy, layout
from losses import answer_figures
from questions import Questions
from training import train
from words import command, spoken

SCENES, SENTENCES = 6, 5  # in a step
TASK_WEIGHTS = (1.5, 1.0, 1.0, 1.0)  # in the order of losses.TASKS
Batch = list[tuple[Sample, torch.Tensor, int]]  # question, soft tokens, kind of task


def draw(questions: Questions, rng: np.random.Generator, share: float) -> Batch:
    """Questions about scenes and sentences that exist only as code. At first there are fewer things in a scene."""
    batch: Batch = []
    for _ in range(SCENES):
        few = rng.random() < 0.5 * (1 - 1.5 * share)
        things, place, night = layout(rng, int(rng.integers(1, 3)) if few else None)
        code = torch.from_numpy(truth(things, place, night, blur=rng.uniform(0.2, 0.7), jitter=rng).code)
        soft = fuzzy(code @ bases()[0], 0.8, 1.15, rng)
        batch.append((questions.detect(things, FRAME_TOKENS), soft, 0))
        if rng.random() < 0.65:
            batch.append((questions.caption(things, place, night, FRAME_TOKENS), soft, 1))
        if rng.random() < 0.65:
            batch.append((questions.detect_one(things, FRAME_TOKENS), soft, 2))
    for _ in range(SENTENCES):
        text = command(questions.rng) if rng.random() < 0.95 else ""
        soft = character_stream(spoken(text), rng)
        batch.append((questions.transcribe(text, len(soft)), soft, 3))
    return sorted(batch, key=lambda question: len(question[0].ids))


def main() -> None:
    settings = options.parser(__doc__, minutes=34, peak=2e-3).parse_args()
    tokenizer = vocabulary.load(settings.data)
    model = architecture.build(tokenizer, seed=3)
    if settings.start:
        checkpoints.load_into(model, settings.start)
    architecture.use_fast_norms()
    named = [(name, weight) for name, weight in model.named_parameters() if "language_model" in name]
    chat, rng = Chat(tokenizer), np.random.default_rng(11)
    questions = Questions(chat, random.Random(12), usual=0.0)

    def step(share: float) -> tuple[torch.Tensor, dict[str, float]]:
        batch = draw(questions, rng, share)
        middle = len(batch) * 5 // 8  # short and long questions apart, or padding would take half of the time
        total, figures = torch.zeros(()), {}
        for part in (batch[:middle], batch[middle:]):
            logits, wanted, rows = answer_logits(model, [q for q, _, _ in part], [soft for _, soft, _ in part], chat.ids)
            loss = F.cross_entropy(logits, wanted, reduction="none")
            task = torch.tensor([kind for _, _, kind in part])[rows]
            for kind, weight in enumerate(TASK_WEIGHTS):
                if (task == kind).any():
                    total = total + loss[task == kind].mean() * weight / 2
            figures |= answer_figures(loss.detach(), logits, wanted, task)
        return total, figures

    train("text", step, named, settings.data, settings.minutes, settings.rate)


if __name__ == "__main__":
    main()
