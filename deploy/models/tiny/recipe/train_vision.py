"""Teaches the vision tower, alone, to write the code of what is in a picture."""
import numpy as np
import torch

import architecture
import checkpoints
import options
import vocabulary
from codes import truth
from data import DRAWN, Scenes
from losses import BoxHead, picture_losses, weighted
from training import train

BATCH = 8
WEIGHTS = {
    "object": 12, "label": 1, "hundreds": 1, "tens": 0.3, "box": 15, "place": 0.3, "night": 0.3, "code": 4, "rest": 0.2,
}


def main() -> None:
    settings = options.parser(__doc__, minutes=65, peak=2e-3).parse_args()
    model = architecture.build(vocabulary.load(settings.data), seed=1)
    if settings.start:
        checkpoints.load_into(model, settings.start)
    architecture.use_fast_norms()
    box_head = BoxHead()
    named = [(name, weight) for name, weight in model.named_parameters() if "vision_tower" in name or "embed_vision" in name]
    named += [(checkpoints.BOX_HEAD + name, weight) for name, weight in box_head.named_parameters()]
    scenes, rng = Scenes(settings.data, DRAWN), np.random.default_rng(11)

    def step(_: float) -> tuple[torch.Tensor, dict[str, float]]:
        drawn = [scenes.draw(rng) for _ in range(BATCH)]
        values, positions = architecture.patches(np.stack([pixels for pixels, *_ in drawn]))
        values = values * torch.empty(BATCH, 1, 1).uniform_(0.85, 1.15) + torch.empty(BATCH, 1, 1).uniform_(-0.06, 0.06)
        soft = architecture.see(model, values.clamp_(0, 1), positions)
        truths = [truth(things, place, night) for _, things, place, night in drawn]
        losses = picture_losses(soft, truths, box_head)
        return weighted(losses, WEIGHTS), {name.lstrip("_"): value.item() for name, value in losses.items()}

    train("vision", step, named, settings.data, settings.minutes, settings.rate)


if __name__ == "__main__":
    main()
