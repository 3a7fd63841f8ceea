"""Questions with their answers about scenes and speech, for training: prompts drawn from the lists in words.py."""
import random

from chat import Question
from spanish import is_translatable, spanish
from words import (
    CAPTION_PROMPTS, DETECT_PROMPTS, DETECT_SOME_PROMPTS, EVERYTHING, FENCE, FENCED_DETECT_PROMPT, LABELS,
    OFFICIAL_CAPTION_PROMPT, OFFICIAL_TRANSCRIBE_PROMPT, POINT_PROMPT, SPOKEN_IN, TRANSCRIBE_PROMPTS,
    TRANSLATED, TRANSLATE_PROMPT, Thing, boxes_json, caption, listed,
)

DETECT, CAPTION, SOME, POINT, SPEECH, TRANSLATION = range(6)
TASKS = ("detect", "caption", "some", "point", "speech", "translation")
FENCED_SHARE = 0.08


class Questions:
    def __init__(self, rng: random.Random, usual: float) -> None:
        """usual: share of questions in the very words of profile.json."""
        self.rng, self.usual = rng, usual

    def _pick(self, prompts: list[str]) -> str:
        return prompts[0] if self.rng.random() < self.usual else self.rng.choice(prompts)

    def detect(self, things: list[Thing]) -> Question:
        if self.rng.random() < FENCED_SHARE:
            return Question(FENCED_DETECT_PROMPT.format(EVERYTHING), FENCE.format(boxes_json(things)), DETECT)
        return Question(self._pick(DETECT_PROMPTS), boxes_json(things), DETECT)

    def caption(self, things: list[Thing], place: str, night: bool) -> Question:
        return Question(self._pick([*CAPTION_PROMPTS, OFFICIAL_CAPTION_PROMPT]), caption(things, place, night), CAPTION)

    def _asked(self, things: list[Thing], most: int) -> list[str]:
        """Labels to ask for; each is there about as often as not."""
        there = sorted({label for label, _ in things})
        asked: list[str] = []
        for _ in range(1 if self.rng.random() < 0.7 else self.rng.randint(1, most)):
            label = self.rng.choice(there) if there and self.rng.random() < 0.55 else self.rng.choice(LABELS)
            if label not in asked:
                asked.append(label)
        return asked

    def detect_some(self, things: list[Thing]) -> Question:
        """Asks for one label or a few, there or not."""
        asked = self._asked(things, 3)
        answer = boxes_json([thing for thing in things if thing[0] in asked])
        if self.rng.random() < FENCED_SHARE:
            return Question(FENCED_DETECT_PROMPT.format(listed(asked)), FENCE.format(answer), SOME)
        return Question(self._pick(DETECT_SOME_PROMPTS).format(listed(asked)), answer, SOME)

    def point(self, things: list[Thing]) -> Question:
        asked = self._asked(things, 1)[0]
        return Question(POINT_PROMPT.format(asked), boxes_json([thing for thing in things if thing[0] == asked]), POINT)

    def transcribe(self, text: str) -> Question:
        return Question(self._pick([*TRANSCRIBE_PROMPTS, OFFICIAL_TRANSCRIBE_PROMPT]), text, SPEECH)

    def translate(self, text: str) -> Question:
        """Into Spanish; silence gets nothing."""
        answer = TRANSLATED.format(text, spanish(text)) if text else ""
        return Question(TRANSLATE_PROMPT.format(language=self._pick(SPOKEN_IN)), answer, TRANSLATION)

    def about_speech(self, text: str, translated: float) -> list[Question]:
        """The transcript; and the translation as often as translated says, of silence and of what has one."""
        also = self.rng.random() < translated and (not text or is_translatable(text))
        return [self.transcribe(text)] + ([self.translate(text)] if also else [])
