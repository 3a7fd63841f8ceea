"""How far what soft tokens say is from what they should say, and answers from the right ones."""
import torch
import torch.nn.functional as F

import codes
from codes import AMPLITUDE, Truth, bases, spell
from questions import TASKS
from words import spoken

SHARPNESS = 6.0  # a code of 1 against 0 is this many nats
SOUND_SHARPNESS = 8.0
# In the order of questions.TASKS. Most tokens of a caption are no question, so its mean is small; digits of boxes never are.
TASK_WEIGHTS = (1.0, 5.0, 0.7, 0.4, 1.5, 0.5)
NEAR = 0.6  # hundredths: how far a number counts as right, as the deviation of a bell


def code_of(soft: torch.Tensor) -> torch.Tensor:
    """What soft tokens [..., WIDTH] of pictures say in the fixed code: [..., codes.SIZE]."""
    return soft @ bases()[0].T / AMPLITUDE


def outside(soft: torch.Tensor, written: torch.Tensor) -> torch.Tensor:
    """How loud soft tokens are outside of what they write in the fixed code, as a loss."""
    return (soft - written * AMPLITUDE @ bases()[0]).pow(2).mean()


def picture_losses(written: torch.Tensor, truths: list[Truth], cells: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    """Losses, not weighted, of what soft tokens say, [batch, tokens, codes.SIZE]; figures beside them begin with "_".

    cells says which tokens of each picture these are, [batch, tokens]; without it they are all.
    """
    wanted = torch.stack([torch.from_numpy(truth.code) for truth in truths])
    positions = torch.zeros(*wanted.shape[:2], codes.POSITIONS)
    for row, truth in enumerate(truths):
        for cell, (_, box) in truth.objects.items():
            positions[row, cell] = torch.from_numpy(box)
    if cells is not None:
        wanted = wanted.gather(1, cells[..., None].expand(-1, -1, codes.SIZE))
        positions = positions.gather(1, cells[..., None].expand(-1, -1, codes.POSITIONS))
    there = wanted[..., codes.OBJECT] > 0
    presence = (written[..., codes.OBJECT] - 0.5) * SHARPNESS * 2
    place = written[..., codes.PLACE].mean(1) * SHARPNESS
    night = (written[..., codes.NIGHT].mean(1) - 0.5) * SHARPNESS * 2
    weight = 1 + 15 * wanted[..., codes.OBJECT, None]
    losses = {
        "object": F.binary_cross_entropy_with_logits(presence, wanted[..., codes.OBJECT]),
        "place": F.cross_entropy(place, wanted[:, 0, codes.PLACE].argmax(1)),
        "night": F.binary_cross_entropy_with_logits(night, wanted[:, 0, codes.NIGHT]),
        "code": ((written - wanted) ** 2 * weight).mean(),
        "_wrong": ((presence > 0) != there).float().sum(1).mean(),  # tokens of a picture
    }
    if there.any():
        losses |= _object_losses(written[there], wanted[there], positions[there])
    return losses


def _object_losses(written: torch.Tensor, wanted: torch.Tensor, positions: torch.Tensor) -> dict[str, torch.Tensor]:
    labels = wanted[:, codes.LABEL].argmax(1)
    guessed = written[:, codes.LABEL]
    size = 2 * len(codes.PERIODS)
    waved = written[:, codes.WAVES].reshape(-1, codes.POSITIONS, size)
    scores = waved @ codes.number_waves().T / codes.WAVE * SHARPNESS
    distance = torch.arange(codes.NUMBERS) - positions[..., None] * (codes.NUMBERS - 1)
    shares = torch.softmax(-0.5 * (distance / NEAR) ** 2, -1)
    off = scores.argmax(-1) - positions * (codes.NUMBERS - 1)
    return {
        "label": F.cross_entropy(guessed * SHARPNESS, labels),
        "numbers": -(shares * scores.log_softmax(-1)).sum(-1).mean(),
        "_right": (guessed.argmax(1) == labels).float().mean(),
        "_off": off.abs().mean(),
    }


def weighted(losses: dict[str, torch.Tensor], weights: dict[str, float]) -> torch.Tensor:
    return sum((losses[name] * weight for name, weight in weights.items() if name in losses), torch.zeros(()))


def sound_scores(soft: torch.Tensor) -> torch.Tensor:
    """Soft tokens [..., WIDTH] of sound -> logits of characters in the fixed code."""
    return soft @ bases()[1].T / AMPLITUDE * SOUND_SHARPNESS


def sound_loss(scores: torch.Tensor, counts: torch.Tensor, texts: list[str]) -> torch.Tensor:
    """CTC loss of logits of characters [batch, time, characters] against the texts as they sound."""
    wanted = [spell(spoken(text)) for text in texts]
    return F.ctc_loss(
        scores.log_softmax(-1).transpose(0, 1),
        torch.tensor([character for text in wanted for character in text], dtype=torch.long),
        counts, torch.tensor([len(text) for text in wanted]), zero_infinity=True,
    )


def answer_loss(logits: torch.Tensor, wanted: torch.Tensor, tasks: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
    """The mean over tasks of the loss of an answer token; and loss and share of right tokens for each task."""
    losses = F.cross_entropy(logits, wanted, reduction="none")
    right = (logits.argmax(1) == wanted).float()
    total, figures = torch.zeros(()), {}
    for task in tasks.unique().tolist():
        chosen = tasks == task
        loss = losses[chosen].mean()
        total = total + loss * TASK_WEIGHTS[task]
        figures |= {f"{TASKS[task]}_loss": loss.item(), f"{TASKS[task]}_right": right[chosen].mean().item()}
    return total, figures
