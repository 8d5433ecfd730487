"""Orders, messages and results as files and lines: equal where they are read, or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lift_chat import LiftChat
from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import AdapterDamaged, InvalidConfig
from lift_chat.executors.carrying import carry_out
from lift_chat.executors.messages import Begun, Message, Saved, Wrote, from_line, to_line
from lift_chat.executors.order import ORDER, Means, Order
from lift_chat.executors.results import RESULT, Failed, Left, read_result, write_result
from lift_chat.lift.progress import PinnedAnswer, ProgressEvent
from lift_chat.settings import Settings
from storage.records import LOCAL
from tests.conftest import QUICK, STUDIED, TALE, facts


@pytest.fixture(scope="module")
def ordered(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Order:
    """Of a job with questions and an exam; another document's adapter is in the library already."""
    folder = tmp_path_factory.mktemp("ordered")
    settings = Settings(
        home=folder / "home",
        cache=folder / "cache",
        base_model=str(tiny_folder),
        device="cpu",
        threads=1,
    )
    tale, other = folder / "tale.txt", folder / "other.txt"
    tale.write_text(TALE)
    other.write_text("Carts went north before it rained. " * 20)
    with LiftChat.open(settings=settings) as app:
        one = app.absorb(app.add_document(other).id, QUICK.with_changes(epochs=1)).wait(60)
    with LiftChat.open(settings=settings, worker=False) as app:
        document = app.add_document(tale)
        items = facts(app.library.document_text(document.id, LOCAL))
        app.set_study_items(document.id, items)
        app.absorb(document.id, STUDIED, name="Ünïcode “tale” \u2028")
        job = app.library.claim_next_job()
        assert job is not None
        order = Order.of(app.library, job, Means.of(settings, app.choice.name))
    assert [control.fingerprint for control in order.controls] == [one.base_fingerprint]
    return order


def test_an_order_is_the_same_where_it_is_read(ordered: Order, tmp_path: Path) -> None:
    place = tmp_path / "order"
    ordered.write(place)
    read = Order.read(place)
    assert read.assignment == ordered.assignment and read.means == ordered.means
    assert len(read.assignment.given) == 8 and read.assignment.pages
    (control,) = read.controls
    assert control.folder.parent == place
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        sent = (ordered.controls[0].folder / name).read_bytes()
        assert (control.folder / name).read_bytes() == sent


def test_only_a_control_for_the_very_base_is_used(ordered: Order) -> None:
    (control,) = ordered.controls
    assert ordered.for_base(control.fingerprint).control == (control.name, control.folder)
    assert ordered.for_base("f" * 64).control is None


def test_a_second_order_in_a_folder_replaces_the_first(ordered: Order, tmp_path: Path) -> None:
    place = tmp_path / "order"
    ordered.write(place)
    replace(ordered, controls=()).write(place)
    assert [path.name for path in place.iterdir()] == [ORDER]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lift_chat": "0.0.1"}, "install the same on both"),
        ({"job": {}}, "no order"),
        ({"pages": [{"number": 1}]}, "no order"),
        ({"controls": [{}]}, "no order"),
        ({"means": {"base_model": "tiny", "command": "true"}}, "no order"),
    ],
)
def test_what_is_no_order_for_this_version_fails_in_one_sentence(
    ordered: Order, tmp_path: Path, change: dict[str, object], sentence: str
) -> None:
    place, results = tmp_path / "order", tmp_path / "results"
    ordered.write(place)
    told = json.loads((place / ORDER).read_bytes())
    (place / ORDER).write_text(json.dumps({**told, **change}))
    with pytest.raises(InvalidConfig, match=sentence):
        Order.read(place)
    results.mkdir()
    carry_out(place, tmp_path / "work", results, lambda lines: "")
    outcome = read_result(results)
    assert isinstance(outcome, Failed)
    assert outcome.code == "invalid_config" and sentence in outcome.sentence


def test_nobody_to_tell_is_no_failure_of_the_job(ordered: Order, tmp_path: Path) -> None:
    place, results = tmp_path / "order", tmp_path / "results"
    ordered.write(place)
    results.mkdir()

    def gone(lines: object) -> str:
        raise ConnectionError("nobody there")

    with pytest.raises(ConnectionError):
        carry_out(place, tmp_path / "work", results, gone)
    assert list(results.iterdir()) == []


MESSAGES: list[Message] = [
    ProgressEvent("training", 3, 9, 1.5, 100, 7.25, 0.5, None, "Going on.", 12.5),
    ProgressEvent("exam", 3, 9, pinned=(PinnedAnswer("Who?", "Sable", "“Ilse”\n\u2028"),)),
    Begun(anew=True),
    Wrote(tuple(facts())),
    Saved(step=7),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_one_line_and_the_same_where_it_is_read(message: Message) -> None:
    line = to_line(message)
    assert len(line.splitlines()) == 1
    assert from_line(line) == message


@pytest.mark.parametrize(
    "line", ["", "[]", "{}", '{"says": "Rm"}', '{"says": "Saved"}', '{"says": "Begun", "x": 1}']
)
def test_a_line_that_is_no_message_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="a task said"):
        from_line(line)


@pytest.mark.parametrize("outcome", [Left("close"), Failed("disk_full", "No room.")])
def test_an_outcome_is_the_same_where_it_is_read(outcome: Left | Failed, tmp_path: Path) -> None:
    write_result(tmp_path, outcome)
    assert read_result(tmp_path) == outcome


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{}", '{"ended": "Lost"}', '{"ended": "Made"}']
)
def test_a_folder_without_an_end_is_refused(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / RESULT).write_text(content)
    with pytest.raises(AdapterDamaged, match="cannot be read"):
        read_result(tmp_path)
