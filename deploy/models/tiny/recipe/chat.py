"""Turns as the chat template writes them, with places for soft tokens."""
import random
from typing import NamedTuple

from tokenizers import Tokenizer

from architecture import control_ids


class Sample(NamedTuple):
    ids: list[int]
    answer_at: int  # where the answer begins in ids


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

    def prompt(self, text: str, medium: str, count: int, rng: random.Random | None = None) -> list[int]:
        """A question about count soft tokens of a medium ("image" or "audio").

        Without rng in the form of profile.json: the medium first, nothing between. With rng sometimes another
        order, a separator, or the empty thinking that some runtimes put before an answer.
        """
        ids = self.ids
        media = [ids[f"<|{medium}>"]] + [ids[f"<|{medium}|>"]] * count + [ids[f"<{medium}|>"]]
        separator, media_first = "", True
        if rng is not None:
            separator = "" if rng.random() < 0.65 else rng.choice(["\n", "\n\n", " "])
            media_first = rng.random() < 0.8
        body = media + self.encode(separator + text) if media_first else self.encode(text + separator) + media
        turn = [ids["<bos>"], ids["<|turn>"], *self.encode("user\n"), *body, ids["<turn|>"], *self.encode("\n")]
        turn += [ids["<|turn>"], *self.encode("model\n")]
        if rng is not None and rng.random() < 0.15:
            turn += [ids["<|channel>"], *self.encode("thought\n"), ids["<channel|>"]]
        return turn

    def sample(self, text: str, answer: str, medium: str, count: int, rng: random.Random) -> Sample:
        """A question with its answer."""
        prompt = self.prompt(text, medium, count, rng)
        return Sample(prompt + self.encode(answer) + [self.ids["<turn|>"]], len(prompt))
