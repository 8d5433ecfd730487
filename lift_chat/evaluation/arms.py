"""Arms: who answers, and what of the document stands in the window while it does.

An arm is a model (the untouched base, or an adapter that was trained by a recipe) and a window.
Prompts are made by the code that makes them for chat, so what is measured is what a user gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion
from lift_chat.evaluation.wording import reworded
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.context import ChatSettings, Source, Window, assemble
from lift_chat.models.loading import LoadedModel
from lift_chat.reading import Reading
from storage.records import LOCAL, Document, Message, Page

WindowName = Literal["closed", "truncated", "retrieved", "full", "wrong"]
"""closed: nothing but the title. truncated: head and tail of the document. retrieved: passages
with the question's words. full: all of it, where the model's limit allows. wrong: closed, and the
adapter is another document's."""

ASKED: tuple[WindowName, ...] = ("closed", "truncated", "retrieved", "full")
"""Windows that can be asked for; wrong comes by itself, as the control of closed."""

OPEN: frozenset[str] = frozenset({"truncated", "retrieved", "full"})
"""Windows with text of the document. Never averaged with the others."""

BASE = "base"

MODES = {"closed": "none", "wrong": "none", "full": "truncated"}


@dataclass(frozen=True)
class Arm:
    """`model` is "base" or the name of a recipe."""

    model: str
    window: WindowName

    @property
    def name(self) -> str:
        return f"{self.model}/{self.window}"


@dataclass(frozen=True)
class Room:
    """Tokens: `window` for the whole prompt (None: the base's default), and for an answer."""

    window: int | None = None
    answer: int = 32

    def prompt_tokens(self, loaded: LoadedModel, window: WindowName) -> int:
        """How long a prompt of this arm may be."""
        most = loaded.limit - self.answer
        return most if window == "full" else min(self.window or loaded.window, most)


def check_windows(names: Sequence[str]) -> tuple[WindowName, ...]:
    """The windows of these names. Raises `InvalidConfig` for an unknown one."""
    known: Mapping[str, WindowName] = {name: name for name in ASKED}
    for name in names:
        if name not in known:
            raise InvalidConfig(f"There is no window {name!r}; there are {', '.join(ASKED)}.")
    return tuple(known[name] for name in dict.fromkeys(names))


def base_arms(windows: Sequence[WindowName]) -> list[Arm]:
    """The base answers closed book whatever is asked for: it may know the document already."""
    return [Arm(BASE, window) for window in dict.fromkeys(("closed", *windows))]


def trained_arms(recipes: Mapping[str, LiftConfig], windows: Sequence[WindowName]) -> list[Arm]:
    """Every recipe in every window but the whole document, which needs no adapter."""
    return [Arm(name, window) for name in recipes for window in windows if window != "full"]


def strength_in(window: WindowName) -> float:
    """At what strength a chat with this window uses an adapter where nobody set the dial."""
    context = MODES.get(window, window)
    return ChatSettings.from_dict({"context": context}).applied_strength


def source_of(loaded: LoadedModel, document: EvalDocument) -> Source:
    """The document as chat reads one, tokenised and indexed once; it is a single page."""
    text = document.text
    page = Page(number=1, label="1", start=0, end=len(text), text=text)
    record = Document(
        id=document.id,
        owner=LOCAL,
        sha256=document.fingerprint,
        name=document.title,
        kind="text",
        title=document.title,
        author="",
        language="",
        pages=1,
        characters=len(text),
        bytes=len(text.encode()),
        quality={},
        created_at="",
    )
    return Reading(record, [page], lambda: loaded.tokenizer).source


def prompt(
    loaded: LoadedModel,
    source: Source,
    question: EvalQuestion,
    window: WindowName,
    room: Room,
) -> Window:
    """Token ids of one question in this arm's window. Raises `InvalidConfig` if it is too long.

    A collection's own wording is for reading; from weights alone every question is asked alike.
    """
    limit = question.max_new_tokens or room.answer
    settings = ChatSettings.from_dict(
        {
            "context": MODES.get(window, window),
            "max_new_tokens": limit,
            "window_tokens": room.prompt_tokens(loaded, window),
        }
    )
    if question.prompt and window in OPEN:
        return reworded(loaded, source, question, settings)
    asked = [Message(role="user", content=question.question)]
    return assemble(loaded, source, asked, settings)


def fits(loaded: LoadedModel, document: EvalDocument, room: Room) -> bool:
    """Whether the whole document stands in the window together with its longest question."""
    longest = max(document.questions, key=lambda question: len(question.question))
    facts = prompt(loaded, source_of(loaded, document), longest, "full", room).facts
    return facts.document_tokens == facts.document_total_tokens


def differences(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs of arms (this, minus that) that say something, of those there are.

    The adapter against the base in the same window, and in a short one against the base with the
    whole document, and against another document's adapter; each recipe against the ones before it
    in the same window.
    """
    there = set(names)
    arms = [tuple(name.rsplit("/", 1)) for name in names]
    for model, window in arms:
        if model == BASE or window == "wrong":
            continue
        rivals = [f"{BASE}/{window}", f"{model}/wrong" if window == "closed" else f"{BASE}/full"]
        models = list(dict.fromkeys(other for other, _ in arms if other != BASE))
        rivals += [f"{other}/{window}" for other in models[: models.index(model)]]
        yield from ((f"{model}/{window}", rival) for rival in rivals if rival in there)
