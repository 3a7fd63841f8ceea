"""Measures of answers: edit distance, overlap of boxes, F1."""
import json
from collections.abc import Sequence

Found = list[tuple[str, Sequence[float]]]  # label and y0, x0, y1, x1


def edits(heard: Sequence, said: Sequence) -> int:
    """The fewest elements to change, leave out or put in (Levenshtein distance)."""
    row = list(range(len(said) + 1))
    for i, x in enumerate(heard):
        following = [i + 1]
        for j, y in enumerate(said):
            following.append(min(row[j] + (x != y), row[j + 1] + 1, following[j] + 1))
        row = following
    return row[-1]


def overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union."""
    down, across = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if down <= 0 or across <= 0:
        return 0.0
    both = down * across
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def parse_boxes(answer: str) -> Found | None:
    """The objects of an answer, or None when it is not exactly what was asked for."""
    try:
        entries = json.loads(answer)
        found = [(entry["label"], entry["box_2d"]) for entry in entries]
        valid = isinstance(entries, list) and all(
            isinstance(label, str) and len(box) == 4 and all(isinstance(number, int) for number in box) for label, box in found)
    except (ValueError, KeyError, TypeError):
        return None
    return found if valid else None


def unfenced(answer: str) -> str:
    """What stands between the lines of a JSON fence; an answer without one as it is."""
    return answer.strip().removeprefix("```json\n").removesuffix("\n```")


def match(found: Found, there: Found, least: float = 0.5) -> list[bool]:
    """For each object found, whether it is there: same label, overlap of at least `least`, each only once."""
    used: set[int] = set()
    hits = []
    for label, box in found:
        choices = [(overlap(box, other), i) for i, (name, other) in enumerate(there) if name == label and i not in used]
        best, index = max(choices, default=(0.0, -1))
        hits.append(best >= least)
        if best >= least:
            used.add(index)
    return hits


def f1(hits: int, found: int, there: int) -> float:
    return 2 * hits / max(1, found + there)
