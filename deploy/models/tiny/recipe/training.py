"""The loop that all stages share: a budget of minutes, a falling rate, a log, a checkpoint now and then."""
import time
from collections.abc import Callable
from pathlib import Path

import torch

import checkpoints
from optimizer import MuonAdam, rate_at

Step = Callable[[float], tuple[torch.Tensor, dict[str, float]]]  # share of the time used -> loss, figures
LONGEST_STEP = 40.0  # seconds; a process that was stopped does not use up its budget
SAVE_EVERY = 120.0


def train(name: str, step: Step, named: list[tuple[str, torch.nn.Parameter]], folder: Path, minutes: float, peak: float,
          share_gradients: Callable[[float], float] | None = None, leader: bool = True) -> None:
    """Trains the named weights and leaves them in folder/NAME.pt.

    share_gradients, when several processes train one model, averages the gradients over them and the seconds
    used, so that all stop at the same step. Only the leader writes.
    """
    optimizer = MuonAdam(named, peak)
    total = minutes * 60
    log = open(folder / f"{name}.log", "a") if leader else None
    last = saved = time.monotonic()
    used, count = 0.0, 0
    means: dict[str, float] = {}
    while used < total:
        loss, figures = step(used / total)
        loss.backward()
        now = time.monotonic()
        used += min(now - last, LONGEST_STEP)
        last = now
        if share_gradients:
            used = share_gradients(used)
        norm = optimizer.step(rate_at(used / total, peak))
        count += 1
        for key, value in (figures | {"loss": loss.item(), "norm": norm}).items():
            means[key] = value if key not in means else 0.95 * means[key] + 0.05 * value
        if log and (count % 20 == 0 or count < 4):
            line = f"{name} {count} {used:.0f}s " + " ".join(f"{key}={value:.3f}" for key, value in means.items())
            print(line, flush=True)
            log.write(line + "\n")
            log.flush()
        if leader and now - saved > SAVE_EVERY:
            checkpoints.save(folder / f"{name}.pt", dict(named), count)
            saved = now
    if log:
        checkpoints.save(folder / f"{name}.pt", dict(named), count)
        log.close()
        print(f"{name}: {count} steps", flush=True)
