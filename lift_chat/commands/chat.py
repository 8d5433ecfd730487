"""`lift-chat chat`: one question, or a talk. The talk is not kept; the page's are."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lift_chat.commands.naming import find
from lift_chat.commands.options import AdapterArgument, AsJson, BaseModel, FourBit, Home, Revision
from lift_chat.commands.output import note, say, say_json
from lift_chat.commands.program import open_service
from lift_chat.errors import AdapterMismatch, LiftChatError
from lift_chat.models.context_mode import CONTEXT_MODES, DEFAULT_CONTEXT
from storage.records import Adapter, Message

if TYPE_CHECKING:
    from lift_chat.models.citations import Citation
    from lift_chat.models.context import ChatSettings
    from lift_chat.service import LiftChat

Piece = TypeVar("Piece")
QUOTE = 160
"""Most characters of a quote in the terminal."""


def chat(  # noqa: PLR0913 - the signature is the command line
    context: typer.Context,
    adapter: AdapterArgument,
    message: Annotated[
        str, typer.Option("-m", "--message", help="One question; without it, a talk.")
    ] = "",
    document_context: Annotated[
        str,
        typer.Option(
            "--context",
            metavar="|".join(CONTEXT_MODES),
            help="What the model sees of the text: fitting passages, beginning and end, nothing.",
        ),
    ] = DEFAULT_CONTEXT,
    strength: Annotated[
        float | None,
        typer.Option(
            "--strength",
            help="Of what was absorbed, 0 to 1.5; 0 is the unread model. Without it: what answers "
            "best with this context.",
        ),
    ] = None,
    pages: Annotated[
        bool, typer.Option("--pages/--no-pages", help="Say where the answer stands.")
    ] = True,
    compare: Annotated[
        bool, typer.Option("--compare", help="Ask the unread base model, too.")
    ] = False,
    as_json: AsJson = False,
    home: Home = None,
    base_model: BaseModel = None,
    revision: Revision = None,
    load_in_4bit: FourBit = None,
) -> None:
    """Talk to an absorbed document."""
    if as_json and not message:
        raise typer.BadParameter("--json needs a question: -m QUESTION.")
    from lift_chat.models.context import ChatSettings

    settings = ChatSettings.from_dict({"context": document_context, "strength": strength})
    with open_service(
        context,
        worker=False,
        home=home,
        base_model=base_model,
        revision=revision,
        load_in_4bit=load_in_4bit,
    ) as service:
        found = find(service.adapters(), adapter, "adapter")
        mismatch = service.compatible(found)
        if mismatch:
            raise AdapterMismatch(mismatch)
        talk = _Talk(service, found, settings, pages=pages)
        if message and as_json:
            say_json(talk.facts(message, compare=compare))
        elif message:
            talk.turn(message, compare=compare)
        else:
            _converse(talk, compare=compare)


class _Talk:
    """The messages of this run, and the answers to them."""

    def __init__(
        self, service: LiftChat, adapter: Adapter, settings: ChatSettings, *, pages: bool
    ) -> None:
        self._service, self._adapter, self._settings = service, adapter, settings
        self._pages = pages
        self._messages: list[Message] = []

    def turn(self, question: str, *, compare: bool) -> None:
        """Prints the answer as it is made; a cut-off answer is remembered as far as it came."""
        if compare:
            self._compared(question)
            return
        asked = [*self._messages, Message("user", question)]
        window = self._service.window(self._adapter.id, asked, self._settings)
        pieces = _generator(self._service.reply(self._adapter.id, asked, self._settings))
        answer = ""
        try:
            with closing(pieces):
                for piece in pieces:
                    answer += piece
                    say(piece, end="")
        finally:
            say()
            self._messages = [*asked, Message("assistant", answer)]
        self._say_pages(question, answer)
        note(f"({window.sentence()})")

    def _say_pages(self, question: str, answer: str) -> None:
        """The pages and sentences where the claims of the answer stand."""
        for found in self._cited(question, answer):
            quote = shorten(found.quote, QUOTE, placeholder=" …")
            note(f"Page {found.page}: “{quote}”")

    def _cited(self, question: str, answer: str) -> list[Citation]:
        if not self._pages:
            return []
        return self._service.citations(self._adapter.id, answer, question=question)

    def _compared(self, question: str) -> None:
        """Both answers one below the other, as they are made: the adapter's comes first."""
        both = _generator(self._service.compare(self._adapter.id, question, self._settings))
        say("With the adapter:")
        adapted = base = sentence = ""
        try:
            with closing(both):
                for seen in both:
                    say(seen.adapted.removeprefix(adapted), end="")
                    if seen.base and not base:
                        say("\n\nBase model alone:")
                    say(seen.base.removeprefix(base), end="")
                    adapted, base, sentence = seen.adapted, seen.base, seen.window.sentence()
        finally:
            say()
        self._say_pages(question, adapted)
        note(f"({sentence})")

    def facts(self, question: str, *, compare: bool) -> dict[str, Any]:
        """One question and its answers as JSON; without earlier messages."""
        adapter_id, settings = self._adapter.id, self._settings
        facts: dict[str, Any] = {"adapter": adapter_id, "question": question}
        if compare:
            *_, last = self._service.compare(adapter_id, question, settings)
            facts |= {"answer": last.adapted, "base_answer": last.base}
            window = last.window
        else:
            window = self._service.window(adapter_id, question, settings)
            facts["answer"] = "".join(self._service.reply(adapter_id, question, settings))
        if self._pages:
            facts["citations"] = [vars(c) for c in self._cited(question, facts["answer"])]
        return {**facts, "window": {**vars(window), "sentence": window.sentence()}}


def _generator(pieces: Iterator[Piece]) -> Generator[Piece, None, None]:
    """`pieces` as a generator: closing it stops the model."""
    yield from pieces


def _converse(talk: _Talk, *, compare: bool) -> None:
    """Questions from the terminal, or one a line from a pipe, until the input ends."""
    if sys.stdin.isatty():
        with suppress(ImportError):
            import readline  # noqa: F401  # gives `input` a history and line editing
        note("Ask. Ctrl-C stops an answer, Ctrl-D ends the talk.")
    for question in _questions():
        try:
            talk.turn(question, compare=compare)
        except KeyboardInterrupt:
            note("(stopped)")
        except LiftChatError as error:
            note(str(error))


def _questions() -> Iterator[str]:
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            question = input(prompt).strip()
        except EOFError:
            return
        if question:
            yield question
