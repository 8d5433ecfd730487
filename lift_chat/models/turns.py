"""Turns of a conversation as token ids, by a model's own chat template, and the tokens they end at.

Ends are read off the template, so that a model stops at the very token it was taught to end with,
whatever its own settings say. Knows tokenizers and settings, no words that a model is asked in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Turn = Mapping[str, str]


@dataclass(frozen=True)
class Ends:
    """`turn` is the token that the chat template puts behind what the assistant says, the
    tokenizer's end of text where it puts none. `stop` are those that end a reply: that one, and
    those that the model is set to end at."""

    turn: int
    stop: frozenset[int]

    @classmethod
    def of(cls, model: Any, tokenizer: Any) -> Ends:
        configured = model.generation_config.eos_token_id
        listed = configured if isinstance(configured, list) else [configured]
        stop = frozenset([*listed, tokenizer.eos_token_id]) - {None}
        turn = _end_of_turn(tokenizer, stop)
        return cls(turn, stop | {turn})


def turn_ids(tokenizer: Any, turns: Sequence[Turn], *, generate: bool) -> list[int]:
    """Token ids of a conversation; with `generate` up to where the assistant begins to speak."""
    encoded = tokenizer.apply_chat_template(
        list(turns), add_generation_prompt=generate, enable_thinking=False, return_dict=True
    )
    ids: list[int] = encoded["input_ids"]
    return ids


def _end_of_turn(tokenizer: Any, stop: frozenset[int]) -> int:
    """It is what two answers' conversations have in common at their end: what a template puts
    before an answer may be special tokens too."""
    one, other = (_answered(tokenizer, said) for said in ("Yes", "No"))
    shared = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        shared += 1
    eos: int = tokenizer.eos_token_id
    if shared == len(one):  # no answer is in it
        return eos
    tail = one[len(one) - shared :]
    return next((token for token in tail if token in stop or _special(tokenizer, token)), eos)


def _answered(tokenizer: Any, said: str) -> list[int]:
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": said}]
    return turn_ids(tokenizer, turns, generate=False)


def _special(tokenizer: Any, token: int) -> bool:
    shown, hidden = (tokenizer.decode([token], skip_special_tokens=s) for s in (False, True))
    return bool(shown != hidden)
