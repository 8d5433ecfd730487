"""Training a reader: general sayings first, then the lessons, as a generator that can be resumed.

What was said and the checkpoints lie in the run's folder; the same call on the same folder goes on
from there and comes to the same adapter. Knows nothing of where documents come from, nor of what
becomes of the adapter.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lift_chat.adapters import lora
from lift_chat.errors import InvalidConfig
from lift_chat.lift.checkpoint import Facts, restore_checkpoint, save_checkpoint
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.train import Fit, TrainState, run_slice
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.reader.general import requests, sayings
from lift_chat.reader.lessons import MOST_CHARACTERS, ReaderPlan, ReadingDocument, Said
from storage.files import write_file
from storage.values import to_json

SAID = "said.json"

WINDOWS = 2
"""Into so many parts of `most_tokens` a micro-batch can be halved when memory runs out."""


@dataclass(frozen=True, kw_only=True)
class WarmupConfig:
    """The recipe of one reader. Raises `InvalidConfig` with one sentence."""

    rank: int = 32
    """LoRA rank; one of 8, 16, 32, 64, 128, 256."""

    alpha: int = 64
    """LoRA alpha; the update is scaled by alpha / rank."""

    learning_rate: float = 8e-4
    """Peak rate of AdamW; a cosine takes it to a tenth of that."""

    warmup_steps: int = 20
    """Optimizer steps before the peak."""

    passes: float = 0.5
    """How often each section with questions has its turn, in the mean."""

    units_per_step: int = 6
    """Sections per optimizer step."""

    most_tokens: int = 2048
    """Padded tokens that go through the device at once, but for a single sample beyond that."""

    seed: int = 0
    """Seed of the adapter's start values and of all that is drawn."""

    checkpoint_seconds: float = 60.0
    """At least this long between two checkpoints."""

    def __post_init__(self) -> None:
        if not 0 < self.passes <= 1000:
            raise InvalidConfig("passes must lie in (0, 1000].")
        if not 1 <= self.units_per_step <= 1024:
            raise InvalidConfig("units_per_step must lie in 1..1024.")
        if not 32 <= self.most_tokens <= 2**20:
            raise InvalidConfig("most_tokens must lie in 32..1048576.")
        self.optimizing()

    def optimizing(self) -> LiftConfig:
        """What the training loop and its optimizer read of a recipe. Without segments, since the
        loss to be shown is that of all lessons, and not of raw text alone."""
        tokens = self.most_tokens // WINDOWS
        return LiftConfig(
            rank=self.rank,
            alpha=self.alpha,
            learning_rate=self.learning_rate,
            schedule="cosine",
            warmup_steps=self.warmup_steps,
            batch_segments=self.units_per_step,
            segments="none",
            study="passages",
            segment_tokens=tokens,
            stride_tokens=tokens,
            seed=self.seed,
            checkpoint_seconds=self.checkpoint_seconds,
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Reader:
    """A trained adapter on a twin of its base. Tokens and seconds are those of training, over all
    sessions of the run; `resumed_from` is the step that this one began with."""

    adapted: Any
    config: WarmupConfig
    steps: int
    tokens: int
    seconds: float
    resumed_from: int


def warm_up(
    loaded: LoadedModel,
    documents: Sequence[ReadingDocument],
    config: WarmupConfig,
    *,
    turn: Turn,
    folder: Path,
) -> Generator[ProgressEvent, None, Reader]:
    """Trains a reader for `loaded`, a base without one. Closing the generator stops between two
    steps; what is lost is the time since the last checkpoint.

    Raises `InvalidConfig` if no document has a short enough section with questions, or if the
    base has a reader already, and `OutOfMemory`.
    """
    _require_lessons(loaded, documents)
    folder.mkdir(parents=True, exist_ok=True)
    said = yield from _said(loaded, turn, folder)
    plan = ReaderPlan(
        loaded,
        documents,
        said,
        passes=config.passes,
        units_per_step=config.units_per_step,
        seed=config.seed,
    )
    recipe = config.optimizing()
    adapted = lora.attach(loaded.twin(), recipe)
    state = TrainState.start(adapted, recipe, plan, Fit(windows=WINDOWS))
    run = _Run(state, config, folder, _fingerprint(loaded, documents, said))
    yield from run.train(turn)
    adapted.eval()
    return Reader(adapted, config, state.step, run.tokens, run.seconds, run.resumed_from)


def _require_lessons(loaded: LoadedModel, documents: Sequence[ReadingDocument]) -> None:
    if loaded.identity.reader:
        raise InvalidConfig("This base has a reader already; load it with --reader none.")
    sections = (section for document in documents for section in document.sections)
    if not any(one.questions and len(one.text) <= MOST_CHARACTERS for one in sections):
        raise InvalidConfig(
            f"There is nothing to train on: no section of at most {MOST_CHARACTERS} characters "
            f"has a question."
        )


class _Run:
    """One run on its folder, from its last checkpoint to its end."""

    def __init__(
        self, state: TrainState, config: WarmupConfig, folder: Path, fingerprint: str
    ) -> None:
        self._state, self._folder, self._fingerprint = state, folder, fingerprint
        self._config = config
        facts = restore_checkpoint(folder, state, fingerprint=fingerprint, config=config.to_dict())
        self.tokens, self.seconds = (facts.tokens, facts.seconds) if facts else (0, 0.0)
        self.resumed_from = state.step

    def train(self, turn: Turn) -> Generator[ProgressEvent, None, None]:
        state = self._state
        if self.resumed_from:
            message = f"Going on after step {state.step} of {state.total}."
            yield ProgressEvent("training", state.step, state.total, message=message)
        tokens, seconds = self.tokens, self.seconds
        saved = time.monotonic()
        with closing(run_slice(state, turn)) as events:
            for event in events:
                self.tokens, self.seconds = tokens + event.tokens, seconds + event.seconds
                due = time.monotonic() - saved >= self._config.checkpoint_seconds
                if due or state.step == state.total:
                    self._save()
                    saved = time.monotonic()
                yield event

    def _save(self) -> None:
        facts = Facts(
            step=self._state.step,
            fingerprint=self._fingerprint,
            config=self._config.to_dict(),
            tokens=self.tokens,
            seconds=self.seconds,
            measured={},
            exam={},
        )
        save_checkpoint(self._folder, self._state, facts)


def _said(
    loaded: LoadedModel, turn: Turn, folder: Path
) -> Generator[ProgressEvent, None, list[Said]]:
    """The base's own sayings, from the folder if they lie there."""
    kept = _read_said(folder / SAID, loaded.identity.fingerprint)
    if kept is not None:
        return kept
    said: list[Said] = []
    for one in sayings(loaded, turn):
        said.append(one)
        yield ProgressEvent("writing", len(said), len(requests()))
    content = {"base": loaded.identity.fingerprint, "said": [asdict(one) for one in said]}
    write_file(folder / SAID, to_json(content).encode())
    return said


def _read_said(path: Path, base: str) -> list[Said] | None:
    """None for what another base said, or for what cannot be read: it is said again."""
    try:
        content = json.loads(path.read_bytes())
        said = [Said(**one) for one in content["said"]]
        return said if content["base"] == base else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fingerprint(
    loaded: LoadedModel, documents: Sequence[ReadingDocument], said: Sequence[Said]
) -> str:
    """Of all that the steps depend on beside the recipe."""
    material = to_json([[asdict(one) for one in documents], [asdict(one) for one in said]])
    return f"{loaded.identity.fingerprint}:{hashlib.sha256(material.encode()).hexdigest()}"
