"""The tokenizer: byte-fallback BPE as Gemma 4's, with 1152 tokens learned from our own strings."""
import json
import random
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from words import (
    CAPTION_PROMPTS, DETECT_SOME_PROMPTS, DETECT_PROMPTS, LABELS, PLACES, TRANSCRIBE_PROMPTS, boxes_json, caption, command,
)

CONTROL = [
    "<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>",
    "<|tool_response>", "<tool_response|>", '<|"|>', "<|think|>", "<|channel>", "<channel|>", "<|turn>", "<turn|>",
    "<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>",
]
NAMED = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
SIZE = 1280  # upper bound of what is learned; the strings give fewer
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?\"'()[]{}-_/+*=<>%#@&$|\\^~`▁\n"
# For learning only: digits stay single, newlines never merge, the glue of the JSON answers becomes whole
# tokens, and words keep the space in front of them.
SPLIT = r'\{"box_2d":▁\[|\],▁"label":▁"|"\},▁|"\}\]|,▁(?=[0-9])|▁?[A-Za-z\']+|[0-9]|\n+|▁|[^A-Za-z0-9▁\n]'


def _corpus() -> list[str]:
    rng = random.Random(0)
    lines = [command(rng) for _ in range(6000)]
    things = [(label, (rng.random(), rng.random(), rng.random(), rng.random())) for label in LABELS * 40]
    for _ in range(3000):
        chosen = rng.sample(things, rng.randint(0, 4))
        lines += [boxes_json(chosen), caption(chosen, rng.choice(list(PLACES)), rng.random() < 0.3)]
    asked_for = [prompt.format(label) for prompt in DETECT_SOME_PROMPTS for label in LABELS]
    for prompt in CAPTION_PROMPTS + DETECT_PROMPTS + TRANSCRIBE_PROMPTS + asked_for:
        lines += [prompt] * 60
    lines += ["user\n", "model\n", "system\n", "thought\n", "developer\n"] * 100
    lines += [
        "You are a helpful assistant.", "I do not know.", "Hello! How can I help you?",
        "The quick brown fox jumps over the lazy dog.", "Temperature is 21.5 degrees; humidity 40%.",
    ] * 20
    return lines


def _learn() -> dict:
    """Learns the merges; returns the tokenizer as the dictionary of its JSON."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(SPLIT), "isolated")
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=SIZE, special_tokens=CONTROL + bytes_, show_progress=False, min_frequency=2,
                                  initial_alphabet=list(ALPHABET))
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    learned = json.loads(tokenizer.to_str())
    learned["added_tokens"] = [token | {"special": True} for token in learned["added_tokens"]
                               if not token["content"].startswith("<0x")]
    return learned


def _fill(vocabulary: dict[str, int]) -> None:
    """Rounds the size up to a multiple of 32, the block of Q8_0."""
    while len(vocabulary) % 32:
        vocabulary[f"<unused{len(vocabulary)}>"] = len(vocabulary)


def _add_box_numbers(learned: dict) -> None:
    """0, 10 ... 1000, which is what boxes are rounded to, become single tokens by ordinary merges."""
    vocabulary, merges = learned["model"]["vocab"], learned["model"]["merges"]

    def merge(left: str, right: str) -> None:
        merges.append([left, right] if isinstance(merges[0], list) else f"{left} {right}")
        vocabulary[left + right] = len(vocabulary)

    digits = "0123456789"
    for tens in digits:
        merge(tens, "0")
    for hundreds in digits[1:]:
        for tens in digits:
            merge(hundreds, f"{tens}0")
    merge("10", "00")


def build(folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json."""
    learned = _learn()
    _fill(learned["model"]["vocab"])
    _add_box_numbers(learned)
    _fill(learned["model"]["vocab"])
    tokenizer = Tokenizer.from_str(json.dumps(learned))
    others = [token for token in CONTROL if token not in NAMED.values()]
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, additional_special_tokens=others, **NAMED).save_pretrained(folder)


def load(data: Path) -> Tokenizer:
    """The tokenizer of a data folder; built on first use."""
    folder = data / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        build(folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))
