"""Command-line options that all training stages share."""
import argparse
from pathlib import Path

import torch


def parser(description: str | None, minutes: float, peak: float) -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--data", type=Path, required=True, help="folder with data and checkpoints")
    arguments.add_argument("--minutes", type=float, default=minutes, help="time to train (default %(default)s)")
    arguments.add_argument("--rate", type=float, default=peak, help="highest learning rate (default %(default)s)")
    arguments.add_argument("--start", type=Path, help="checkpoint to go on from: a .pt file or a folder with model.safetensors")
    arguments.add_argument("--seed", type=int, default=0, help="another one draws other pictures and questions")
    arguments.add_argument("--compile", action="store_true", help="compile the vision tower first; needs g++")
    arguments.add_argument("--world", type=int, default=1, help="processes that train one model together")
    arguments.add_argument("--rank", type=int, default=0, help="which of them this is, 0 to world - 1")
    torch.set_num_threads(1)  # the stages run side by side, one processor each
    return arguments
