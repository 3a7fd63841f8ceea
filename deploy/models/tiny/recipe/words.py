"""Every string that the model sees or says: labels, prompts, captions, spoken commands."""
import random
import re
import zlib
from collections.abc import Callable

Box = tuple[float, float, float, float]  # y0, x0, y1, x1 as shares of the picture, 0..1
Thing = tuple[str, Box]  # label and where it is

LABELS = ["person", "dog", "cat", "bird", "cow", "car", "truck", "bus", "bicycle", "package", "fire", "tree"]
PLURALS = {"person": "people", "bus": "buses"}
COUNTS = {1: "a", 2: "two", 3: "three", 4: "four", 5: "five"}

# Kind of background: (where things are, how a picture without things is called).
PLACES = {
    "grass": ("on the grass", "An empty field"),
    "street": ("on the street", "An empty street"),
    "room": ("in a room", "An empty room"),
    "snow": ("in the snow", "An empty snow field"),
    "beach": ("on the beach", "An empty beach"),
    "plain": ("on a plain background", "A plain background"),
}

# The first of each list is the one in profile.json; the others make the model less brittle.
CAPTION_PROMPTS = [
    "Describe this image in one short sentence.",
    "Describe this image.",
    "What do you see?",
    "Caption this image.",
    "Describe what you see in one sentence.",
]
OFFICIAL_CAPTION_PROMPT = "Write single detailed caption for this image."  # of the published models
DETECT_PROMPTS = [
    "detect all objects. Output JSON with box_2d and label.",
    "Detect all objects. Output JSON with box_2d and label.",
    "detect all objects",
    "Detect all objects in this image. Return JSON.",
    'Detect all objects. Output a json list where each entry has "box_2d" and "label".',
]
DETECT_SOME_PROMPTS = ["detect {}", "Detect {}", "detect {}. Output JSON with box_2d and label.", "detect the {}"]
POINT_PROMPT = 'What\'s the bounding box for the "{}" element in the image?'
# The published models are asked so, and then put the list into a fence.
FENCED_DETECT_PROMPT = "detect {}, output only ```json"
FENCE = "```json\n{}\n```"
EVERYTHING = "all objects"
TRANSCRIBE_PROMPT = (
    "Transcribe the following speech segment in its original language. "
    "Follow these specific instructions for formatting the answer:\n"
    "* Only output the transcription, with no newlines.\n"
    "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, "
    "and write 3 instead of three."
)
TRANSCRIBE_PROMPTS = [
    TRANSCRIBE_PROMPT,
    "Transcribe this audio.",
    "Transcribe the audio.",
    "What is said in this audio?",
    "Transcribe the following speech segment in English into English text.",
]
# Of the published models, which answer with the transcript and on a new line with "Spanish: " and the translation.
TRANSLATE_PROMPT = (
    "Transcribe the following speech segment in {language}, then translate it into Spanish.\n"
    "When formatting the answer, first output the transcription in {language}, then one newline, "
    "then output the string 'Spanish: ', then the translation in Spanish."
)
TRANSLATED = "{}\nSpanish: {}"
SPOKEN_IN = ["its original language", "English"]
OFFICIAL_TRANSCRIBE_PROMPT = TRANSCRIBE_PROMPT.replace("language. ", "language.\n\n").replace("\n* ", "\n*   ")


def caption(things: list[Thing], place: str, night: bool) -> str:
    """The sentence about a scene. A single thing is also said to be left, right or in the middle."""
    end = " at night." if night else "."
    where, empty = PLACES[place]
    if not things:
        return empty + end
    parts = []
    for label in LABELS:
        count = sum(name == label for name, _ in things)
        if count:
            parts.append(f"{COUNTS[count]} {label if count == 1 else PLURALS.get(label, label + 's')}")
    sentence = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    sentence = sentence[0].upper() + sentence[1:]
    if len(things) == 1:
        _, x0, _, x1 = things[0][1]
        centre = (x0 + x1) / 2
        side = "on the left" if centre < 1 / 3 else "on the right" if centre > 2 / 3 else "in the middle"
        sentence += f" {side},"
    return f"{sentence} {where}{end}"


def to_grid(share: float) -> int:
    """A share of the picture as the model writes it: 0, 10, 20 ... 1000."""
    return max(0, min(1000, int(round(share * 100)) * 10))


def boxes_json(things: list[Thing]) -> str:
    """The detection answer, from left to right."""
    ordered = sorted(things, key=lambda thing: (thing[1][1] + thing[1][3]) / 2)
    entries = ['{"box_2d": [%d, %d, %d, %d], "label": "%s"}' % (*map(to_grid, box), label) for label, box in ordered]
    return "[" + ", ".join(entries) + "]"


def listed(labels: list[str]) -> str:
    """Labels as a question names them: "dog", "dog and car", "dog, car and tree"."""
    return labels[0] if len(labels) == 1 else ", ".join(labels[:-1]) + " and " + labels[-1]


