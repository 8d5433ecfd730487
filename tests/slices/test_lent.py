"""Everything that needs the device borrows it, where it is lent: chat and estimates too."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lift_chat import LiftChat
from lift_chat.costs import Costs
from lift_chat.errors import GpuRefused, InvalidConfig, LiftChatError, NotFound
from lift_chat.lent import Gpu
from lift_chat.models.context import ChatSettings
from lift_chat.models.engine import Engine
from lift_chat.models.loading import LoadedModel
from lift_chat.settings import Settings
from storage.records import Adapter
from tests.conftest import QUICK, load
from tests.slices.fake_spaces import Spaces

SHORT = ChatSettings(max_new_tokens=12)
ASK = "Who lit the lamp?"


@pytest.fixture
def learned(settings: Settings, tale: Path) -> Adapter:
    with LiftChat.open(settings=settings) as app:
        return app.absorb(app.add_document(tale).id, QUICK).wait(60)


def test_answers_are_the_same_wherever_the_device_is(
    settings: Settings, spaces: Spaces, learned: Adapter, reuses: bool
) -> None:
    spaces.reuses = reuses
    told = []
    for lend in (None, spaces.GPU):
        with LiftChat.open(settings=settings, lend=lend) as app:
            pieces = list(app.reply(learned.id, ASK, SHORT))
            answer = "".join(pieces)
            compared = list(app.compare(learned.id, ASK, SHORT))[-1]
            tinted = app.tint(learned.id, ASK, answer, SHORT)
            conversation = app.start_conversation(learned.id)
            said = "".join(app.converse(conversation.id, ASK, SHORT))
            kept = [message.content for message in app.messages(conversation.id)]
            told.append((pieces, compared, tinted, said, kept))
            app.delete_conversation(conversation.id)
    assert told[0] == told[1]
    assert len(told[0][0]) > 1 and told[0][4] == [ASK, told[0][3]]
    assert len(spaces.calls) == 4


def test_an_answer_that_is_stopped_frees_the_device(
    settings: Settings, spaces: Spaces, learned: Adapter
) -> None:
    with LiftChat.open(settings=settings, lend=spaces.GPU) as app:
        whole = "".join(app.reply(learned.id, ASK, SHORT))
        stopped = app.reply(learned.id, ASK, SHORT)
        assert whole.startswith(next(stopped))
        stopped.close()
        assert "".join(app.reply(learned.id, ASK, SHORT)) == whole
    assert len(set(spaces.pids)) == 1


def test_an_adapter_that_changed_on_disk_is_not_sent_to_the_device(
    settings: Settings, spaces: Spaces, learned: Adapter
) -> None:
    with LiftChat.open(settings=settings, lend=spaces.GPU) as app:
        path = app.library.adapter_folder(learned.id, "local") / "adapter_model.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(LiftChatError, match="adapter_model"):
            list(app.reply(learned.id, ASK, SHORT))
        with pytest.raises(NotFound):
            list(app.reply(learned.id, ASK, SHORT, owner="somebody else"))
    assert spaces.calls == []


def test_an_estimate_borrows_the_device_once_for_all_recipes_of_a_kind(
    settings: Settings, spaces: Spaces, tale: Path
) -> None:
    with LiftChat.open(settings=settings, lend=spaces.GPU) as app:
        document = app.add_document(tale)
        first = app.estimate(document.id, QUICK)
        longer = app.estimate(document.id, QUICK.with_changes(epochs=8))
        assert 0 < first.seconds < longer.seconds
    assert len(spaces.calls) == 1


def refusing() -> Iterator[int]:
    yield 1
    raise InvalidConfig("One thing contradicts another.")


def broken() -> Iterator[int]:
    yield 1
    raise ZeroDivisionError("a bug")


def test_an_error_crosses_the_fork_with_its_code_and_its_sentence(spaces: Spaces) -> None:
    gpu = Gpu(spaces.GPU)
    for work, code, sentence in (
        (refusing, "invalid_config", "One thing contradicts another."),
        (broken, "internal", "An internal error"),
    ):
        values = gpu.run(work, 20)()
        assert next(values) == 1
        with pytest.raises(LiftChatError, match=sentence) as caught:
            next(values)
        assert caught.value.code == code
    with pytest.raises(ZeroDivisionError):
        list(Gpu().run(broken, 20)())


def test_a_device_that_is_not_lent_is_no_error_of_the_work(spaces: Spaces) -> None:
    spaces.refuse = "No GPU was available after 60s."
    with pytest.raises(GpuRefused, match="No GPU was available after 60s") as caught:
        list(Gpu(spaces.GPU).run(refusing, 20)())
    assert not caught.value.begun


def test_a_lock_that_was_held_at_the_fork_holds_up_nobody_in_the_other_process(
    spaces: Spaces, tiny_folder: Path
) -> None:
    """Another thread is loading the base, and a third one computes."""
    here, entered, go_on = os.getpid(), threading.Event(), threading.Event()

    def slowly() -> LoadedModel:
        if os.getpid() == here:
            entered.set()
            go_on.wait(60)
        return load(tiny_folder)

    engine = Engine(slowly)
    loading = threading.Thread(target=lambda: engine.base)
    loading.start()
    entered.wait(60)

    def work() -> Iterator[str]:
        with engine.turn():
            yield engine.base.identity.name

    with engine.turn():
        assert list(Gpu(spaces.GPU, engine.forked).run(work, 20)()) == ["tiny"]
    go_on.set()
    loading.join()


def test_costs_are_measured_where_the_device_is(spaces: Spaces, tiny_folder: Path) -> None:
    engine = Engine(lambda: load(tiny_folder))
    costs = Costs(lambda: engine.base, engine.visit, Gpu(spaces.GPU, engine.forked))
    assert costs.probe(QUICK).operation_seconds > 0 and costs.fit(QUICK).windows == 1
    assert len(spaces.calls) == 1
