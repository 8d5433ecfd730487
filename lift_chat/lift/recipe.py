"""How a document is absorbed: one frozen, self-validating config and its presets.

A `LiftConfig` is all that a run depends on beside the document and the base model; it is stored
with the job and with the adapter, so a run can be repeated. It knows nothing of torch.

The defaults of the segments are the method's own (LIFT, arXiv 2412.13626 section 3 and
2502.14644): windows of 2048 tokens, stride 3/8 of that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from lift_chat.errors import InvalidConfig
from lift_chat.lift.presets import PRESETS

PresetName = Literal["skim", "read", "study"]
AdapterName = Literal["lora", "gated-memory"]
Segments = Literal["overlapping", "random", "none"]
Study = Literal["none", "passages", "question-words", "evidence", "sentences"]
Gate = Literal["linear", "mlp"]
Writer = Literal["base", "endpoint"]
Schedule = Literal["constant", "linear", "cosine"]
Targets = Literal["all-linear", "mlp", "attention", "down-proj"]
RANKS = (8, 16, 32, 64, 128, 256)
"""Ranks that vLLM serves; PEFT itself would take any."""


@dataclass(frozen=True, kw_only=True)
class LiftConfig:
    """The recipe of one run. Units are tokens, epochs and seconds.

    Raises `InvalidConfig` with one sentence on a value that is out of range or contradicts
    another.
    """

    based_on: str = "read"
    """Name of the preset that this started from; a label, nothing depends on it."""

    adapter: AdapterName = "lora"
    """What is trained: low-rank updates of the weights, or a gated memory beside attention."""

    segments: Segments = "overlapping"
    """How the raw text is cut: at a fixed stride, at a random offset per epoch, or not at all."""

    segment_tokens: int = 2048
    """Length of a training window (LIFT: 2048)."""

    stride_tokens: int = 768
    """Distance between the starts of two windows (LIFT: 3/8 of the window)."""

    context_tokens: int = 0
    """Pieces of the document's head and tail before each window, without loss (LIFT: 4096)."""

    rehearsal: float = 0.0
    """Tokens of the base's own text that are rehearsed for each token of a window, so that the
    model does not bend towards the document in everything it says."""

    segment_epochs: int = 0
    """First passes, over the raw windows alone (LIFT: 3)."""

    epochs: int = 8
    """Passes over everything: windows and study questions (LIFT: 5 to 8)."""

    study: Study = "none"
    """What questions are written about: passages (several in one reply, or one reply for each
    question word), runs of 16 sentences with evidence, or each sentence."""

    questions: int = 5
    """Questions asked for per passage or sentence."""

    passage_tokens: int = 160
    """Length of a passage, cut between sentences."""

    mixed_kinds: bool = False
    """Also questions over two passages, order, lists, summaries, reversals and abstention."""

    open_share: float = 0.5
    """Share of the study questions that are also trained with text open, in each epoch: half of
    them behind the right passage, half behind head and tail of the document."""

    distill: bool = False
    """Learn the base's own answers with the passage open (top 20 tokens) instead of one text."""

    writer: Writer = "base"
    """Who writes the questions: the base model, or the endpoint named in the settings."""

    exam_questions: int = 16
    """Questions of the exam, the document's own before those set aside; training sees none."""

    exams: int = 4
    """How often the exam is held during training."""

    patience: int = 0
    """Exams without a gain before training stops; 0 never stops early."""

    one_step_per_epoch: bool = False
    """Gather the gradients of a whole epoch into one optimizer step (LIFT 2502.14644's code)."""

    rank: int = 32
    """LoRA rank; one of 8, 16, 32, 64, 128, 256."""

    alpha: int = 64
    """LoRA alpha; the update is scaled by alpha / rank (LIFT: alpha = 2 rank)."""

    targets: Targets = "all-linear"
    """Which linear layers of the decoder get an adapter; `mlp` is all but those of attention."""

    memory_width: int = 4
    """Gated Memory: hidden width of the memory network, in head widths."""

    gate: Gate = "mlp"
    """Gated Memory: a linear gate, or one with a hidden layer."""

    gate_width: int = 2
    """Gated Memory: hidden width of an MLP gate, in head widths."""

    skip_layers: int = 0
    """Gated Memory: first and last layers that are left without a memory."""

    gate_penalty: float = 0.0
    """Gated Memory: weight of the mean gate value in the loss."""

    fit_passes: int = 0
    """Gated Memory: passes of fitting it to attention before training; the text must fit."""

    learning_rate: float = 5e-4
    """Peak rate of AdamW."""

    schedule: Schedule = "cosine"
    """How the rate goes from its peak to a tenth of it."""

    warmup_steps: int = 4
    """Optimizer steps of linear warm-up before the schedule."""

    batch_segments: int = 2
    """Windows per optimizer step."""

    seed: int = 0
    """Seed of the adapter's start values, of what is drawn, and of the order of training."""

    chapters: tuple[int, ...] = ()
    """Indices into the document's outline; empty means the whole document."""

    checkpoint_seconds: float = 30.0
    """At least this long between two checkpoints."""

    def __post_init__(self) -> None:
        self._require(self.segment_tokens >= 16, "segment_tokens must be at least 16")
        self._require(
            1 <= self.stride_tokens <= self.segment_tokens,
            f"stride_tokens ({self.stride_tokens}) must lie between 1 and segment_tokens "
            f"({self.segment_tokens}), or tokens between two windows would never be read",
        )
        self._require(1 <= self.epochs <= 1000, "epochs must lie between 1 and 1000")
        self._require(0 <= self.segment_epochs <= 1000, "segment_epochs must lie in 0..1000")
        self._require(0 <= self.context_tokens <= 65536, "context_tokens must lie in 0..65536")
        self._require(0 <= self.rehearsal <= 4, "rehearsal must lie in 0..4")
        self._require(1 <= self.questions <= 50, "questions must lie in 1..50")
        self._require(32 <= self.passage_tokens <= 4096, "passage_tokens must lie in 32..4096")
        self._require(0 <= self.open_share <= 4, "open_share must lie in 0..4")
        self._require(0 <= self.exam_questions <= 500, "exam_questions must lie in 0..500")
        self._require(0 <= self.exams <= 100, "exams must lie in 0..100")
        self._require(0 <= self.patience <= 100, "patience must lie in 0..100")
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal:
                value = getattr(self, name)
                self._require(value in get_args(hint), f"unknown {name} {value!r}")
        self._require(
            self.segments != "none" or self.study != "none",
            "without segments there must be study questions, or there is nothing to train on",
        )
        self._require(
            self.segments != "none" or not (self.segment_epochs or self.rehearsal),
            "segment_epochs and rehearsal need segments",
        )
        self._require(1 <= self.memory_width <= 16, "memory_width must lie in 1..16")
        self._require(1 <= self.gate_width <= 16, "gate_width must lie in 1..16")
        self._require(0 <= self.skip_layers <= 64, "skip_layers must lie in 0..64")
        self._require(0 <= self.gate_penalty <= 100, "gate_penalty must lie in 0..100")
        self._require(0 <= self.fit_passes <= 10_000, "fit_passes must lie in 0..10000")
        self._require(
            not self.fit_passes or self.adapter == "gated-memory",
            "fit_passes is for a gated memory; a LoRA has nothing to fit to attention",
        )
        self._require(self.rank in RANKS, f"rank must be one of {', '.join(map(str, RANKS))}")
        self._require(1 <= self.alpha <= 4 * self.rank, "alpha must lie between 1 and 4 x rank")
        self._require(0 < self.learning_rate <= 0.1, "learning_rate must lie in (0, 0.1]")
        self._require(0 <= self.warmup_steps <= 10_000, "warmup_steps must lie in 0..10000")
        self._require(1 <= self.batch_segments <= 1024, "batch_segments must lie in 1..1024")
        self._require(0 <= self.seed < 2**31, "seed must lie in 0..2147483647")
        self._require(all(i >= 0 for i in self.chapters), "chapters must be outline indices")
        self._require(self.checkpoint_seconds >= 0, "checkpoint_seconds must not be negative")

    @staticmethod
    def _require(condition: bool, sentence: str) -> None:
        if not condition:
            raise InvalidConfig(sentence + ".")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """The named preset, with fields changed. Raises `InvalidConfig` for an unknown name."""
        if name not in PRESETS:
            raise InvalidConfig(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
        return cls.from_dict({"based_on": name, **PRESETS[name], **changes})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; strict, since values come from files and from the API."""
        hints = get_type_hints(cls)
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise InvalidConfig(f"Unknown settings: {', '.join(sorted(unknown))}.")
        return cls(**{name: _coerce(name, hints[name], value) for name, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "chapters": list(self.chapters)}

    def with_changes(self, **changes: Any) -> Self:
        return replace(self, **changes)


def typed(text: str) -> Any:
    """A setting's value as a person types it: JSON where it is JSON, else the text as it stands."""
    try:
        return json.loads(text)
    except ValueError:
        return text.strip()


def _coerce(name: str, kind: Any, value: Any) -> Any:
    """`value` as `kind`; JSON knows neither tuples nor the difference of 1 and 1.0."""
    if name == "chapters":
        if isinstance(value, (list, tuple)) and all(type(index) is int for index in value):
            return tuple(value)
        raise InvalidConfig("chapters must be a list of whole numbers.")
    if kind is bool and type(value) is bool:
        return value
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind is int and (type(value) is int or (type(value) is float and value.is_integer())):
        return int(value)
    if kind not in (int, float, bool) and isinstance(value, str):
        return value
    raise InvalidConfig(f"{name} has the wrong type: {value!r}.")
