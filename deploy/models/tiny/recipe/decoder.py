"""Running the text decoder on prompts with soft tokens: for training, and greedily."""
import torch
from tokenizers import Tokenizer
from transformers import DynamicCache, Gemma4ForConditionalGeneration

from architecture import ControlIds
from chat import Row

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


def answer_logits(model: Gemma4ForConditionalGeneration, rows: list[Row], soft: list[torch.Tensor], ids: ControlIds,
                  both_ways: bool = False) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits [answer tokens, vocabulary], the right tokens, and the task of each.

    both_ways lets the tokens of a picture see each other in both directions, as llama.cpp runs a model of this
    width; a model trained on some of both works in either.
    """
    length = max(len(row.ids) for row in rows)

    def padded(lists: list[list[int]], value: int) -> torch.Tensor:
        return torch.tensor([one + [value] * (length - len(one)) for one in lists])

    tokens = padded([row.ids for row in rows], ids["<pad>"])
    positions = padded([row.positions for row in rows], 0)
    branches = padded([row.branches for row in rows], -1)
    tasks = padded([row.tasks for row in rows], -1)[:, 1:]
    picture = tokens == ids["<|image|>"] if both_ways else None
    embedded, per_layer = _embed(model, tokens, soft, ids)
    decoder = model.model.language_model
    with torch.autocast("cpu", torch.bfloat16):
        hidden = decoder(inputs_embeds=embedded, per_layer_inputs=per_layer, use_cache=False, position_ids=positions,
                         attention_mask=_mask(branches, picture)).last_hidden_state
        counts = tasks >= 0
        logits = (hidden[:, :-1][counts] @ decoder.embed_tokens.weight.T).float()
    return SOFTCAP * torch.tanh(logits / SOFTCAP), tokens[:, 1:][counts], tasks[counts]


def _mask(branches: torch.Tensor, picture: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Who sees whom: what comes before in the same branch or in the shared part; none reaches back further than the window."""
    length = branches.shape[1]
    own, other = branches[:, :, None], branches[:, None, :]
    seen = torch.tril(torch.ones(length, length, dtype=torch.bool)) & ((other == 0) | (other == own))
    if picture is not None:
        seen |= picture[:, :, None] & picture[:, None, :]
    mask = torch.zeros(seen.shape).masked_fill_(~seen, -1e9).bfloat16()[:, None]
    return {"full_attention": mask, "sliding_attention": mask}


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
