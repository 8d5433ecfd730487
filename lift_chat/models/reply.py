"""Decoding: a generator of text increments; closing it stops the device.

Each step borrows the device through `turn`, so a training run goes on between tokens and a closed
generator leaves nothing running. What a `Prefix` has of the prompt is not read again. Knows token
ids and logits, nothing of documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import LogitsProcessorList
from transformers.generation.logits_process import (
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from lift_chat.models.context import ChatSettings
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prefix import Prefix, read, step

UNFINISHED = "\ufffd"


def decode(
    model: Any,
    loaded: LoadedModel,
    prompt: Sequence[int],
    settings: ChatSettings,
    turn: Turn,
    prefix: Prefix | None = None,
) -> Iterator[str]:
    """Yields text increments of one answer. `model` is the base or a twin with an adapter on it,
    and `prefix` what was read through that model before.

    Greedy at temperature 0; otherwise sampled with the settings' seed, which makes the answer
    repeatable on one device, whatever was kept.
    """
    ids: list[int] = []
    shown = ""
    for token in _tokens(model, loaded, prompt, settings, turn, prefix or Prefix()):
        ids.append(token)
        text = loaded.tokenizer.decode(ids, skip_special_tokens=True)
        if text.endswith(UNFINISHED):  # a character whose bytes are not all there yet
            continue
        if len(text) > len(shown):
            yield text[len(shown) :]
            shown = text


def _tokens(
    model: Any,
    loaded: LoadedModel,
    prompt: Sequence[int],
    settings: ChatSettings,
    turn: Turn,
    prefix: Prefix,
) -> Iterator[int]:
    model.eval()
    stop = loaded.ends.stop
    processors, sample = _processors(settings, len(prompt))
    random = torch.Generator().manual_seed(settings.seed)
    seen = torch.tensor([list(prompt)], device=loaded.device.torch)
    with prefix.lent(settings.applied_strength) as beginning:
        pieces = read(model, loaded, prompt, beginning, turn)
        for _ in range(settings.max_new_tokens):
            with turn():
                logits = step(model, loaded, pieces, beginning)
                scores = processors(seen, logits.float())
                token = _pick(scores, random) if sample else int(scores.argmax())
            if token in stop:
                return
            yield token
            pieces = [[token]]
            seen = torch.cat([seen, torch.tensor([[token]], device=seen.device)], dim=1)


def _processors(settings: ChatSettings, prompt_tokens: int) -> tuple[LogitsProcessorList, bool]:
    """Repetition is punished within the answer only: names of the document must stay quotable."""
    steps: list[Any] = []
    if settings.repetition_penalty > 1:
        steps.append(
            RepetitionPenaltyLogitsProcessor(
                settings.repetition_penalty, prompt_ignore_length=prompt_tokens
            )
        )
    if settings.temperature > 0:
        steps.append(TemperatureLogitsWarper(settings.temperature))
        if settings.top_p < 1:
            steps.append(TopPLogitsWarper(settings.top_p))
    return LogitsProcessorList(steps), settings.temperature > 0


def _pick(scores: torch.Tensor, random: torch.Generator) -> int:
    """Samples on the CPU: the same generator then gives the same draw on every device."""
    return int(torch.multinomial(scores.softmax(-1).cpu(), 1, generator=random))
