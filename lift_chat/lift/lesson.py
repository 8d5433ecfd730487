"""One document, one recipe, one run: from text to a trained adapter, as a generator.

Measures the loss on the document, trains in slices with checkpoints between them, measures
again. Knows nothing of the library or of jobs: it is given a folder for its checkpoints, and its
adapter is fetched from `adapted` when it is done (or left early, to keep what was learned).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import torch

from lift_chat.adapters import lora
from lift_chat.errors import InvalidConfig
from lift_chat.lift.checkpoint import Facts, restore_checkpoint, save_checkpoint
from lift_chat.lift.progress import ProgressEvent, Stage
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.segments import cut
from lift_chat.lift.train import Fit, TrainState, mean_loss, run_slice
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

ONE_WINDOW = Fit()

PROBE_WINDOWS = 8
"""Windows of the document on which the loss is measured before and after, evenly spread."""


class Lesson:
    """A run over `text`. Iterate `run()`; then read `adapted`, `loss_before`, `loss_after`.

    Raises `InvalidConfig` when the text has no two tokens to predict.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        text: str,
        config: LiftConfig,
        *,
        folder: Path,
        turn: Turn,
        fit: Fit = ONE_WINDOW,
        on_checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        self.loaded, self.config, self.folder, self.turn = loaded, config, folder, turn
        self._on_checkpoint = on_checkpoint
        self.ids = tokenize(loaded, text)
        self.document_tokens = self.ids.shape[1]
        if self.document_tokens < 2:
            raise InvalidConfig("There is too little text to absorb.")
        self.loss_before = self.loss_after = float("nan")
        self.trained_tokens, self.trained_seconds = 0, 0.0
        self.resumed_from = 0
        self.adapted = lora.attach(loaded.twin(), config)
        windows = training_windows(self.ids, config)
        self.state = TrainState.start(self.adapted, config, windows, fit)

    def run(self) -> Generator[ProgressEvent, None, None]:
        """Yields events to the end. Closing it leaves the adapter as after the last event."""
        facts = restore_checkpoint(self.folder, self.state, **self._guard())
        if facts is not None:
            self.resumed_from, self.loss_before = facts.step, facts.loss_before
            self.trained_tokens, self.trained_seconds = facts.tokens, facts.seconds
        else:
            yield from self._measure("before")
        yield from self._train()
        yield from self._measure("after")

    def _train(self) -> Iterator[ProgressEvent]:
        base_tokens, base_seconds = self.trained_tokens, self.trained_seconds
        saved = time.monotonic()
        for event in run_slice(self.state, self.turn):
            self.trained_tokens = base_tokens + event.tokens
            self.trained_seconds = base_seconds + event.seconds
            yield event
            if time.monotonic() - saved >= self.config.checkpoint_seconds:
                self.save_checkpoint()
                saved = time.monotonic()

    def measure_after(self) -> None:
        """Measures the loss now; for a run that was stopped and is kept."""
        for _ in self._measure("after"):
            pass

    def save_checkpoint(self) -> None:
        facts = Facts(
            step=self.state.step,
            loss_before=self.loss_before,
            tokens=self.trained_tokens,
            seconds=self.trained_seconds,
            **self._guard(),
        )
        save_checkpoint(self.folder, self.state, facts)
        self._on_checkpoint()

    def metrics(self) -> dict[str, Any]:
        """What is kept with the adapter, JSON values."""
        return {
            "loss_before": self.loss_before,
            "loss_after": self.loss_after,
            "document_tokens": self.document_tokens,
            "trained_tokens": self.trained_tokens,
            "trained_seconds": round(self.trained_seconds, 3),
            "steps": self.state.step,
            "planned_steps": self.state.total,
            "device": self.loaded.device.name,
            "dtype": str(self.loaded.device.dtype).removeprefix("torch."),
        }

    def _guard(self) -> dict[str, Any]:
        identity = self.loaded.identity.fingerprint + f":{self.document_tokens}"
        return {"fingerprint": identity, "config": self.config.to_dict()}

    def _measure(self, stage: Stage) -> Iterator[ProgressEvent]:
        windows = probe_windows(self.ids, self.config)
        for done, loss in enumerate(mean_loss(self.adapted, windows, self.turn), start=1):
            if stage == "before":
                self.loss_before = loss
            else:
                self.loss_after = loss
            yield ProgressEvent(stage=stage, step=done, total=len(windows), loss=loss)


def tokenize(loaded: LoadedModel, text: str) -> torch.Tensor:
    """(1, tokens) on the model's device, no special tokens added."""
    ids = loaded.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return torch.tensor([ids], dtype=torch.long, device=loaded.device.torch)


def training_windows(ids: torch.Tensor, config: LiftConfig) -> list[torch.Tensor]:
    """The overlapping segments as views (1, segment_tokens) of `ids` (1, tokens)."""
    segments = cut(ids.shape[1], length=config.segment_tokens, stride=config.stride_tokens)
    return [ids[:, segment.start : segment.end] for segment in segments]


def probe_windows(ids: torch.Tensor, config: LiftConfig) -> list[torch.Tensor]:
    """At most `PROBE_WINDOWS` windows without overlap, evenly spread over the document."""
    length = min(config.segment_tokens, 1024)
    segments = cut(ids.shape[1], length=length, stride=length)
    step = max(len(segments) / PROBE_WINDOWS, 1.0)
    chosen = [segments[int(i * step)] for i in range(min(len(segments), PROBE_WINDOWS))]
    return [ids[:, segment.start : segment.end] for segment in chosen]
