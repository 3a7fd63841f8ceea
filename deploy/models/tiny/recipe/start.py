"""How the vision tower and the text decoder start, so that they need not find out by chance what to look at.

The tower sees colours and edges, and looks around each patch, before it has
learned anything: patches begin as their principal components. Most heads begin with a fixed
direction in query and key, so that rotary positions alone make them look at a
place beside the patch, as a convolution does; the others look widely. All of
it is trained on. From noise, the same tower needs many times the pictures to
find out that patches have neighbours.
"""
import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import Gemma4ForConditionalGeneration

import codes
from architecture import GRID_HEIGHT, GRID_WIDTH, POOL, WIDTH
from codes import bases

COMPONENTS = 160
CONSTANT = 0  # the channel that is 1 everywhere; position embeddings put it there
WHERE = 0.5  # of the waves of a patch's own position
STEADY = 1.5  # of query and key: the fixed direction beside 0.8 of what is seen
HEAD_NORM = 0.87  # its square times the size of a head is the steepness of where a head looks
REACH = (1.0, 2.0, 3.0, 2.0)  # patches, for each layer
WIDE = 4  # of 8 frequencies for an axis, those from here on make a head look widely
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (0, 0), None)  # None looks widely


NUMBER_SHARE = 1.0  # of the waves in the embedding of a number, beside its usual length
TEXT_SHARE = 4.0  # of the direction that embeddings of text have in common, beside unit length
ASKING, SAYING = 0.8, 1.2  # of query and key along it, and along what says something


@torch.no_grad()
def begin_text(model: Gemma4ForConditionalGeneration) -> None:
    """Sets the decoder's weights; those of a fresh model are expected."""
    pictures, sound = bases()
    saying = pictures[codes.OBJECT] + sound[1:].sum(0)
    random = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(123))
    text = torch.linalg.qr(random)[0][codes.SIZE + len(codes.CHARACTERS)]  # a row that no code uses
    decoder = model.model.language_model
    decoder.embed_tokens.weight[1:] += text * TEXT_SHARE / WIDTH**0.5
    for layer in decoder.layers:
        attention = layer.self_attn
        slow = attention.q_norm.weight.numel() // 2 - 1
        attention.q_proj.weight[slow :: 2 * slow + 2] = text * ASKING
        if getattr(attention, "k_proj", None) is not None:  # the last layers use the keys of others
            attention.k_proj.weight[slow :: 2 * slow + 2] = saying * SAYING


@torch.no_grad()
def begin_numbers(model: Gemma4ForConditionalGeneration, tokenizer: Tokenizer) -> None:
    """Adds the waves of 0, 10 ... 1000 to the embeddings of these tokens."""
    table = model.model.language_model.embed_tokens.weight
    tokens = [tokenizer.token_to_id(str(10 * number)) for number in range(codes.NUMBERS)]
    spread = codes.number_waves() @ bases()[0][codes.SAID]
    table[tokens] += spread * NUMBER_SHARE * table[tokens].norm(dim=1, keepdim=True) / spread.norm(dim=1, keepdim=True)


@torch.no_grad()
def begin_sight(model: Gemma4ForConditionalGeneration, patches: np.ndarray) -> None:
    """Sets the vision tower's weights; patches: a sample of pictures' patches [count, 768] in 0..1."""
    tower = model.model.vision_tower
    _components(tower.patch_embedder.input_proj.weight, 2 * torch.from_numpy(patches).float() - 1)
    table = tower.patch_embedder.position_embedding_table
    table.normal_(0, 0.02)
    table[:, :, CONSTANT] = 0.5  # of x and of y, so 1 together
    begin_positions(model)
    frequencies = tower.encoder.rotary_emb.inv_freq
    for layer, reach in zip(tower.encoder.layers, REACH):
        attention = layer.self_attn
        attention.q_norm.weight.fill_(HEAD_NORM)
        attention.k_norm.weight.fill_(HEAD_NORM)
        layer.post_attention_layernorm.weight.fill_(0.5)
        layer.post_feedforward_layernorm.weight.fill_(0.5)
        size = attention.head_dim
        for head, side in enumerate(SIDES):
            rows = slice(head * size, (head + 1) * size)
            query, key = _directions(frequencies, side, reach)
            attention.q_proj.linear.weight[rows, CONSTANT] = STEADY * query
            attention.k_proj.linear.weight[rows, CONSTANT] = STEADY * key


@torch.no_grad()
def begin_positions(model: Gemma4ForConditionalGeneration) -> None:
    """Lets the position embeddings say where a patch is in the waves in which the tower must say where a thing is."""
    table = model.model.vision_tower.patch_embedder.position_embedding_table
    middles = np.arange(table.shape[1]) + 0.5
    size = 2 * len(codes.PERIODS)
    for axis, patches in enumerate((GRID_WIDTH * POOL, GRID_HEIGHT * POOL)):
        channels = slice(CONSTANT + 1 + axis * size, CONSTANT + 1 + (axis + 1) * size)
        table[axis, :, channels] += WHERE * torch.from_numpy(codes.waves(middles / patches))


def _components(weight: torch.Tensor, patches: torch.Tensor) -> None:
    variance, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    largest = torch.arange(len(variance) - 1, len(variance) - 1 - COMPONENTS, -1)
    scale = (variance[largest] + 0.02 * variance[largest].mean()).rsqrt()
    weight.normal_(0, 0.02)
    weight[len(weight) - COMPONENTS :] = directions[:, largest].T * scale[:, None]
    weight[CONSTANT] = 0


def _directions(frequencies: torch.Tensor, side: tuple[int, int] | None, reach: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Query and key of a head: x and y, each of the halves that rotary positions turn into each other."""
    ones = torch.ones_like(frequencies)
    if side is None:
        ones[:WIDE] = 0
        ones *= 2**0.5
        side = (0, 0)
    query, key = [], []
    for step in side:
        turn = frequencies * step * reach
        query += [ones * turn.cos(), ones * turn.sin()]
        key += [ones, torch.zeros_like(ones)]
    return torch.cat(query), torch.cat(key)
