"""What goes into the window: a part of the document, and the conversation.

The truncation is LIFT's (arXiv 2502.14644 section 4; the halves and the marker as in its
evaluation): head half, " ... ", tail half. Instead of them, and where nobody chose, the passages
that the last question's words find are shown. A document that fits is shown whole. The conversation
is never cut inside a message; the oldest messages go first. The document travels in the first user
turn, never as a system prompt: its words are material, not instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from lift_chat.adapters.kinds import STRONGEST
from lift_chat.errors import InvalidConfig
from lift_chat.models import excerpt
from lift_chat.models.context_mode import CONTEXT_MODES, DEFAULT_CONTEXT, STRENGTHS, ContextMode
from lift_chat.models.excerpt import Excerpt, Place, TokenPlaces
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import MARKER, frame, prompt_ids
from storage.records import Message, Page

RESERVE = 16
"""Tokens left free for joints between pieces that tokenise differently together than alone."""

STEPS = 8
"""Head and tail give way to a growing conversation by so many parts of the window, not by every
word said: while they stay as they are, they are not read again (`prefix`)."""

Retriever = Callable[[str], Sequence[Place]]
"""Of a question, the passages of the document that have its words, the best first."""


@dataclass(frozen=True, kw_only=True)
class ChatSettings:
    """How one answer is made. Raises `InvalidConfig`.

    `window_tokens` None: the model's default. `strength` scales what the adapter adds: 0 is the
    base model, 1 the adapter as it was trained, None what answers best in this context.
    """

    context: ContextMode = DEFAULT_CONTEXT
    max_new_tokens: int = 200
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.1
    seed: int = 0
    strength: float | None = None
    window_tokens: int | None = None

    def __post_init__(self) -> None:
        checks = {
            "context must be retrieved, truncated or none": self.context in CONTEXT_MODES,
            "max_new_tokens must lie in 1..4096": 1 <= self.max_new_tokens <= 4096,
            "temperature must lie in 0..2": 0 <= self.temperature <= 2,
            "top_p must lie in (0, 1]": 0 < self.top_p <= 1,
            "repetition_penalty must lie in 1..2": 1 <= self.repetition_penalty <= 2,
            "seed must lie in 0..2147483647": 0 <= self.seed < 2**31,
            f"strength must lie in 0..{STRONGEST}": 0 <= self.applied_strength <= STRONGEST,
            "window_tokens must be at least 64": (self.window_tokens or 64) >= 64,
        }
        for sentence, holds in checks.items():
            if not holds:
                raise InvalidConfig(sentence + ".")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Strict about names and types: values come from the API."""
        hints = get_type_hints(cls)
        for name, value in values.items():
            if name not in hints:
                raise InvalidConfig(f"Unknown setting: {name}.")
            if not _fits(value, hints[name]):
                raise InvalidConfig(f"{name} has the wrong type: {value!r}.")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def applied_strength(self) -> float:
        return STRENGTHS.get(self.context, 1.0) if self.strength is None else self.strength


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return isinstance(value, str)
    wanted = get_args(hint) or (hint,)
    return type(value) in wanted or (float in wanted and type(value) is int)


@dataclass(frozen=True)
class WindowFacts:
    """What the model was given. Token counts; `pages` names the pages that are (partly) visible.

    `mode` is what was asked for, or none where there is no text; `fell_back` says that no passage
    was found, so that head and tail of the document are there instead.
    """

    mode: ContextMode
    prompt_tokens: int
    document_tokens: int
    document_total_tokens: int
    pages: str
    dropped_messages: int
    fell_back: bool = False

    def sentence(self) -> str:
        if self.mode == "none" or not self.document_tokens:
            seen = "no text of the document; the answer comes from weights alone"
        elif self.document_tokens == self.document_total_tokens:
            seen = f"the whole document ({self.document_tokens:,} tokens)"
        else:
            found = self.mode == "retrieved" and not self.fell_back
            seen = (
                f"{'passages on ' if found else ''}pages {self.pages} ({self.document_tokens:,} of "
                f"{self.document_total_tokens:,} tokens); the rest comes from weights"
            )
        dropped = (
            f" {self.dropped_messages} earlier message(s) did not fit."
            if self.dropped_messages
            else ""
        )
        missed = (
            " No passage has words of the question, so beginning and end are shown."
            if self.fell_back
            else ""
        )
        return f"In the window: {seen}.{missed}{dropped}"


@dataclass(frozen=True)
class Window:
    """Token ids of the whole prompt, and what is in it."""

    ids: list[int]
    facts: WindowFacts


@dataclass(frozen=True)
class Source:
    """The document behind an adapter: its title and pages; no pages when the text is gone, and no
    title where there never was a document.

    `places` are those of the text's tokens, if they are known already.
    """

    title: str
    pages: Sequence[Page]
    retriever: Retriever | None = None
    places: TokenPlaces | None = None

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
    document = settings.context != "none" and bool(source.pages)
    kept = list(messages)
    room = budget // 2 if document else budget
    while len(kept) > 1 and _length(loaded, source.title, kept) > room:
        kept = kept[1:] if kept[1].role == "user" else kept[2:]
    used = _length(loaded, source.title, kept)
    if used > limit or not kept:
        raise InvalidConfig(f"The message is too long: {used} tokens, the model takes {limit}.")
    room = max(budget - used - RESERVE, 0) if document else 0
    step = budget // STEPS
    shown, fell_back = _excerpt(loaded, source, settings.context, kept[-1].content, room, step)
    ids = _prompt(loaded, source.title, kept, shown.text)
    facts = WindowFacts(
        mode=settings.context if source.pages else "none",
        prompt_tokens=len(ids),
        document_tokens=shown.tokens,
        document_total_tokens=shown.total,
        pages=shown.pages,
        dropped_messages=len(messages) - len(kept),
        fell_back=fell_back,
    )
    return Window(ids, facts)


def _excerpt(
    loaded: LoadedModel, source: Source, mode: ContextMode, question: str, budget: int, step: int
) -> tuple[Excerpt, bool]:
    """What of the document is shown, and whether it is not what was asked for."""
    text, pages = source.text, source.pages
    places = source.places or TokenPlaces.of(loaded.tokenizer, text)
    if len(places) <= budget:
        return excerpt.whole(text, places, pages), False
    marker = len(loaded.tokenizer(MARKER, add_special_tokens=False)["input_ids"])
    retrieve = source.retriever if mode == "retrieved" and budget else None
    found = retrieve(question) if retrieve else ()
    if found:
        return excerpt.passages(text, places, pages, budget, marker, found), False
    steady = budget - budget % step if budget >= step else budget
    shown = excerpt.ends(text, places, pages, steady, marker)
    return shown, mode == "retrieved" and bool(shown.text)


def _prompt(loaded: LoadedModel, title: str, messages: Sequence[Message], shown: str) -> list[int]:
    turns = [{"role": message.role, "content": message.content} for message in messages]
    turns[0]["content"] = frame(title, turns[0]["content"], shown)
    return prompt_ids(loaded, turns)


def _length(loaded: LoadedModel, title: str, messages: Sequence[Message]) -> int:
    return len(_prompt(loaded, title, messages, "")) if messages else 0
