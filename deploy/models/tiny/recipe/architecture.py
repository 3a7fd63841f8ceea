"""The shape of the model, how its weights start, and running its two towers."""
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import Gemma4Config, Gemma4ForConditionalGeneration
from transformers.models.gemma4.configuration_gemma4 import Gemma4AudioConfig, Gemma4TextConfig, Gemma4VisionConfig
from transformers.models.gemma4.feature_extraction_gemma4 import Gemma4AudioFeatureExtractor
from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size

from vocabulary import CONTROL

WIDTH = 192  # of the text decoder, and so of every soft token
SIGHT_HEAD = 32  # width of a head of the vision tower
PATCH, POOL = 16, 3
SOFT_TOKENS = 70  # most for a picture
FRAME_WIDTH, FRAME_HEIGHT = 432, 336  # what 640x480 becomes at 70 soft tokens
GRID_WIDTH, GRID_HEIGHT = FRAME_WIDTH // (PATCH * POOL), FRAME_HEIGHT // (PATCH * POOL)
FRAME_TOKENS = GRID_WIDTH * GRID_HEIGHT  # 63
MELS = 128

ControlIds = dict[str, int]


class Sight(NamedTuple):
    """The size of the vision tower."""

    width: int
    layers: int


SIGHT = Sight(192, 4)  # from nothing, and what smaller ones are grown to


def configuration(vocabulary_size: int, ids: ControlIds, clipped: bool, sight: Sight = SIGHT) -> Gemma4Config:
    """clipped: with the bounds beside every tower weight that the published models have."""
    text = Gemma4TextConfig(
        vocab_size=vocabulary_size, vocab_size_per_layer_input=vocabulary_size, hidden_size=WIDTH, intermediate_size=256,
        num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2, head_dim=32, global_head_dim=64,
        hidden_size_per_layer_input=32, num_kv_shared_layers=3, use_double_wide_mlp=True, sliding_window=512,
        final_logit_softcapping=30.0, layer_types=["sliding_attention", "sliding_attention", "full_attention"] * 2,
        max_position_embeddings=4096, pad_token_id=0, eos_token_id=[1, ids["<turn|>"]], bos_token_id=2,
    )
    vision = Gemma4VisionConfig(
        hidden_size=sight.width, intermediate_size=2 * sight.width, num_hidden_layers=sight.layers,
        num_attention_heads=sight.width // SIGHT_HEAD, num_key_value_heads=sight.width // SIGHT_HEAD, head_dim=SIGHT_HEAD,
        position_embedding_size=256, use_clipped_linears=clipped,
    )
    audio = Gemma4AudioConfig(
        hidden_size=128, num_hidden_layers=4, num_attention_heads=4, subsampling_conv_channels=[128, 16],
        output_proj_dims=WIDTH, use_clipped_linears=clipped,
    )
    return Gemma4Config(
        text_config=text, vision_config=vision, audio_config=audio, boi_token_id=ids["<|image>"],
        eoi_token_id=ids["<image|>"], image_token_id=ids["<|image|>"], video_token_id=ids["<|video|>"],
        boa_token_id=ids["<|audio>"], eoa_token_index=ids["<audio|>"], audio_token_id=ids["<|audio|>"],
    )


def control_ids(tokenizer: Tokenizer) -> ControlIds:
    return {token: tokenizer.token_to_id(token) for token in CONTROL}


def build(tokenizer: Tokenizer, clipped: bool = False, seed: int = 0, sight: Sight = SIGHT) -> Gemma4ForConditionalGeneration:
    """A model with fresh weights, float32."""
    torch.manual_seed(seed)
    config = configuration(tokenizer.get_vocab_size(), control_ids(tokenizer), clipped, sight)
    model = Gemma4ForConditionalGeneration(config).float()
    model.model.language_model.set_attn_implementation("eager")  # a fifth faster than the fused one at these lengths
    with torch.no_grad():
        for name, weight in model.named_parameters():
            _start(name, weight)
    return model