ROOMS = ["kitchen", "bedroom", "bathroom", "garage", "living room", "garden", "hallway", "office", "basement"]
AREAS = ROOMS + ["yard", "street", "field", "barn", "driveway"]
DOORS = ["front door", "back door", "garage door", "kitchen window", "bedroom window", "garden gate", "barn door", "main gate"]
SHORT = [
    "help", "yes", "no", "stop", "start", "cancel", "hello", "good morning", "good night", "thank you",
    "please repeat that", "call for help", "wake up", "go to sleep", "what time is it", "what do you see",
    "what can you hear", "is anyone there", "go back", "come here", "be quiet",
]


def _clock(rng: random.Random) -> str:
    hour = rng.randint(1, 12)
    if rng.random() < 0.75:
        return f"{hour} {rng.choice([10, 15, 20, 25, 30, 35, 40, 45, 50, 55])}"
    return str(hour)


def _number(low: int, high: int) -> Callable[[random.Random], str]:
    return lambda rng: str(rng.randint(low, high))


def _one_of(*words: str) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(words)


SLOTS: dict[str, Callable[[random.Random], str]] = {
    "switch": _one_of("on", "off"),
    "room": _one_of(*ROOMS),
    "area": _one_of(*AREAS),
    "door": _one_of(*DOORS),
    "short": _one_of(*SHORT),
    "thing": _one_of(*LABELS[:-1]),
    "clock": _clock,
    "percent": _number(0, 100),
    "time": _number(2, 90),
    "sensor_number": _number(1, 20),
    "appliance": _one_of("light", "lamp", "fan", "heater", "camera", "radio"),
    "machine": _one_of("pump", "alarm", "heating", "lights", "radio", "camera", "fan", "engine"),
    "move_door": _one_of("open", "close", "lock", "unlock"),
    "climate": _one_of("temperature", "humidity"),
    "dimmable": _one_of("heater", "fan", "light"),
    "unit": _one_of("minutes", "seconds", "hours"),
    "begin": _one_of("start", "stop"),
    "work": _one_of("pump", "fan", "recording", "robot", "engine", "water", "timer"),
    "near": _one_of("in", "near"),
    "door_state": _one_of("open", "closed", "locked"),
    "tank": _one_of("water", "fuel", "battery", "oil"),
    "countable": _one_of("people", "cars", "dogs", "birds", "cows", "packages"),
    "shot": _one_of("picture", "video"),
    "chore": _one_of("check", "water", "feed", "clean"),
    "charge": _one_of("plants", "dog", "cat", "tank", "cows", "pump"),
    "colour": _one_of("red", "blue", "green", "white", "brighter", "darker"),
    "reading": _one_of("battery", "status", "temperature", "pressure"),
    "device": _one_of("sensor", "pump", "tank", "camera"),
    "mover": _one_of("robot", "camera"),
    "way": _one_of("left", "right", "up", "down", "forward", "back"),
}

# One is drawn with equal chance; a sentence that stands here twice comes twice as often.
SENTENCES = [
    "turn {switch} the {room} {appliance}",
    "turn {switch} the {room} {appliance}",
    "turn {switch} the {machine}",
    "{move_door} the {door}",
    "what is the {climate} in the {area}",
    "set the {room} temperature to {percent} degrees",
    "set the {room} {dimmable} to {percent} percent",
    "set an alarm for {clock}",
    "set a timer for {time} {unit}",
    "{begin} the {work}",
    "someone is at the {door}",
    "there is a {thing} {near} the {area}",
    "there is a {thing} {near} the {area}",
    "is the {door} {door_state}",
    "{tank} level is {percent} percent",
    "{tank} level is {percent} percent",
    "how many {countable} are in the {area}",
    "take a {shot} of the {area}",
    "show me the {area} camera",
    "remind me to {chore} the {charge} at {clock}",
    "{short}",
    "make the {room} light {colour}",
    "report the {reading} of {device} {sensor_number}",
    "move the {mover} {way}",
]


def command(rng: random.Random) -> str:
    """A spoken sentence, slots filled from left to right."""
    sentence = SENTENCES[rng.randrange(len(SENTENCES))]
    return re.sub(r"\{(\w+)\}", lambda slot: SLOTS[slot.group(1)](rng), sentence)


def loose_words(rng: random.Random) -> str:
    """Words of two sentences in any order: whoever hears them has no grammar to guess from. At most one is a number,
    because "20 5" sounds like "25"."""
    words = [word for _ in range(2) for word in command(rng).split()]
    rng.shuffle(words)
    number = next((word for word in words if word.isdigit()), None)
    plain = [word for word in words if not word.isdigit()][: rng.randint(2, 6)]
    if number:
        plain.insert(rng.randint(0, len(plain)), number)
    return " ".join(plain)


HELD_OUT_CLASSES = 7  # one sentence in so many is kept from training


def is_held_out(sentence: str) -> bool:
    """Whether a sentence belongs to evaluation only. Short ones are too few to keep any back."""
    return zlib.crc32(sentence.encode()) % HELD_OUT_CLASSES == 3 and sentence not in SHORT


_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def _spell(number: int) -> str:
    if number < 20:
        return _UNITS[number]
    if number == 100:
        return "one hundred"
    tens = _TENS[number // 10 - 2]
    return tens if number % 10 == 0 else f"{tens} {_UNITS[number % 10]}"


def spoken(text: str) -> str:
    """The text as it sounds: numbers up to 100 in words."""
    return re.sub(r"\d+", lambda match: _spell(int(match.group())), text)
