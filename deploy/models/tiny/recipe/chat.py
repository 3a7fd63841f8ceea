"""Turns as the chat template writes them, with places for soft tokens."""
import random
from typing import NamedTuple

from tokenizers import Tokenizer

from architecture import control_ids


class Question(NamedTuple):
    prompt: str
    answer: str
    task: int  # index in questions.TASKS


class Row(NamedTuple):
    """One picture or sound with one question or several, of which none sees another."""

    ids: list[int]
    positions: list[int]
    branches: list[int]  # 0: what all questions share; 1, 2 ...: the tokens of a question and its answer
    tasks: list[int]  # of the answers' tokens; -1 for all others


class Chat:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.ids = tokenizer, control_ids(tokenizer)
        self.encoded: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        if text not in self.encoded:
            if len(self.encoded) > 20000:
                self.encoded.clear()
            self.encoded[text] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return self.encoded[text]

    def media(self, medium: str, count: int) -> list[int]:
        """The places of count soft tokens of a medium ("image" or "audio")."""
        return [self.ids[f"<|{medium}>"]] + [self.ids[f"<|{medium}|>"]] * count + [self.ids[f"<{medium}|>"]]

    def opening(self) -> list[int]:
        return [self.ids["<bos>"], self.ids["<|turn>"], *self.encode("user\n")]

    def closing(self, thinking: bool = False) -> list[int]:
        """From the end of a question to where the answer begins; thinking: with the empty thought of some runtimes."""
        turn = [self.ids["<turn|>"], *self.encode("\n"), self.ids["<|turn>"], *self.encode("model\n")]
        return turn + [self.ids["<|channel>"], *self.encode("thought\n"), self.ids["<channel|>"]] if thinking else turn

    def prompt(self, text: str, medium: str, count: int) -> list[int]:
        """A question in the form of profile.json: the medium first, nothing between."""
        return self.opening() + self.media(medium, count) + self.encode(text) + self.closing()

    def row(self, questions: list[Question], medium: str, count: int, rng: random.Random, media_last: float = 0.1) -> Row:
        """Questions about one medium. Sometimes with a separator, an empty thought, or the medium after the words.

        media_last: share of rows in which the medium comes last. Nothing can be shared then, so such a row has only
        the first question.
        """
        media = self.media(medium, count)
        last = rng.random() < media_last
        shared = self.opening() + ([] if last else media)
        ids, positions, branches, tasks = list(shared), list(range(len(shared))), [0] * len(shared), [-1] * len(shared)
        for branch, question in enumerate(questions[:1] if last else questions, 1):
            separator = "" if rng.random() < 0.8 else rng.choice(["\n", "\n\n", " "])
            words = self.encode(question.prompt + separator) + media if last else self.encode(separator + question.prompt)
            asked = words + self.closing(thinking=rng.random() < 0.08)
            answer = self.encode(question.answer) + [self.ids["<turn|>"]]
            ids += asked + answer
            tasks += [-1] * len(asked) + [question.task] * len(answer)
            branches += [branch] * (len(asked) + len(answer))
            positions += range(len(shared), len(shared) + len(asked) + len(answer))
        return Row(ids, positions, branches, tasks)