def _start(name: str, weight: torch.Tensor) -> None:
    """Overwrites one weight with its starting value."""
    if "position_embedding_table" in name:
        weight.normal_(0, 0.02)
    elif "embed_tokens_per_layer" in name:
        weight.normal_(0, 0.5 * 32**-0.5)
    elif "embed_tokens" in name:
        weight.normal_(0, 0.5 * WIDTH**-0.5)
    elif "conv.weight" in name or "depthwise" in name:
        weight.normal_(0, (1.5 / weight[0].numel()) ** 0.5)
    elif weight.ndim == 2:
        weight.normal_(0, 0.8 * weight.shape[1] ** -0.5)
    elif name.endswith(("q_norm.weight", "k_norm.weight")):
        weight.fill_(weight.numel() ** -0.25)  # attention scales by 1: norms of 1 would begin with saturated softmaxes
    elif "language_model" in name and ".post_" in name:
        weight.fill_(0.15)  # quiet branches at the start, or the soft tokens drown


def resize(picture: Image.Image, soft_tokens: int = SOFT_TOKENS) -> np.ndarray:
    """A picture as the image processor hands it to the vision tower: [height, width, 3] uint8."""
    most = soft_tokens * POOL * POOL
    height, width = get_aspect_ratio_preserving_size(picture.height, picture.width, PATCH, most, POOL)
    picture = picture.convert("RGB")
    return np.asarray(picture if picture.size == (width, height) else picture.resize((width, height), Image.BICUBIC))


def patches(pixels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """[batch, height, width, 3] uint8 -> patches [batch, count, 768] in 0..1 and their x, y [batch, count, 2]."""
    batch, height, width, _ = pixels.shape
    rows, columns = height // PATCH, width // PATCH
    cut = torch.from_numpy(pixels).view(batch, rows, PATCH, columns, PATCH, 3).permute(0, 1, 3, 2, 4, 5)
    values = cut.reshape(batch, rows * columns, PATCH * PATCH * 3).float().div_(255)
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    positions = torch.stack([x, y], -1).reshape(1, -1, 2).expand(batch, -1, 2).contiguous()
    return values, positions


def see(model: Gemma4ForConditionalGeneration, values: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Patches -> soft tokens [batch, tokens, WIDTH]."""
    hidden = model.model.vision_tower(pixel_values=values, pixel_position_ids=positions).last_hidden_state
    return model.model.embed_vision(inputs_embeds=hidden).view(len(values), -1, WIDTH)


@lru_cache(maxsize=1)
def _extractor() -> Gemma4AudioFeatureExtractor:
    return Gemma4AudioFeatureExtractor()


def mel(samples: np.ndarray) -> np.ndarray:
    """Samples in -1..1 -> log mel frames [time, MELS], by the official extractor."""
    frames, _ = _extractor()._extract_spectrogram(np.asarray(samples, np.float32)[None], np.ones(len(samples), np.int64))
    return frames.astype(np.float32)


def hear(model: Gemma4ForConditionalGeneration, batch: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples of several clips -> soft tokens [batch, time, WIDTH] and how many of them count, [batch]."""
    spectra = [mel(samples) for samples in batch]
    longest = (max(map(len, spectra)) + 3) // 4 * 4
    frames = torch.zeros(len(batch), longest, MELS)
    mask = torch.zeros(len(batch), longest, dtype=torch.bool)
    for i, spectrum in enumerate(spectra):
        frames[i, : len(spectrum)] = torch.from_numpy(spectrum)
        mask[i, : len(spectrum)] = True
    output = model.model.audio_tower(frames, mask)
    return model.model.embed_audio(inputs_embeds=output.last_hidden_state), output.attention_mask.sum(1)


def hear_one(model: Gemma4ForConditionalGeneration, samples: np.ndarray) -> torch.Tensor:
    """Samples of one clip, not padded -> soft tokens [time, WIDTH]."""
    frames = torch.from_numpy(mel(samples))[None]
    output = model.model.audio_tower(frames, torch.ones(frames.shape[:2], dtype=torch.bool))
    return model.model.embed_audio(inputs_embeds=output.last_hidden_state)[0]
