"""What the base says unasked, rehearsed while a document is learned, so that it stays what it is.

A run that sees nothing but one document bends the model's whole language towards it. Beside each
window it therefore meets a little text that the base itself has drawn from nothing, and learns to
go on saying it as the base does (pseudorehearsal, Robins 1995, Connection Science 7 (2); towards
the base's distribution as in study by distillation). It needs no text of anybody and no second
model, and works for any base. Knows nothing of documents.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch

from lift_chat.lift.losses import FrozenHead, Soft
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.samples import Sample
from lift_chat.lift.study.teacher import best_tokens
from lift_chat.lift.train import decoder_of
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.rows import Rows

TEXTS = 32
"""How many are drawn for a run; each window meets others of them in each pass."""

TOKENS = 160
"""Length of each."""


def beside_a_window(config: LiftConfig) -> int:
    """How many texts go beside each window of the document: at least one, or none at all."""
    if not config.rehearsal:
        return 0
    return max(1, round(config.rehearsal * config.segment_tokens / TOKENS))


def remembered(loaded: LoadedModel, seed: int, turn: Turn) -> Generator[int, None, list[Sample]]:
    """Draws `TEXTS` texts from the base; yields the number of tokens that each has so far.

    The same for the same seed on the same device. The device is borrowed for one token at a time.
    """
    drawn = yield from _draw(loaded, seed, turn)
    with torch.no_grad(), turn():
        decoder, head = decoder_of(loaded.model), FrozenHead(loaded.model)
        hidden = decoder(input_ids=drawn, use_cache=False).last_hidden_state
    samples = []
    for row, states in zip(drawn, hidden, strict=True):
        with torch.no_grad(), turn():
            logprobs, tokens, _ = best_tokens(head, states[:-1], row[1:])
        ids = tuple(row.tolist())
        samples.append(Sample(ids, ids, Soft(tokens, logprobs)))
    return samples


@torch.no_grad()
def _draw(loaded: LoadedModel, seed: int, turn: Turn) -> Generator[int, None, torch.Tensor]:
    """(texts, tokens), at temperature 1 from the token that begins a text; none of them ends."""
    device = loaded.device.torch
    draw = torch.Generator(device).manual_seed(seed)
    reading = Rows(loaded.model.eval(), device)
    stop = sorted(loaded.ends.stop)
    ids = torch.full((TEXTS, 1), _first(loaded.tokenizer), device=device)
    while ids.shape[1] <= TOKENS:
        with turn():
            logits = reading.read(ids[:, -1:].tolist()).logits[:, -1].float()
            logits[:, stop] = -torch.inf
            chosen = torch.multinomial(logits.softmax(-1), 1, generator=draw)
            ids = torch.cat([ids, chosen], dim=1)
        yield ids.shape[1] - 1
    return ids


def _first(tokenizer: Any) -> int:
    """What stands before a text in training: some tokenizers name no beginning, only an end."""
    known = (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id)
    return next((token for token in known if token is not None), 0)
