"""Random bases of known shapes and made-up documents: speed and memory do not care about values.

Every word of the made-up language is one token, so a document of T tokens is also a text of T
words for whatever works on text. Words follow Zipf's law and each other, so that there is
something to learn.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Self

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast, Qwen3Config

from lift_chat.models.device import Device
from lift_chat.models.loading import BaseIdentity, LoadedModel

WORDS = 32_000
"""Words of the language; larger vocabularies have tokens that no document uses."""

_QWEN3 = {"num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151_936}
SHAPES: dict[str, dict[str, Any]] = {
    "toy": {"hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 8},
    "0.6B": {
        **_QWEN3,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "tie_word_embeddings": True,
    },
    "4B": {
        **_QWEN3,
        "hidden_size": 2560,
        "intermediate_size": 9728,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "tie_word_embeddings": True,
    },
    "8B": {
        **_QWEN3,
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "num_hidden_layers": 36,
        "num_attention_heads": 32,
        "tie_word_embeddings": False,
    },
}
"""The toy is a Llama with 8 heads; the others are Qwen3's published shapes."""


@dataclass(frozen=True)
class Base:
    """A loaded base, and its size: parameters of the layers' matrices and of the head."""

    name: str
    loaded: LoadedModel
    layers: int
    head: int

    @classmethod
    def of(cls, name: str, loaded: LoadedModel) -> Self:
        head = loaded.model.get_output_embeddings()
        linear = [m for m in loaded.model.modules() if isinstance(m, torch.nn.Linear)]
        layers = sum(m.weight.numel() for m in linear if m is not head)
        return cls(name, loaded, layers, head.weight.numel())

    @property
    def device(self) -> torch.device:
        return self.loaded.device.torch

    @property
    def operations(self) -> int:
        """FLOP per trained token that no method can save: 4(N + H), adapter and attention
        left out."""
        return 4 * (self.layers + self.head)


def random_base(name: str, device: Device, seed: int) -> Base:
    """A base of the named shape, drawn from `seed` on the device itself."""
    shape = SHAPES[name]
    kind = LlamaConfig if name == "toy" else Qwen3Config
    config = kind(
        **{"vocab_size": WORDS, "num_attention_heads": 8, "num_key_value_heads": 8, **shape},
        max_position_embeddings=40_960,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    torch.manual_seed(seed)
    with device.torch:
        model = AutoModelForCausalLM.from_config(config, dtype=device.dtype)
    loaded = LoadedModel(
        model=model.eval().requires_grad_(False),
        tokenizer=_tokenizer(),
        identity=BaseIdentity(name, "", ""),
        device=device,
        window=2048,
        limit=40_960,
    )
    return Base.of(name, loaded)


def document(tokens: int, seed: int) -> list[int]:
    """Token ids: after each word one of four fixed followers half of the time, else any."""
    draw = random.Random(seed)
    ranks = range(1, WORDS)
    any_word = iter(draw.choices(ranks, [1 / rank for rank in ranks], k=tokens))
    ids: list[int] = []
    for word in any_word:
        follows = ids and draw.random() < 0.5
        ids.append((ids[-1] * 31 + draw.randrange(4) * 977) % (WORDS - 1) + 1 if follows else word)
    return ids


def text_of(ids: list[int]) -> str:
    return " ".join(f"w{word}" for word in ids)


def _tokenizer() -> Any:
    words = {"<end>": 0, **{f"w{word}": word for word in range(1, WORDS)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<end>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>", unk_token="<end>"
    )
