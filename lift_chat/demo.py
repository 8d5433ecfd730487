"""`lift-chat demo`: the main job on the example document, before one's eyes.

Three questions to the model that has not read it, the absorbing, and the same questions to the
adapter. Every answer comes from weights alone: the model is shown no text of the document. What
is printed is what came out, right or wrong, beside the answer that the document gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from lift_chat.commands.output import note, say
from lift_chat.commands.preview import say_document, say_estimate
from lift_chat.commands.watching import end_of, run_to_end
from lift_chat.examples import EXAMPLE, Question, questions
from lift_chat.lift.recipe import LiftConfig
from storage.records import Document, Message

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

Ask = Callable[[str], Iterator[str]]
AskUnread = Callable[["LiftChat", Document, str], Iterator[str]]

ANSWER_TOKENS = 40


def ask_unread(service: LiftChat, document: Document, question: str) -> Iterator[str]:
    """The base model's answer, asked in the same words as the adapter will be."""
    from lift_chat.models.context import ChatSettings, Source, assemble
    from lift_chat.models.reply import decode

    settings = ChatSettings(context="none", max_new_tokens=ANSWER_TOKENS)
    base, turn = service.engine.base, service.engine.turn
    source = Source(document.title, ())
    window = assemble(base, source, [Message("user", question)], settings)
    return decode(base.model, base, window.ids, settings, turn)


def run_demo(service: LiftChat, *, unread: AskUnread = ask_unread) -> bool:
    """Prints the whole way; whether an adapter was made. `unread` answers without an adapter."""
    from lift_chat.models.context import ChatSettings

    settings = ChatSettings(context="none", max_new_tokens=ANSWER_TOKENS)
    config = LiftConfig.preset("read")
    pinned = [question for question in questions() if question.pinned]
    document = service.add_document(EXAMPLE.pdf)
    say_document(document, service.outline(document.id))
    note(f"\nLoading the base model, {service.health()['base_model']}.")
    say("\nBefore: the model has not read it, and is shown nothing of it.")
    _answers(pinned, lambda question: unread(service, document, question))
    say("\nAbsorbing it:")
    say_estimate(service.estimate(document.id, config))
    handle = service.absorb(document.id, config)
    job = run_to_end(service, handle.id)
    if job is None:
        return False
    if job.state != "done" or not job.adapter_id:
        note(end_of(job))
        return False
    adapter = service.adapter(job.adapter_id)
    say(adapter.summary())
    say("\nAfter: the same questions, still with no text to look at.")
    _answers(pinned, lambda question: service.reply(adapter.id, question, settings))
    return True


def _answers(pinned: list[Question], ask: Ask) -> None:
    for question in pinned:
        say(f"\n  {question.question}")
        pieces = ask(question.question)
        # The first one may take long, and what is said while a model loads belongs before it.
        first = next(pieces, "")
        say("    model:    ", end="")
        for piece in chain([first], pieces):
            say(piece.replace("\n", " "), end="")
        say(f"\n    document: {question.answers[0]}")
