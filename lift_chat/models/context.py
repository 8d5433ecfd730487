"""What goes into the window: the document's head half, " ... ", its tail half, the conversation.

The truncation is LIFT's (arXiv 2502.14644 section 4; the halves and the marker as in its
evaluation): the head and tail of the document survive and the conversation is never cut inside a
message; the oldest messages go first. The document travels in the first user turn, never as a
system prompt: its words are material, not instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from lift_chat.errors import InvalidConfig
from lift_chat.models.loading import LoadedModel
from storage.records import Message, Page

ContextMode = Literal["truncated", "none"]
MARKER = " ... "
RESERVE = 16
"""Tokens left free for joints between pieces that tokenise differently together than alone."""


@dataclass(frozen=True, kw_only=True)
class ChatSettings:
    """How one answer is made. Raises `InvalidConfig`. `window_tokens` None: the model's default."""

    context: ContextMode = "truncated"
    max_new_tokens: int = 200
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.1
    seed: int = 0
    window_tokens: int | None = None

    def __post_init__(self) -> None:
        checks = {
            "context must be truncated or none": self.context in get_args(ContextMode),
            "max_new_tokens must lie in 1..4096": 1 <= self.max_new_tokens <= 4096,
            "temperature must lie in 0..2": 0 <= self.temperature <= 2,
            "top_p must lie in (0, 1]": 0 < self.top_p <= 1,
            "repetition_penalty must lie in 1..2": 1 <= self.repetition_penalty <= 2,
            "seed must lie in 0..2147483647": 0 <= self.seed < 2**31,
            "window_tokens must be at least 64": (self.window_tokens or 64) >= 64,
        }
        for sentence, holds in checks.items():
            if not holds:
                raise InvalidConfig(sentence + ".")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Strict about names and types: values come from the API."""
        kinds: dict[str, Any] = {field.name: field.default for field in fields(cls)}
        for name, value in values.items():
            if name not in kinds:
                raise InvalidConfig(f"Unknown setting: {name}.")
            if not _fits(value, kinds[name]):
                raise InvalidConfig(f"{name} has the wrong type: {value!r}.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, str):
        return isinstance(value, str)
    if isinstance(default, float):
        return type(value) in (int, float)
    return type(value) is int or (default is None and value is None)


@dataclass(frozen=True)
class WindowFacts:
    """What the model was given. Token counts; `pages` names the pages that are (partly) visible."""

    mode: str
    prompt_tokens: int
    document_tokens: int
    document_total_tokens: int
    pages: str
    dropped_messages: int

    def sentence(self) -> str:
        if self.mode == "none" or not self.document_tokens:
            seen = "no text of the document; the answer comes from weights alone"
        elif self.document_tokens == self.document_total_tokens:
            seen = f"the whole document ({self.document_tokens:,} tokens)"
        else:
            seen = (
                f"pages {self.pages} ({self.document_tokens:,} of "
                f"{self.document_total_tokens:,} tokens); the rest comes from weights"
            )
        dropped = (
            f" {self.dropped_messages} earlier message(s) did not fit."
            if self.dropped_messages
            else ""
        )
        return f"In the window: {seen}.{dropped}"


@dataclass(frozen=True)
class Window:
    """Token ids of the whole prompt, and what is in it."""

    ids: list[int]
    facts: WindowFacts


@dataclass(frozen=True)
class Source:
    """The document behind an adapter: its title and pages; no pages when the text is gone."""

    title: str
    pages: Sequence[Page]

    @property
    def text(self) -> str:
        return "\n\n".join(page.text for page in self.pages)


def assemble(
    loaded: LoadedModel, source: Source, messages: Sequence[Message], settings: ChatSettings
) -> Window:
    """The prompt for the next answer. Raises `InvalidConfig` if the last message alone is too
    long for the model."""
    limit = loaded.limit - settings.max_new_tokens
    budget = min(settings.window_tokens or loaded.window, limit)
    document = settings.context == "truncated" and bool(source.pages)
    kept = list(messages)
    room = budget // 2 if document else budget
    while len(kept) > 1 and _length(loaded, source.title, kept) > room:
        kept = kept[1:] if kept[1].role == "user" else kept[2:]
    used = _length(loaded, source.title, kept)
    if used > limit or not kept:
        raise InvalidConfig(f"The message is too long: {used} tokens, the model takes {limit}.")
    excerpt = _Excerpt.of(loaded, source, max(budget - used - RESERVE, 0) if document else 0)
    ids = _prompt(loaded, source.title, kept, excerpt.text)
    facts = WindowFacts(
        mode=settings.context,
        prompt_tokens=len(ids),
        document_tokens=excerpt.tokens,
        document_total_tokens=excerpt.total,
        pages=excerpt.pages,
        dropped_messages=len(messages) - len(kept),
    )
    return Window(ids, facts)


@dataclass(frozen=True)
class _Excerpt:
    text: str
    tokens: int
    total: int
    pages: str

    @classmethod
    def of(cls, loaded: LoadedModel, source: Source, budget: int) -> _Excerpt:
        text = source.text
        encoded = loaded.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        offsets: list[tuple[int, int]] = encoded["offset_mapping"]
        total = len(offsets)
        if total <= budget:
            return cls(text, total, total, _page_names(source.pages, [(0, len(text))]))
        budget -= len(loaded.tokenizer(MARKER, add_special_tokens=False)["input_ids"])
        if budget < 2:
            return cls("", 0, total, "")
        head, tail = offsets[(budget + 1) // 2 - 1][1], offsets[total - budget // 2][0]
        spans = [(0, head), (tail, len(text))]
        joined = text[:head].rstrip() + MARKER + text[tail:].lstrip()
        return cls(joined, budget, total, _page_names(source.pages, spans))


def _page_names(pages: Sequence[Page], spans: Sequence[tuple[int, int]]) -> str:
    """Pages touched by the character spans, as "1-3, 9"."""
    runs: list[list[int]] = []
    for page in pages:
        if not any(page.start < end and start < page.end for start, end in spans):
            continue
        if runs and page.number == runs[-1][1] + 1:
            runs[-1][1] = page.number
        else:
            runs.append([page.number, page.number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _prompt(
    loaded: LoadedModel, title: str, messages: Sequence[Message], excerpt: str
) -> list[int]:
    turns = [{"role": message.role, "content": message.content} for message in messages]
    turns[0]["content"] = frame(title, turns[0]["content"], excerpt)
    encoded = loaded.tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, enable_thinking=False, return_dict=True
    )
    ids: list[int] = encoded["input_ids"]
    return ids


def frame(title: str, question: str, excerpt: str) -> str:
    """The first user turn; the same words with and without a document."""
    passage = f"{excerpt}\n\n" if excerpt else ""
    return f"{passage}Answer the question based on “{title}”.\n\n{question}"


def _length(loaded: LoadedModel, title: str, messages: Sequence[Message]) -> int:
    return len(_prompt(loaded, title, messages, "")) if messages else 0
