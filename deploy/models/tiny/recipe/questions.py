"""Questions with their answers about scenes and speech, for training: prompts drawn from the lists in words.py."""
import random

from chat import Chat, Sample
from words import (
    CAPTION_PROMPTS, DETECT_ONE_PROMPTS, DETECT_PROMPTS, LABELS, TRANSCRIBE_PROMPT, TRANSCRIBE_PROMPTS, Thing,
    boxes_json, caption,
)


class Questions:
    def __init__(self, chat: Chat, rng: random.Random, usual: float) -> None:
        """usual: share of questions in the very words of profile.json."""
        self.chat, self.rng, self.usual = chat, rng, usual

    def _pick(self, prompts: list[str]) -> str:
        return prompts[0] if self.rng.random() < self.usual else self.rng.choice(prompts)

    def detect(self, things: list[Thing], tokens: int) -> Sample:
        return self.chat.sample(self._pick(DETECT_PROMPTS), boxes_json(things), "image", tokens, self.rng)

    def caption(self, things: list[Thing], place: str, night: bool, tokens: int) -> Sample:
        return self.chat.sample(self._pick(CAPTION_PROMPTS), caption(things, place, night), "image", tokens, self.rng)

    def detect_one(self, things: list[Thing], tokens: int) -> Sample:
        """Asks for one label, which is more often there than not."""
        there = [label for label, _ in things]
        asked = self.rng.choice(there) if there and self.rng.random() < 0.65 else self.rng.choice(LABELS)
        answer = boxes_json([thing for thing in things if thing[0] == asked])
        return self.chat.sample(self._pick(DETECT_ONE_PROMPTS).format(asked), answer, "image", tokens, self.rng)

    def transcribe(self, text: str, tokens: int) -> Sample:
        prompt = TRANSCRIBE_PROMPT if self.rng.random() < 0.45 else self.rng.choice(TRANSCRIBE_PROMPTS[1:])
        return self.chat.sample(prompt, text, "audio", tokens, self.rng)
