"""Where an answer came from, token by token: how much likelier the adapter makes it than the base;
and, of a gated memory, which heads opened theirs for it.

The answer is read once by each of the two behind the same prompt (teacher forcing), so the
difference is that of the weights alone: about 0 where the base knew it or could copy it from its
window, positive where it was learned. The window's share shows in neither. Knows token ids and
texts, nothing of documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lift_chat.adapters.gated_memory import GateRecord, record_gates
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

ROWS = 256
"""Tokens whose probabilities are worked out at a time: a row is as wide as the vocabulary."""


@dataclass(frozen=True)
class LayerGates:
    """Decoder layer `layer`, from 0: for each of its heads the mean gate, in 0..1, over the places
    where the answer's tokens were chosen."""

    layer: int
    heads: list[float]


@dataclass(frozen=True)
class TintedToken:
    """A piece of the answer. `gain` is log p with the adapter - log p without, in nats; `gate` the
    mean opening of the memory where the token was chosen, in 0..1, None without gates.

    The texts together are the answer; a character made of several tokens is one piece.
    """

    text: str
    gain: float
    gate: float | None = None


@dataclass(frozen=True)
class Tint:
    """The pieces of an answer, and the gates behind them from the first layer to the last; `gates`
    is empty for an adapter without any."""

    tokens: list[TintedToken]
    gates: list[LayerGates]


def tint(adapted: Any, loaded: LoadedModel, prompt: Sequence[int], answer: str, turn: Turn) -> Tint:
    """The tint of `answer` to the token ids `prompt`; without tokens for an empty answer. `adapted`
    is a tree with an adapter over the base of `loaded`."""
    encoded = loaded.tokenizer(answer, add_special_tokens=False, return_offsets_mapping=True)
    told: list[int] = encoded["input_ids"]
    if not told:
        return Tint([], [])
    ids = torch.tensor([[*prompt, *told]], device=loaded.device.torch)
    with turn(), record_gates(adapted) as record:
        with_adapter = _log_probs(adapted, ids, len(told))
    with turn():
        without = _log_probs(loaded.model, ids, len(told))
    gains = (with_adapter - without).tolist()
    ends = [end for _, end in encoded["offset_mapping"]]
    gates = _gates(record, len(told))
    if gates is None:
        return Tint(_pieces(answer, ends, gains, None), [])
    heads = zip(record.layers, gates.mean(2).tolist(), strict=True)
    pieces = _pieces(answer, ends, gains, gates.mean((0, 1)).tolist())
    return Tint(pieces, [LayerGates(layer, means) for layer, means in heads])


def _gates(record: GateRecord, last: int) -> torch.Tensor | None:
    """(layers, heads, last) at the places where the `last` tokens were chosen, each the one before
    its token; None for an adapter without gates, or with all of them shut off."""
    for gates in record.forwards() if record.layers else ():
        return gates[:, :, -last - 1 : -1]
    return None


@torch.no_grad()
def _log_probs(model: Any, ids: torch.Tensor, last: int) -> torch.Tensor:
    """log p of each of the `last` tokens given all before it, (last,), on the CPU."""
    model.eval()
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=last + 1).logits[0, :-1]
    wanted = ids[0, -last:]
    rows = [
        part.float().log_softmax(-1).gather(-1, targets[:, None])[:, 0]
        for part, targets in zip(torch.split(logits, ROWS), torch.split(wanted, ROWS), strict=True)
    ]
    return torch.cat(rows).cpu()


def _pieces(
    answer: str, ends: Sequence[int], gains: Sequence[float], gates: Sequence[float] | None
) -> list[TintedToken]:
    """One piece per token that ends beyond the one before; the others are parts of its character,
    and the probability of a character is the product of its tokens'."""
    pieces: list[TintedToken] = []
    start = 0
    for place, end in enumerate(ends):
        gate = gates[place] if gates is not None else None
        if end > start or not pieces:
            pieces.append(TintedToken(answer[start:end], gains[place], gate))
            start = max(start, end)
        else:
            pieces[-1] = TintedToken(pieces[-1].text, pieces[-1].gain + gains[place], gate)
    last = pieces[-1]
    pieces[-1] = TintedToken(last.text + answer[start:], last.gain, last.gate)
    return pieces
