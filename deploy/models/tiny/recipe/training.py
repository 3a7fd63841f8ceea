"""The loop that all stages share: a budget of minutes, a falling rate, a log, a checkpoint now and then."""
import argparse
import datetime
import time
from collections.abc import Callable

import torch
import torch.distributed as distributed

import checkpoints
from optimizer import MuonAdam, rate_at

Step = Callable[[float], tuple[torch.Tensor, dict[str, float]]]  # share of the time used -> loss, figures
Named = list[tuple[str, torch.nn.Parameter]]
LONGEST_STEP = 40.0  # seconds; a process that was stopped does not use up its budget
SAVE_EVERY = 120.0
MEET_EVERY = 10  # steps that processes which train one model go alone before they average their weights
LOG_EVERY = 20


def train(name: str, step: Step, named: Named, settings: argparse.Namespace) -> None:
    """Trains the named weights for settings.minutes and leaves them in NAME.pt of the folder settings.data.

    Those that want no gradient are only written.

    With settings.world above 1 several processes do so, each on its own pictures and sounds, and meet every few
    steps. Only the one of rank 0 writes.
    """
    leader, world = settings.rank == 0, settings.world
    if world > 1:
        meeting = (settings.data / f".meeting-{name}").absolute()
        distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=settings.rank, world_size=world,
                                       timeout=datetime.timedelta(hours=2))
    optimizer = MuonAdam(((key, weight) for key, weight in named if weight.requires_grad), settings.rate)
    total = settings.minutes * 60
    log = open(settings.data / f"{name}.log", "a") if leader else None
    last = saved = time.monotonic()
    used, count = 0.0, 0
    means: dict[str, float] = {}
    while used < total or (world > 1 and count % MEET_EVERY):
        loss, figures = step(min(1.0, used / total))
        loss.backward()
        norm = optimizer.step(rate_at(used / total, settings.rate))
        now = time.monotonic()
        used += min(now - last, LONGEST_STEP)
        last = now
        count += 1
        if world > 1 and count % MEET_EVERY == 0:
            used = _meet(named, used, world)
        for key, value in (figures | {"loss": loss.item(), "norm": norm}).items():
            means[key] = value if key not in means else 0.95 * means[key] + 0.05 * value
        if log and (count % LOG_EVERY == 0 or count < 4):
            line = f"{name} {count} {used:.0f}s " + " ".join(f"{key}={value:.3f}" for key, value in means.items())
            print(line, flush=True)
            log.write(line + "\n")
            log.flush()
        if leader and now - saved > SAVE_EVERY:
            checkpoints.save(settings.data / f"{name}.pt", dict(named), count)
            saved = now
    if log:
        checkpoints.save(settings.data / f"{name}.pt", dict(named), count)
        log.close()
        print(f"{name}: {count} steps", flush=True)
    if world > 1:
        distributed.destroy_process_group()


@torch.no_grad()
def _meet(named: Named, used: float, world: int) -> float:
    """Averages the weights over all processes; returns the average of the seconds used, so that all stop together."""
    flat = torch.cat([weight.reshape(-1) for _, weight in named] + [torch.tensor([used])])
    distributed.all_reduce(flat)
    flat /= world
    pieces = flat[:-1].split([weight.numel() for _, weight in named])
    for piece, (_, weight) in zip(pieces, named):
        weight.copy_(piece.view_as(weight))
    return float(flat[-1])
