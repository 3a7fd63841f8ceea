"""Teaches the text decoder, alone, to read the code of soft tokens and to answer about it."""
import random

import numpy as np
import torch

import architecture
import checkpoints
import norms
import options
import start
import vocabulary
from architecture import FRAME_TOKENS
from chat import Chat, Row
from codes import bases, truth
from decoder import answer_logits
from layouts import character_stream, fuzzy, layout
from losses import answer_loss
from questions import Questions
from training import train
from words import command, spoken

SCENES, SENTENCES = 12, 6  # in a step
TRANSLATED_SHARE = 0.25  # of sentences


def draw_scenes(questions: Questions, chat: Chat, rng: np.random.Generator, share: float) -> list[tuple[Row, torch.Tensor]]:
    """Questions about scenes that exist only as code. At first there are fewer things in them."""
    batch = []
    for _ in range(SCENES):
        few = rng.random() < 0.5 * (1 - 1.5 * share)
        things, place, night = layout(rng, int(rng.integers(1, 3)) if few else None)
        code = torch.from_numpy(truth(things, place, night, jitter=rng).code)
        soft = fuzzy(code @ bases()[0], 0.8, 1.15, rng)
        asked = [questions.detect(things), questions.caption(things, place, night), questions.detect_some(things),
                 questions.detect_some(things), questions.point(things)]
        questions.rng.shuffle(asked)
        batch.append((chat.row(asked, "image", FRAME_TOKENS, questions.rng), soft))
    return batch


def draw_sentences(questions: Questions, chat: Chat, rng: np.random.Generator) -> list[tuple[Row, torch.Tensor]]:
    batch = []
    for _ in range(SENTENCES):
        text = command(questions.rng) if rng.random() < 0.95 else ""
        soft = character_stream(spoken(text), rng)
        asked = questions.about_speech(text, TRANSLATED_SHARE)
        batch.append((chat.row(asked, "audio", len(soft), questions.rng, media_last=0.2), soft))
    return batch


def main() -> None:
    arguments = options.parser(__doc__, minutes=34, peak=2e-3)
    settings = arguments.parse_args()
    tokenizer = vocabulary.load(settings.data)
    model = architecture.build(tokenizer, seed=3)
    if settings.start:
        checkpoints.load_into(model, settings.start)
    else:
        start.begin_text(model)
        start.begin_numbers(model, tokenizer)
    norms.use_fast_norms()
    named = [(name, weight) for name, weight in model.named_parameters() if "language_model" in name]
    chat, rng = Chat(tokenizer), np.random.default_rng([11, settings.seed])
    questions = Questions(random.Random(12 + settings.seed), usual=0.3)

    def step(share: float) -> tuple[torch.Tensor, dict[str, float]]:
        total, figures = torch.zeros(()), {}
        for batch in (draw_scenes(questions, chat, rng, share), draw_sentences(questions, chat, rng)):
            logits, wanted, tasks = answer_logits(model, [row for row, _ in batch], [soft for _, soft in batch], chat.ids)
            loss, more = answer_loss(logits, wanted, tasks)
            total, figures = total + loss, figures | more
        return total, figures

    train("text", step, named, settings)


if __name__ == "__main__":
    main()
