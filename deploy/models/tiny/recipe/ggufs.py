"""The weights of our own GGUF files under the names of transformers: how training goes on from a shipped model."""
import re
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize

PROJECTOR = "mmproj-"  # how the name of the towers' file begins
TEXT = {
    "token_embd.weight": "embed_tokens.weight",
    "per_layer_token_embd.weight": "embed_tokens_per_layer.weight",
    "output_norm.weight": "norm.weight",
    "per_layer_model_proj.weight": "per_layer_model_projection.weight",
    "per_layer_proj_norm.weight": "per_layer_projection_norm.weight",
}
TEXT_LAYER = {
    "attn_norm.weight": "input_layernorm.weight",
    "layer_output_scale.weight": "layer_scalar",
    "ffn_down.weight": "mlp.down_proj.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "inp_gate.weight": "per_layer_input_gate.weight",
    "proj.weight": "per_layer_projection.weight",
    "post_attention_norm.weight": "post_attention_layernorm.weight",
    "post_ffw_norm.weight": "post_feedforward_layernorm.weight",
    "post_norm.weight": "post_per_layer_input_norm.weight",
    "ffn_norm.weight": "pre_feedforward_layernorm.weight",
    "attn_k_norm.weight": "self_attn.k_norm.weight",
    "attn_q_norm.weight": "self_attn.q_norm.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
}
VISION_LAYER = {
    "ln1.weight": "input_layernorm.weight",
    "ln2.weight": "pre_feedforward_layernorm.weight",
    "attn_post_norm.weight": "post_attention_layernorm.weight",
    "ffn_post_norm.weight": "post_feedforward_layernorm.weight",
    "attn_k_norm.weight": "self_attn.k_norm.weight",
    "attn_q_norm.weight": "self_attn.q_norm.weight",
    "attn_k": "self_attn.k_proj",
    "attn_q": "self_attn.q_proj",
    "attn_v": "self_attn.v_proj",
    "attn_out": "self_attn.o_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
}
AUDIO_LAYER = {
    "ffn_up": "feed_forward1.ffw_layer_1",
    "ffn_down": "feed_forward1.ffw_layer_2",
    "ffn_norm.weight": "feed_forward1.pre_layer_norm.weight",
    "ffn_post_norm.weight": "feed_forward1.post_layer_norm.weight",
    "ffn_up_1": "feed_forward2.ffw_layer_1",
    "ffn_down_1": "feed_forward2.ffw_layer_2",
    "ffn_norm_1.weight": "feed_forward2.pre_layer_norm.weight",
    "ffn_post_norm_1.weight": "feed_forward2.post_layer_norm.weight",
    "norm_conv.weight": "lconv1d.conv_norm.weight",
    "conv_norm.weight": "lconv1d.pre_layer_norm.weight",
    "conv_dw.weight": "lconv1d.depthwise_conv1d.weight",
    "conv_pw1": "lconv1d.linear_start",
    "conv_pw2": "lconv1d.linear_end",
    "ln2.weight": "norm_out.weight",
    "attn_pre_norm.weight": "norm_pre_attn.weight",
    "attn_post_norm.weight": "norm_post_attn.weight",
    "attn_k": "self_attn.k_proj",
    "attn_q": "self_attn.q_proj",
    "attn_v": "self_attn.v_proj",
    "attn_out": "self_attn.post",
    "attn_k_rel.weight": "self_attn.relative_k_proj.weight",
    "per_dim_scale.weight": "self_attn.per_dim_scale",
}
TOWERS = {
    "v.patch_embd.weight": "vision_tower.patch_embedder.input_proj.weight",
    "v.position_embd.weight": "vision_tower.patch_embedder.position_embedding_table",
    "mm.input_projection.weight": "embed_vision.embedding_projection.weight",
    "mm.a.input_projection.weight": "embed_audio.embedding_projection.weight",
    "a.pre_encode.out.weight": "audio_tower.output_proj.weight",
    "a.pre_encode.out.bias": "audio_tower.output_proj.bias",
    "a.input_projection.weight": "audio_tower.subsample_conv_projection.input_proj_linear.weight",
    "a.conv1d.0.weight": "audio_tower.subsample_conv_projection.layer0.conv.weight",
    "a.conv1d.1.weight": "audio_tower.subsample_conv_projection.layer1.conv.weight",
    "a.conv1d.0.norm.weight": "audio_tower.subsample_conv_projection.layer0.norm.weight",
    "a.conv1d.1.norm.weight": "audio_tower.subsample_conv_projection.layer1.norm.weight",
}
LAYERS = {
    "": ("language_model.layers", TEXT_LAYER),
    "v.": ("vision_tower.encoder.layers", VISION_LAYER),
    "a.": ("audio_tower.layers", AUDIO_LAYER),
}
MADE_ON_LOADING = "rope_freqs.weight"  # not trained


def read(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the pair of GGUF files in a folder, as float32; clip bounds are left out."""
    weights: dict[str, torch.Tensor] = {}
    for path in sorted(folder.glob("*.gguf")):
        for tensor in GGUFReader(path).tensors:
            if tensor.name == MADE_ON_LOADING or tensor.name.endswith(("_min", "_max")):
                continue
            name = _name(tensor.name)
            values = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type), np.float32))
            weights[f"model.{name}"] = _arranged(name, values)
    if not weights:
        raise FileNotFoundError(f"{folder} has no GGUF files")
    return weights


def _name(name: str) -> str:
    if name in TEXT:
        return "language_model." + TEXT[name]
    if name in TOWERS:
        return TOWERS[name]
    found = re.fullmatch(r"(|v\.|a\.)blk\.(\d+)\.(.+)", name)
    if not found:
        raise ValueError(f"the GGUF file has a tensor {name}, which this recipe does not make")
    where, names = LAYERS[found[1]]
    part = names.get(found[3])
    if part is None:  # of a clipped linear
        part = names[found[3].removesuffix(".weight")] + ".linear.weight"
    return f"{where}.{found[2]}.{part}"


def _arranged(name: str, values: torch.Tensor) -> torch.Tensor:
    """From the order of llama.cpp's converter to that of transformers."""
    if name.endswith("patch_embedder.input_proj.weight"):  # [width, channel, y, x]
        return values.permute(0, 2, 3, 1).flatten(1).contiguous()
    if name.endswith("depthwise_conv1d.weight"):
        return values.unsqueeze(1)
    if name.endswith("per_dim_scale"):  # stored after its softplus
        return values.double().expm1().log().float()
    return values
