"""How a document is absorbed: one frozen, self-validating config and its presets.

A `LiftConfig` is all that a run depends on beside the document and the base model; it is stored
with the job and with the adapter, so a run can be repeated. It knows nothing of torch.

The defaults of the segments are the method's own (LIFT, arXiv 2412.13626 section 3 and
2502.14644): windows of 2048 tokens, stride 3/8 of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args, get_type_hints

from lift_chat.errors import InvalidConfig

PresetName = Literal["skim", "read", "study"]
Schedule = Literal["constant", "linear", "cosine"]
Targets = Literal["all-linear", "attention", "down-proj"]
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

    segment_tokens: int = 2048
    """Length of a training window (LIFT: 2048)."""

    stride_tokens: int = 768
    """Distance between the starts of two windows (LIFT: 3/8 of the window)."""

    epochs: int = 8
    """Passes over all windows (LIFT: 8)."""

    rank: int = 32
    """LoRA rank; one of 8, 16, 32, 64, 128, 256."""

    alpha: int = 64
    """LoRA alpha; the update is scaled by alpha / rank (LIFT: alpha = 2 rank)."""

    targets: Targets = "all-linear"
    """Which linear layers of the decoder get an adapter."""

    learning_rate: float = 5e-4
    """Peak rate of AdamW."""

    schedule: Schedule = "cosine"
    """How the rate goes from its peak to a tenth of it."""

    warmup_steps: int = 4
    """Optimizer steps of linear warm-up before the schedule."""

    batch_segments: int = 2
    """Windows per optimizer step."""

    seed: int = 0
    """Seed of the adapter's start values and of the order of the windows."""

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
        self._require(self.rank in RANKS, f"rank must be one of {', '.join(map(str, RANKS))}")
        self._require(1 <= self.alpha <= 4 * self.rank, "alpha must lie between 1 and 4 x rank")
        self._require(self.targets in get_args(Targets), f"unknown targets {self.targets!r}")
        self._require(self.schedule in get_args(Schedule), f"unknown schedule {self.schedule!r}")
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


_SHORT_WINDOWS: dict[str, Any] = {
    "segment_tokens": 512,
    "batch_segments": 1,
    "learning_rate": 1e-3,
}
"""A document of a few pages is a handful of windows of 2048 tokens: too few optimizer steps per
pass to learn from. Short windows give four times as many for the same work."""


def _coerce(name: str, kind: Any, value: Any) -> Any:
    """`value` as `kind`; JSON knows neither tuples nor the difference of 1 and 1.0."""
    if name == "chapters":
        if isinstance(value, (list, tuple)) and all(type(index) is int for index in value):
            return tuple(value)
        raise InvalidConfig("chapters must be a list of whole numbers.")
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind is int and type(value) in (int, float) and value == int(value):
        return int(value)
    if kind not in (int, float) and isinstance(value, str):
        return value
    raise InvalidConfig(f"{name} has the wrong type: {value!r}.")


PRESETS: dict[str, dict[str, Any]] = {
    "skim": {**_SHORT_WINDOWS, "stride_tokens": 512, "epochs": 2},
    "read": {**_SHORT_WINDOWS, "stride_tokens": 384, "epochs": 5},
    "study": {**_SHORT_WINDOWS, "stride_tokens": 192, "epochs": 8, "rank": 64, "alpha": 128},
}
