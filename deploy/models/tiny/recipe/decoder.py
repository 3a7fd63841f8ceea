"""Running the text decoder on prompts with soft tokens: for training, and greedily."""
import torch
from tokenizers import Tokenizer
from transformers import DynamicCache, Gemma4ForConditionalGeneration

from architecture import ControlIds
from chat import Sample

SOFTCAP = 30.0


def _embed(model: Gemma4ForConditionalGeneration, tokens: torch.Tensor, soft: list[torch.Tensor],
           ids: ControlIds) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids [batch, length] with soft tokens in their places -> inputs of the decoder.

    The per-layer embedding of a soft token is that of the pad token, as in the reference.
    """
    decoder = model.model.language_model
    places = (tokens == ids["<|image|>"]) | (tokens == ids["<|audio|>"])
    plain = tokens.masked_fill(places, ids["<pad>"])
    embedded = decoder.embed_tokens(plain)
    embedded = embedded.masked_scatter(places[..., None].expand_as(embedded), torch.cat(soft).to(embedded.dtype))
    return embedded, decoder.get_per_layer_inputs(plain)


def answer_logits(model: Gemma4ForConditionalGeneration, samples: list[Sample], soft: list[torch.Tensor], ids: ControlIds,
                  both_ways: bool = False) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits [answer tokens, vocabulary], the right tokens, and which sample each belongs to.

    both_ways lets the tokens of a picture see each other in both directions, as llama.cpp runs a model of this
    width; a model trained on some of both works in either.
    """
    length = max(len(sample.ids) for sample in samples)
    tokens = torch.zeros(len(samples), length, dtype=torch.long)
    wanted = torch.full((len(samples), length), -100)
    for row, sample in enumerate(samples):
        end = len(sample.ids)
        tokens[row, :end] = torch.tensor(sample.ids)
        wanted[row, sample.answer_at : end] = tokens[row, sample.answer_at : end]
    embedded, per_layer = _embed(model, tokens, soft, ids)
    decoder = model.model.language_model
    mask = _picture_mask(tokens, ids) if both_ways else None
    hidden = decoder(inputs_embeds=embedded, per_layer_inputs=per_layer, use_cache=False, attention_mask=mask).last_hidden_state
    counts = wanted[:, 1:] != -100
    rows = torch.arange(len(samples))[:, None].expand_as(counts)[counts]
    logits = hidden[:, :-1][counts] @ decoder.embed_tokens.weight.T
    return SOFTCAP * torch.tanh(logits / SOFTCAP), wanted[:, 1:][counts], rows


def _picture_mask(tokens: torch.Tensor, ids: ControlIds) -> dict[str, torch.Tensor]:
    length = tokens.shape[1]
    picture = tokens == ids["<|image|>"]
    causal = torch.tril(torch.ones(length, length, dtype=torch.bool))[None]
    seen = (causal | (picture[:, :, None] & picture[:, None, :]))[:, None]
    return {"full_attention": seen, "sliding_attention": seen}


@torch.no_grad()
def generate(model: Gemma4ForConditionalGeneration, tokenizer: Tokenizer, ids: ControlIds, prompts: list[list[int]],
             soft: list[torch.Tensor], most: int) -> list[str]:
    """Greedy answers of at most `most` tokens to prompts of one length."""
    decoder = model.model.language_model
    embedded, per_layer = _embed(model, torch.tensor(prompts), soft, ids)
    cache = DynamicCache(config=model.config.text_config)
    hidden = decoder(inputs_embeds=embedded, per_layer_inputs=per_layer, past_key_values=cache, use_cache=True).last_hidden_state
    answers: list[list[int]] = [[] for _ in prompts]
    done = [False] * len(prompts)
    for _ in range(most):
        chosen = (hidden[:, -1] @ decoder.embed_tokens.weight.T).argmax(-1)
        for row, token in enumerate(chosen.tolist()):
            done[row] = done[row] or token in (ids["<turn|>"], ids["<eos>"])
            if not done[row]:
                answers[row].append(token)
        if all(done):
            break
        hidden = decoder(input_ids=chosen[:, None], past_key_values=cache, use_cache=True).last_hidden_state
    return [tokenizer.decode(answer, skip_special_tokens=False) for answer in answers]
