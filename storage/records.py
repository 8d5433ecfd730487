"""The nouns that leave the library: frozen dataclasses, never rows.

Times are UTC ISO strings for people; order comes from ids (ULIDs) and integer sequences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

LOCAL = "local"
"""Owner of everything on a desktop; on a hosted Space the owner is the signed-in account."""

NOBODY = ""
"""Owner of nothing: a visitor of a Space who has not signed in."""

JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
JobRequest = Literal["", "keep", "discard"]


@dataclass(frozen=True)
class Page:
    """A page of a PDF, or a spine item, heading section or block of an unpaged format.

    `start` and `end` are character offsets into the document's text, which is the pages' texts
    joined by a blank line ("\\n\\n"); `text == full_text[start:end]`.
    """

    number: int
    label: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Chapter:
    """An entry of the outline: `level` 1 is the top; offsets as in `Page`."""

    title: str
    level: int
    page: int
    start: int
    end: int


@dataclass(frozen=True)
class Document:
    id: str
    owner: str
    sha256: str
    name: str
    kind: str
    title: str
    author: str
    language: str
    pages: int
    characters: int
    bytes: int
    quality: dict[str, Any]
    created_at: str


@dataclass(frozen=True)
class Adapter:
    id: str
    owner: str
    document_id: str
    name: str
    kind: str
    base_model: str
    base_revision: str
    base_fingerprint: str
    recipe: dict[str, Any]
    metrics: dict[str, Any]
    tags: tuple[str, ...]
    note: str
    bytes: int
    state: Literal["ready", "missing"]
    created_at: str
    origin: str = ""
    """Where it came from: "hub:OWNER/NAME@COMMIT", "file:NAME.zip", or "" for one made here."""

    @property
    def is_foreign(self) -> bool:
        """Whether another program made it, so that of its base no more than a name is known."""
        return not self.base_fingerprint

    @property
    def made_for(self) -> str:
        """Its base, for people."""
        base = self.base_model
        if self.base_revision:
            base += f" @ {self.base_revision[:12]}"
        return f"{base}; its base is not verified" if self.is_foreign else base

    def summary(self) -> str:
        """Two sentences about what was absorbed, from the numbers kept with the adapter."""
        before, after = self.metrics.get("loss_before"), self.metrics.get("loss_after")
        learned = ""
        # They may come from elsewhere, and be anything.
        if isinstance(before, int | float) and isinstance(after, int | float):
            learned = f" Loss on the document: {before:.2f} before, {after:.2f} after."
        base = self.made_for if self.is_foreign else self.base_model
        size = f"{self.bytes / 1e6:.1f} MB"
        return f"“{self.name}”: {self.kind} adapter ({size}) for {base}.{learned}"


@dataclass(frozen=True)
class Job:
    id: str
    owner: str
    document_id: str
    adapter_id: str | None
    name: str
    state: JobState
    request: JobRequest
    recipe: dict[str, Any]
    stage: str
    step: int
    total: int
    attempts: int
    message: str
    error_code: str
    error: str
    created_at: str
    started_at: str
    finished_at: str
    base_model: str = ""
    pinned: list[dict[str, Any]] = field(default_factory=list)
    """Pinned questions with what the model said to each so far, in the order of the steps:
    {"question": str, "gold": str, "answers": [{"step": int, "text": str}]}."""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled", "interrupted")


@dataclass(frozen=True)
class Metric:
    """One point of a job's curve. `seq` increases by one per row of a job, never reused."""

    seq: int
    stage: str
    step: int
    total: int
    loss: float | None
    tokens: int
    tokens_per_second: float
    seconds: float
    eta_seconds: float | None
    exam: float | None = None
    """Closed-book token F1 on the held-out questions, in percent, where an exam was held."""


@dataclass(frozen=True)
class StudyItem:
    """A question about a document with its answer, kept with the document.

    `start` and `end` are character offsets of the passage that answers it, into the document's
    text; `evidence` stands there word for word, where it is known. `kind` says what it trains:
    fact, evidence, sentence, two-passages, order, list, summary, reversed or unanswerable; or, with
    exam and pinned, that it trains nothing and is only asked.
    """

    question: str
    answer: str
    start: int
    end: int
    evidence: str = ""
    kind: str = "fact"
    origin: Literal["model", "endpoint", "person"] = "model"


@dataclass(frozen=True)
class Conversation:
    id: str
    owner: str
    adapter_id: str
    title: str
    created_at: str


@dataclass(frozen=True)
class Message:
    role: Literal["user", "assistant"]
    content: str
    facts: dict[str, Any] = field(default_factory=dict)
