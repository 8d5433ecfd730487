"""What a chat looks up in a document, over a real library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lift_chat import ChatSettings, LiftChat, Message
from lift_chat.adapters import kinds
from lift_chat.errors import InvalidConfig
from lift_chat.examples import EXAMPLE, questions
from lift_chat.reading import MOST_READINGS, Reading, Readings
from lift_chat.settings import Settings
from storage.records import LOCAL, Adapter, Document
from tests.conftest import QUICK, TALE

SEEN = ChatSettings(context="retrieved", max_new_tokens=12, window_tokens=500)


@pytest.fixture
def example(app: LiftChat) -> Document:
    return app.add_document(EXAMPLE.pdf)


def publish(app: LiftChat, tale: Path) -> Adapter:
    """An adapter that learned nothing: it differs from the base at random."""
    base = app.engine.base
    adapted = kinds.attach(base.twin(), QUICK)
    torch.manual_seed(1)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    with app.library.staged_adapter() as staged:
        kinds.save(adapted, staged.folder, base.identity)
        return app.library.publish_adapter(
            staged,
            owner=LOCAL,
            document_id=app.add_document(tale).id,
            job_id=None,
            name="Tale",
            kind="lora",
            base_model=base.identity.name,
            base_revision=base.identity.revision,
            base_fingerprint=base.identity.fingerprint,
            recipe={},
            metrics={},
        )


@pytest.fixture
def adapter(app: LiftChat, tale: Path) -> Adapter:
    return publish(app, tale)


def reading(app: LiftChat, document: Document) -> Reading:
    pages = app.pages(document.id)
    return Reading(document, pages, lambda: app.engine.base.tokenizer)


def test_the_passage_with_the_answer_is_among_the_best(app: LiftChat, example: Document) -> None:
    found = reading(app, example)
    text = found.source.text
    asked = questions()
    hits = 0
    for question in asked:
        best = [" ".join(text[a:b].split()) for a, b in found.passages(question.question)[:3]]
        hits += any(question.evidence in passage for passage in best)
    assert hits >= 0.75 * len(asked)


def test_passages_are_parts_of_the_document_and_none_without_a_word_of_it(
    app: LiftChat, example: Document
) -> None:
    found = reading(app, example)
    places = found.passages("Which river drains Lake Ombrath?")
    assert all(0 <= start < end <= len(found.source.text) for start, end in places)
    assert len(places) == len(set(places)) > 3
    assert found.passages("Xylophone zeppelin?") == []


def test_a_reading_is_made_once_and_the_oldest_goes_first(app: LiftChat, example: Document) -> None:
    made: list[str] = []
    readings = Readings()

    def get(document_id: str) -> Reading:
        def make() -> Reading:
            made.append(document_id)
            return reading(app, example)

        return readings.get(document_id, make)

    ids = [str(number) for number in range(MOST_READINGS)]
    first = [get(document_id) for document_id in ids]
    assert [get(document_id) for document_id in ids] == first and made == ids
    get("new"), get("0")
    assert made == [*ids, "new", "0"]
    readings.forget("0")
    get("0"), get("new")
    assert made[-1] == "0" and len(made) == len(ids) + 3


def test_a_question_brings_its_passages_into_the_window(app: LiftChat, adapter: Adapter) -> None:
    history = [Message("user", "Hello?"), Message("assistant", "Yes."), Message("user", "Honey?")]
    settings = ChatSettings(context="retrieved", max_new_tokens=12, window_tokens=230)
    facts = app.window(adapter.id, history, settings)
    assert facts.mode == "retrieved" and not facts.fell_back
    assert 0 < facts.document_tokens < facts.document_total_tokens
    window = app._chat.window(adapter, history, settings)
    assert "cask of honey" in app.engine.base.tokenizer.decode(window.ids)
    assert app.window(adapter.id, "Xylophone?", settings).fell_back


def test_a_document_is_cut_and_indexed_once(
    app: LiftChat, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []

    class Counted:
        def __init__(self, texts: list[str]) -> None:
            built.append(len(texts))

        def best(self, query: str, limit: int) -> list[int]:
            return [0]

    monkeypatch.setattr("lift_chat.reading.PassageIndex", Counted)
    settings = ChatSettings(context="retrieved", max_new_tokens=12, window_tokens=200)
    for _ in range(3):
        app.window(adapter.id, "Who lit the lamp?", settings)
    assert len(built) == 1
    app.delete_document(adapter.document_id)
    assert app.window(adapter.id, "Who lit the lamp?", settings).document_tokens == 0
    assert app._chat._readings._kept == {}


def test_for_one_answer_the_document_is_looked_up_once(
    app: LiftChat, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, looked_up = app.library.source, []

    def watched(adapter_id: str, owner: str) -> Document | None:
        looked_up.append(adapter_id)
        return source(adapter_id, owner)

    monkeypatch.setattr(app.library, "source", watched)
    assert "".join(app.reply(adapter.id, "Who lit the lamp?", SEEN))
    assert looked_up == [adapter.id]
    list(app.compare(adapter.id, "Who lit the lamp?", SEEN))
    app.tint(adapter.id, "Who lit the lamp?", "Sable Quist", SEEN)
    assert looked_up == [adapter.id] * 3


def test_an_answer_is_followed_by_where_it_stands(app: LiftChat, adapter: Adapter) -> None:
    (found,) = app.citations(adapter.id, "It was lit by Sable Quist.", question="Who lit the lamp?")
    pages = app.pages(adapter.document_id)
    text = "\n\n".join(page.text for page in pages)
    assert "Sable Quist" in found.quote and text[found.start : found.end] == found.quote
    assert app.citations(adapter.id, "By Captain Morgan.", question="Who lit the lamp?") == []
    app.delete_document(adapter.document_id)
    assert app.citations(adapter.id, "It was lit by Sable Quist.") == []


def test_pages_are_found_without_loading_a_model(settings: Settings, tale: Path) -> None:
    with LiftChat.open(settings=settings) as app:
        made = publish(app, tale)
    with LiftChat.open(settings=settings, worker=False) as app:
        assert app.citations(made.id, "It was lit by Sable Quist.")
        assert not app.engine.is_loaded


def test_the_pages_are_kept_with_the_answer(
    app: LiftChat, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lift_chat.chat.decode", lambda *_: iter(["A cask ", "of honey."]))
    talk = app.start_conversation(adapter.id)
    list(app.converse(talk.id, "What did Ilse Tarn send?", SEEN))
    (found,) = app.messages(talk.id)[1].facts["citations"]
    assert found["page"] == 1 and "a cask of honey" in found["quote"]


def test_an_answer_is_kept_when_its_pages_cannot_be_found(
    app: LiftChat, adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise OSError("no disk")

    talk = app.start_conversation(adapter.id)
    monkeypatch.setattr("lift_chat.chat.Chat.citations", broken)
    with pytest.raises(OSError, match="no disk"):
        list(app.converse(talk.id, "Who lit the lamp?", SEEN))
    assert [message.role for message in app.messages(talk.id)] == ["user", "assistant"]


def test_the_tokens_of_an_answer_say_what_the_adapter_added(
    app: LiftChat, adapter: Adapter
) -> None:
    question = "Who lit the lamp of Orrin Vale?"
    settings = ChatSettings(context="none", max_new_tokens=12)
    told = "The lamp of Orrin Vale was lit by a keeper named Sable Quist"
    tokens = app.tint(adapter.id, question, told, settings).tokens
    assert "".join(token.text for token in tokens) == told
    assert max(abs(token.gain) for token in tokens) > 0.1
    at_nought = ChatSettings(context="none", max_new_tokens=12, strength=0)
    unread = app.tint(adapter.id, question, told, at_nought).tokens
    assert {token.gain for token in unread} == {0.0}


def test_beside_found_passages_half_of_the_adapter_speaks(app: LiftChat, adapter: Adapter) -> None:
    def gains(**settings: Any) -> list[float]:
        tint = app.tint(adapter.id, "Who lit the lamp?", "Sable Quist", ChatSettings(**settings))
        return [token.gain for token in tint.tokens]

    assert gains() == gains(strength=0.5) != gains(strength=1.0)
    assert gains(context="truncated") == gains(context="truncated", strength=1.0)


def test_an_answer_too_long_for_the_model_is_refused(app: LiftChat, adapter: Adapter) -> None:
    with pytest.raises(InvalidConfig):
        app.tint(adapter.id, "Who?", TALE * 20)
