"""The vision tower, run for training: bfloat16 multiplications, and only those parts of a picture that are wanted.

The same function of the same weights as transformers' tower (architecture.see), up to rounding. On a processor
with AVX512-BF16 it takes a third of the time.
"""
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from transformers import Gemma4ForConditionalGeneration

from architecture import PATCH, POOL
from norms import rms_norm

HALF = torch.bfloat16
EPSILON = 1e-6  # of the norms


class _Attend(torch.autograd.Function):
    """softmax(q k') v, one picture at a time so that its scores stay in the cache; scale 1."""

    @staticmethod
    def forward(ctx, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        shares, outputs = [], []
        for one_q, one_k, one_v in zip(q, k, v):
            share = torch.bmm(one_q, one_k.transpose(1, 2)).softmax(-1)
            shares.append(share)
            outputs.append(torch.bmm(share, one_v))
        ctx.save_for_backward(q, k, v)
        ctx.shares = shares
        return torch.stack(outputs)

    @staticmethod
    def backward(ctx, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        q, k, v = ctx.saved_tensors
        grads = [[], [], []]
        for one_q, one_k, one_v, share, one_grad in zip(q, k, v, ctx.shares, grad):
            grads[2].append(torch.bmm(share.transpose(1, 2), one_grad))
            flow = torch.bmm(one_grad, one_v.transpose(1, 2))
            flow = torch._softmax_backward_data(flow, share, -1, share.dtype)
            grads[0].append(torch.bmm(flow, one_k))
            grads[1].append(torch.bmm(flow.transpose(1, 2), one_q))
        return torch.stack(grads[0]), torch.stack(grads[1]), torch.stack(grads[2])


def _norm(x: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    return rms_norm(x, weight, EPSILON)


def _turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions of the two axes: x [batch, heads, patches, size], cos and sin [batch, 1, patches, size]."""
    first, second, third, fourth = x.chunk(4, -1)
    return (x * cos + torch.cat((-second, first, -fourth, third), -1) * sin).to(HALF)


class _Weights(NamedTuple):
    """Of one layer."""

    attend_norm: torch.Tensor
    query_key_value: torch.Tensor
    query_norm: torch.Tensor
    key_norm: torch.Tensor
    attended: torch.Tensor
    attended_norm: torch.Tensor
    think_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor
    thought_norm: torch.Tensor


def _weights(layer: torch.nn.Module) -> _Weights:
    attention, mlp = layer.self_attn, layer.mlp
    return _Weights(
        layer.input_layernorm.weight,
        torch.cat([part.linear.weight for part in (attention.q_proj, attention.k_proj, attention.v_proj)]),
        attention.q_norm.weight, attention.k_norm.weight, attention.o_proj.linear.weight,
        layer.post_attention_layernorm.weight, layer.pre_feedforward_layernorm.weight,
        torch.cat([mlp.gate_proj.linear.weight, mlp.up_proj.linear.weight]), mlp.down_proj.linear.weight,
        layer.post_feedforward_layernorm.weight,
    )


def _ask(hidden: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, w: _Weights) -> tuple[torch.Tensor, ...]:
    """The first part of a layer: queries, keys and values, [batch, heads, patches, size]."""
    batch, count, _ = hidden.shape
    size = len(w.query_norm)
    parts = F.linear(_norm(hidden, w.attend_norm).to(HALF), w.query_key_value.to(HALF)).chunk(3, -1)
    q, k, v = (part.view(batch, count, -1, size).transpose(1, 2) for part in parts)
    return _turn(_norm(q, w.query_norm), cos, sin), _turn(_norm(k, w.key_norm), cos, sin), _norm(v, None).to(HALF)


def _think(hidden: torch.Tensor, mixed: torch.Tensor, w: _Weights) -> torch.Tensor:
    """The rest of a layer; mixed: what attention gave, [batch, heads, patches, size]."""
    mixed = mixed.transpose(1, 2).reshape(*hidden.shape[:2], -1)
    hidden = hidden + _norm(F.linear(mixed, w.attended.to(HALF)), w.attended_norm)
    gate, up = F.linear(_norm(hidden, w.think_norm).to(HALF), w.gate_up.to(HALF)).chunk(2, -1)
    inner = F.gelu(gate, approximate="tanh") * up
    return hidden + _norm(F.linear(inner, w.down.to(HALF)), w.thought_norm)


@lru_cache(maxsize=1)
def _parts(compiled: bool) -> tuple[Callable, Callable]:
    return (torch.compile(_ask), torch.compile(_think)) if compiled else (_ask, _think)


def look(model: Gemma4ForConditionalGeneration, values: torch.Tensor, positions: torch.Tensor,
         compiled: bool = False) -> list[torch.Tensor]:
    """Patches [batch, patches, 768] in 0..1 and their x, y -> hidden values after each layer, [batch, patches, width].

    compiled takes a third less time, after a minute for the first shape and the second; it needs g++.
    """
    tower = model.model.vision_tower
    embedder = tower.patch_embedder
    table = embedder.position_embedding_table
    hidden = F.linear((2 * values - 1).to(HALF), embedder.input_proj.weight.to(HALF)).float()
    hidden = hidden + F.embedding(positions[..., 0], table[0]) + F.embedding(positions[..., 1], table[1])
    cos, sin = (part.unsqueeze(1) for part in tower.encoder.rotary_emb(hidden, positions))
    ask, think = _parts(compiled)
    seen = []
    for layer in tower.encoder.layers:
        weights = _weights(layer)
        hidden = think(hidden, _Attend.apply(*ask(hidden, cos, sin, weights)), weights)
        seen.append(hidden)
    return seen


def pool(model: Gemma4ForConditionalGeneration, hidden: torch.Tensor) -> torch.Tensor:
    """Hidden values, the patches of each cell one after the other -> soft tokens [batch, cells, width of the decoder]."""
    batch, count, width = hidden.shape
    cells = hidden.view(batch, count // POOL**2, POOL**2, width).mean(2) * width**0.5
    return model.model.embed_vision(inputs_embeds=cells)


def by_cell(pixels: torch.Tensor) -> torch.Tensor:
    """[batch, height, width, 3] uint8 -> [batch, cells, 9, 768] uint8: cells row by row, in each its patches row by row."""
    batch, height, width, _ = pixels.shape
    side = PATCH * POOL
    cut = pixels.view(batch, height // side, POOL, PATCH, width // side, POOL, PATCH, 3).permute(0, 1, 4, 2, 5, 3, 6, 7)
    return cut.reshape(batch, -1, POOL * POOL, PATCH * PATCH * 3)


def cell_positions(rows: int, columns: int) -> torch.Tensor:
    """x, y of the patches in the order of by_cell: [cells, 9, 2]."""
    y, x = torch.meshgrid(torch.arange(rows * POOL), torch.arange(columns * POOL), indexing="ij")
    both = torch.stack([x, y], -1).view(rows, POOL, columns, POOL, 2).permute(0, 2, 1, 3, 4)
    return both.reshape(rows * columns, POOL * POOL, 2)
