"""How far soft tokens are from the code that they should say, and answers from the right ones."""
import torch
import torch.nn.functional as F

import codes
from architecture import WIDTH
from codes import AMPLITUDE, Truth, bases, spell
from words import spoken

SHARPNESS = 6.0  # a code of 1 against 0 is this many nats
SOUND_SHARPNESS = 8.0


class BoxHead(torch.nn.Linear):
    """Reads a box straight from a soft token: a helper of training, since the code is in steps of a hundredth."""

    def __init__(self) -> None:
        super().__init__(WIDTH, 4)
        torch.nn.init.zeros_(self.weight)
        torch.nn.init.constant_(self.bias, 0.5)


def picture_losses(soft: torch.Tensor, truths: list[Truth], box_head: BoxHead) -> dict[str, torch.Tensor]:
    """Losses, not weighted, of soft tokens [batch, tokens, WIDTH]; figures beside them begin with "_"."""
    wanted = torch.stack([torch.from_numpy(truth.code) for truth in truths])
    written = soft @ bases()[0].T / AMPLITUDE  # wanted == written when all is learned
    there = wanted[..., codes.OBJECT] > 0
    presence = (written[..., codes.OBJECT] - 0.5) * SHARPNESS * 2
    place = written[..., codes.PLACE].mean(1) * SHARPNESS
    night = (written[..., codes.NIGHT].mean(1) - 0.5) * SHARPNESS * 2
    weight = 1 + 15 * wanted[..., codes.OBJECT, None]
    losses = {
        "object": F.binary_cross_entropy_with_logits(presence, wanted[..., codes.OBJECT], pos_weight=torch.tensor(4.0)),
        "place": F.cross_entropy(place, wanted[:, 0, codes.PLACE].argmax(1)),
        "night": F.binary_cross_entropy_with_logits(night, wanted[:, 0, codes.NIGHT]),
        "code": ((written - wanted) ** 2 * weight).mean(),
        "rest": (soft - written * AMPLITUDE @ bases()[0]).pow(2).mean(),  # what lies outside the code stays quiet
    }
    objects = [truth.objects[cell] for truth in truths for cell in sorted(truth.objects)]
    if objects:
        losses |= _object_losses(written[there], soft[there], objects, box_head)
    return losses


def _object_losses(written: torch.Tensor, soft: torch.Tensor, objects: list[tuple[int, list[int]]],
                   box_head: BoxHead) -> dict[str, torch.Tensor]:
    labels = torch.tensor([label for label, _ in objects])
    boxes = torch.tensor([box for _, box in objects])
    numbers = boxes.reshape(-1)
    hundreds = written[:, codes.HUNDRED].reshape(-1, codes.HUNDREDS) * SHARPNESS
    tens = written[:, codes.TEN].reshape(-1, codes.TENS) * SHARPNESS
    guessed = written[:, codes.LABEL]
    return {
        "label": F.cross_entropy(guessed * SHARPNESS, labels),
        "hundreds": F.cross_entropy(hundreds, numbers // 10),
        "tens": F.cross_entropy(tens, numbers % 10, label_smoothing=0.05),
        "box": (box_head(soft) - boxes / 100).abs().mean(),
        "_right": (guessed.argmax(1) == labels).float().mean(),
        "_off": (hundreds.argmax(1) * 10 + tens.argmax(1) - numbers).abs().float().mean(),
    }


def weighted(losses: dict[str, torch.Tensor], weights: dict[str, float]) -> torch.Tensor:
    return sum((losses[name] * weight for name, weight in weights.items() if name in losses), torch.zeros(()))


def sound_scores(soft: torch.Tensor) -> torch.Tensor:
    """Soft tokens [..., WIDTH] -> logits of characters."""
    return soft @ bases()[1].T / AMPLITUDE * SOUND_SHARPNESS


def sound_loss(soft: torch.Tensor, counts: torch.Tensor, texts: list[str]) -> torch.Tensor:
    """CTC loss of soft tokens [batch, time, WIDTH] against the texts as they sound."""
    wanted = [spell(spoken(text)) for text in texts]
    return F.ctc_loss(
        sound_scores(soft).log_softmax(-1).transpose(0, 1),
        torch.tensor([character for text in wanted for character in text], dtype=torch.long),
        counts, torch.tensor([len(text) for text in wanted]), zero_infinity=True,
    )


TASKS = ("detect", "caption", "one", "speech")


def answer_figures(loss: torch.Tensor, logits: torch.Tensor, wanted: torch.Tensor, task: torch.Tensor) -> dict[str, float]:
    """Mean loss and share of right tokens for each kind of task; all are per answer token."""
    figures = {}
    for index, name in enumerate(TASKS):
        chosen = task == index
        if chosen.any():
            figures[f"{name}_loss"] = loss[chosen].mean().item()
            figures[f"{name}_right"] = (logits.argmax(1) == wanted)[chosen].float().mean().item()
    return figures
