"""The verbs of LiftChat over a real library and a real (tiny) model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_chat import LiftChat, LiftConfig, Message
from lift_chat.errors import (
    AdapterDamaged,
    AdapterMismatch,
    IllegalTransition,
    InvalidConfig,
    LibraryInUse,
    NotFound,
    QueueFull,
    UnreadableDocument,
)
from lift_chat.examples import EXAMPLE, questions
from lift_chat.lift.study import teacher
from lift_chat.lift.study.request import Request
from lift_chat.lift.study.writer import Replies
from lift_chat.lift.tokens import tokenize
from lift_chat.models.context import ChatSettings
from lift_chat.models.loading import load_model
from lift_chat.settings import Settings
from storage.records import LOCAL, Adapter, Document, StudyItem
from tests.conftest import ASKED, QUICK, STUDIED, TALE, facts, make_model, taken
from tests.lift.test_preparation import Scribe, own_exam

SHORT = ChatSettings(max_new_tokens=12)


@pytest.fixture
def adapter(app: LiftChat, tale: Path) -> Adapter:
    return app.absorb(app.add_document(tale).id, QUICK).wait(60)


def test_the_six_lines_work(settings: Settings, tale: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("LIFT_CHAT_BASE_MODEL", settings.base_model)
    monkeypatch.setenv("LIFT_CHAT_CACHE", str(settings.cache))

    from lift_chat import LiftChat, LiftConfig

    app = LiftChat.open(settings.home)
    document = app.add_document(tale)
    changes = {"segment_tokens": 64, "stride_tokens": 64, "rank": 8, "alpha": 16, "epochs": 2}
    adapter = app.absorb(document.id, LiftConfig.preset("read", **changes)).wait()
    assert "Orrin Vale" in adapter.summary()
    assert "".join(app.reply(adapter.id, "Who lit the lamp?"))
    app.close()


def test_an_absorbed_document_is_in_the_library_with_its_loss(
    app: LiftChat, adapter: Adapter
) -> None:
    assert [entry.id for entry in app.adapters()] == [adapter.id]
    assert adapter.metrics["loss_after"] < adapter.metrics["loss_before"]
    assert adapter.base_fingerprint == app.engine.base.identity.fingerprint
    assert LiftConfig.from_dict(adapter.recipe) == QUICK
    job = app.jobs()[0]
    assert (job.state, job.adapter_id) == ("done", adapter.id)


def test_a_page_that_is_reloaded_gets_the_whole_curve(app: LiftChat, adapter: Adapter) -> None:
    job = app.jobs()[0]
    whole = app.job(job.id).metrics
    stages = [point.stage for point in whole]
    assert {"before", "training", "after"} == set(stages)
    assert whole[-1].stage == "after" and [p.seq for p in whole] == sorted(p.seq for p in whole)
    assert app.job(job.id, since=whole[2].seq).metrics == whole[3:]


def test_the_same_bytes_are_the_same_document(app: LiftChat, tale: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another-name.txt"
    copy.write_bytes(tale.read_bytes())
    assert app.add_document(copy).id == app.add_document(tale).id
    assert len(app.documents()) == 1


def test_an_unreadable_file_stores_nothing(app: LiftChat, tmp_path: Path) -> None:
    path = tmp_path / "broken.pdf"
    path.write_bytes(b"%PDF-1.7 nothing else")
    with pytest.raises(UnreadableDocument, match=r"broken\.pdf"):
        app.add_document(path)
    assert app.documents() == []
    assert not list((app.settings.home / "documents").iterdir())


def test_starting_twice_gives_the_same_job_and_after_it_the_same_adapter(
    app: LiftChat, tale: Path
) -> None:
    document = app.add_document(tale)
    first, second = app.absorb(document.id, QUICK), app.absorb(document.id, QUICK)
    assert first.id == second.id
    adapter = first.wait(60)
    assert app.absorb(document.id, QUICK).wait(5).id == adapter.id
    app.delete_adapter(adapter.id)
    assert app.absorb(document.id, QUICK).id != first.id


def test_chapters_that_are_not_there_are_refused(app: LiftChat, tale: Path) -> None:
    document = app.add_document(tale)
    with pytest.raises(InvalidConfig, match="chapters"):
        app.absorb(document.id, QUICK.with_changes(chapters=(99,)))


def test_only_the_ticked_chapters_are_read(app: LiftChat, tmp_path: Path) -> None:
    path = tmp_path / "book.md"
    parts = [f"# Part {n}\n\n" + f"Words of part {n}. " * 60 for n in range(3)]
    path.write_text("\n\n".join(parts), encoding="utf-8")
    document = app.add_document(path)
    titles = [chapter.title for chapter in app.outline(document.id)]
    chosen = QUICK.with_changes(chapters=(titles.index("Part 1"),))
    whole, part = (app.estimate(document.id, config) for config in (QUICK, chosen))
    assert 0.2 < part.document_tokens / whole.document_tokens < 0.5


def test_an_estimate_is_given_before_the_start(app: LiftChat, tale: Path) -> None:
    result = app.estimate(app.add_document(tale).id, QUICK)
    assert result.seconds > 0 and result.memory_bytes > 0 and result.fits
    assert app.jobs() == []


def test_the_last_run_teaches_the_next_estimate(app: LiftChat, adapter: Adapter) -> None:
    assert "last run" in app.estimate(adapter.document_id, QUICK).basis


def test_replies_stream_and_differ_from_the_base(app: LiftChat, adapter: Adapter) -> None:
    pieces = list(app.reply(adapter.id, "Who lit the lamp?", SHORT))
    assert len(pieces) > 1
    last = list(app.compare(adapter.id, "Who lit the lamp?", SHORT))[-1]
    assert last.adapted == "".join(pieces)
    assert last.base != last.adapted


def test_the_base_of_a_comparison_is_bit_equal_to_a_never_adapted_model(
    app: LiftChat, adapter: Adapter, tiny_folder: Path
) -> None:
    list(app.reply(adapter.id, "Who?", SHORT))
    cache = tiny_folder.parent
    never = load_model(str(tiny_folder), app.device, cache=cache, revision=None, four_bit=False)
    ids = tokenize(never, TALE)[:, :60]
    with torch.no_grad():
        assert torch.equal(app.engine.base.model(ids).logits, never.model(ids).logits)
    compared = list(app.compare(adapter.id, "Who?", SHORT))[-1].base
    never_app = app.engine
    from lift_chat.models.reply import decode

    window = app._chat.window(adapter, "Who?", SHORT)
    assert compared == "".join(decode(never.model, never, window.ids, SHORT, never_app.turn))


def test_a_conversation_is_kept_and_survives_a_restart(settings: Settings, tale: Path) -> None:
    with LiftChat.open(settings=settings) as app:
        made = app.absorb(app.add_document(tale).id, QUICK).wait(60)
        talk = app.start_conversation(made.id)
        answer = "".join(app.converse(talk.id, "Who lit the lamp?", SHORT))
    with LiftChat.open(settings=settings) as app:
        assert [talk.id] == [entry.id for entry in app.conversations(made.id)]
        messages = app.messages(talk.id)
        assert [(m.role, m.content) for m in messages] == [
            ("user", "Who lit the lamp?"),
            ("assistant", answer),
        ]
        assert "window" in messages[1].facts
        app.rewind(talk.id, 0)
        assert app.messages(talk.id) == []


def test_a_stopped_answer_is_kept_as_far_as_it_came(app: LiftChat, adapter: Adapter) -> None:
    talk = app.start_conversation(adapter.id)
    pieces = app.converse(talk.id, "Who?", ChatSettings(max_new_tokens=400))
    seen = next(pieces) + next(pieces)
    pieces.close()
    assert app.messages(talk.id)[1].content == seen


def test_an_empty_question_is_refused_and_not_stored(app: LiftChat, adapter: Adapter) -> None:
    talk = app.start_conversation(adapter.id)
    with pytest.raises(InvalidConfig, match="Ask something"):
        list(app.converse(talk.id, "  "))
    assert app.messages(talk.id) == []


def test_a_deleted_document_leaves_an_adapter_that_answers_from_weights(
    app: LiftChat, adapter: Adapter
) -> None:
    assert app.delete_document(adapter.document_id) > 0
    facts = app.window(adapter.id, "Who?", SHORT)
    assert facts.document_tokens == 0 and "weights alone" in facts.sentence()
    assert "".join(app.reply(adapter.id, "Who?", SHORT))


def test_a_changed_adapter_file_never_answers(settings: Settings, tale: Path) -> None:
    with LiftChat.open(settings=settings) as app:
        made = app.absorb(app.add_document(tale).id, QUICK).wait(60)
        path = app.library.adapter_folder(made.id, LOCAL) / "adapter_model.safetensors"
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    with (
        LiftChat.open(settings=settings) as app,
        pytest.raises(AdapterDamaged, match=r"adapter_model\.safetensors"),
    ):
        list(app.reply(made.id, "Who?"))


def test_an_adapter_of_another_base_is_refused_and_the_reason_said(
    settings: Settings, tale: Path, tmp_path: Path
) -> None:
    with LiftChat.open(settings=settings) as app:
        made = app.absorb(app.add_document(tale).id, QUICK).wait(60)
    other = make_model(tmp_path / "other-base", seed=5)
    changed = settings.model_copy(update={"base_model": str(other)})
    with LiftChat.open(settings=changed) as app:
        assert "was made for tiny" in app.compatible(app.adapter(made.id))
        with pytest.raises(AdapterMismatch, match="was made for tiny"):
            list(app.reply(made.id, "Who?"))


def test_a_second_app_on_the_same_library_is_refused(app: LiftChat) -> None:
    with pytest.raises(LibraryInUse):
        LiftChat.open(settings=app.settings)


def test_too_many_waiting_jobs_are_refused(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lift_chat.service.MAX_QUEUED", 2)
    with LiftChat.open(settings=settings, worker=False) as app:
        document = app.add_document(tale)
        for seed in range(2):
            app.absorb(document.id, QUICK.with_changes(seed=seed))
        with pytest.raises(QueueFull):
            app.absorb(document.id, QUICK.with_changes(seed=9))


VERBS: dict[str, Callable[[LiftChat, dict[str, str], str], object]] = {
    "document": lambda app, ids, who: app.document(ids["document"], owner=who),
    "outline": lambda app, ids, who: app.outline(ids["document"], owner=who),
    "pages": lambda app, ids, who: app.pages(ids["document"], owner=who),
    "study_items": lambda app, ids, who: app.study_items(ids["document"], owner=who),
    "set_study_items": lambda app, ids, who: app.set_study_items(ids["document"], [], owner=who),
    "study_cards": lambda app, ids, who: app.study_cards(ids["document"], owner=who),
    "delete_document": lambda app, ids, who: app.delete_document(ids["document"], owner=who),
    "estimate": lambda app, ids, who: app.estimate(ids["document"], QUICK, owner=who),
    "absorb": lambda app, ids, who: app.absorb(ids["document"], QUICK, owner=who),
    "absorb_slice": lambda app, ids, who: list(app.absorb_slice(ids["job"], owner=who)),
    "slices_needed": lambda app, ids, who: app.slices_needed(ids["document"], QUICK, owner=who),
    "slices_left": lambda app, ids, who: app.slices_left(ids["job"], owner=who),
    "job": lambda app, ids, who: app.job(ids["job"], owner=who),
    "stop_job": lambda app, ids, who: app.stop_job(ids["job"], keep=False, owner=who),
    "resume_job": lambda app, ids, who: app.resume_job(ids["job"], owner=who),
    "adapter": lambda app, ids, who: app.adapter(ids["adapter"], owner=who),
    "update_adapter": lambda app, ids, who: app.update_adapter(ids["adapter"], name="x", owner=who),
    "export_adapter": lambda app, ids, who: app.export_adapter(ids["adapter"], "x.zip", owner=who),
    "export_vllm": lambda app, ids, who: app.export_vllm(ids["adapter"], "x", owner=who),
    "measure_leak": lambda app, ids, who: list(app.measure_leak(ids["adapter"], owner=who)),
    "push_adapter": lambda app, ids, who: app.push_adapter(ids["adapter"], "a/b", owner=who),
    "delete_adapter": lambda app, ids, who: app.delete_adapter(ids["adapter"], owner=who),
    "reply": lambda app, ids, who: list(app.reply(ids["adapter"], "?", owner=who)),
    "warm": lambda app, ids, who: app.warm(ids["adapter"], owner=who),
    "window": lambda app, ids, who: app.window(ids["adapter"], "?", owner=who),
    "compare": lambda app, ids, who: list(app.compare(ids["adapter"], "?", owner=who)),
    "citations": lambda app, ids, who: app.citations(ids["adapter"], "Yes.", owner=who),
    "tint": lambda app, ids, who: app.tint(ids["adapter"], "?", "Yes.", owner=who),
    "conversations": lambda app, ids, who: app.conversations(ids["adapter"], owner=who),
    "start_conversation": lambda app, ids, who: app.start_conversation(ids["adapter"], owner=who),
    "messages": lambda app, ids, who: app.messages(ids["talk"], owner=who),
    "converse": lambda app, ids, who: list(app.converse(ids["talk"], "?", owner=who)),
    "rewind": lambda app, ids, who: app.rewind(ids["talk"], 0, owner=who),
    "delete_conversation": lambda app, ids, who: app.delete_conversation(ids["talk"], owner=who),
}
LISTS = {"documents", "jobs", "adapters"}
NOBODYS = {
    "open", "close", "prepare", "health", "compatible", "add_document", "import_adapter",
    "pull_adapter",
    "keep_library", "restore_library", "library_is_behind", "drop_kept",
}  # fmt: skip


def test_nobody_touches_what_is_somebody_elses(app: LiftChat, adapter: Adapter) -> None:
    ids = {
        "adapter": adapter.id,
        "document": adapter.document_id,
        "job": app.jobs()[0].id,
        "talk": app.start_conversation(adapter.id).id,
    }
    for name, verb in VERBS.items():
        with pytest.raises(NotFound):
            verb(app, ids, "mallory")
            pytest.fail(f"{name} served a stranger")
    for name in LISTS:
        assert getattr(app, name)(owner="mallory") == [] != getattr(app, name)()


def test_every_verb_has_an_entry_in_the_ownership_matrix() -> None:
    public = {name for name in vars(LiftChat) if not name.startswith("_")}
    assert public == set(VERBS) | LISTS | NOBODYS


def test_what_is_over_cannot_be_resumed(app: LiftChat, adapter: Adapter) -> None:
    with pytest.raises(IllegalTransition):
        app.resume_job(app.jobs()[0].id)


def test_messages_may_be_a_whole_conversation(app: LiftChat, adapter: Adapter) -> None:
    history = [Message("user", "Hi."), Message("assistant", "Yes?"), Message("user", "Who?")]
    assert "".join(app.reply(adapter.id, history, SHORT))
    with pytest.raises(InvalidConfig):
        list(app.reply(adapter.id, history[:2], SHORT))


def studied(app: LiftChat, tale: Path) -> Document:
    """The tale with questions of a model's, as an earlier run leaves them."""
    document = app.add_document(tale)
    items = facts(app.library.document_text(document.id, LOCAL))
    app.library.set_study_items(document.id, LOCAL, items)
    return document


def test_questions_kept_with_a_document_are_studied_and_examined(app: LiftChat, tale: Path) -> None:
    document = studied(app, tale)
    kept = app.study_items(document.id)
    handle = app.absorb(document.id, STUDIED)
    adapter = handle.wait(120)
    assert adapter.metrics["study"] == taken(8) and app.study_items(document.id) == kept
    exam = adapter.metrics["exam"]
    assert exam["questions"] == 2 and exam["control"] is None
    answers = {answer["question"]: answer["gold"] for answer in exam["answers"]}
    assert answers.items() <= {item.question: item.answer for item in kept}.items()


def test_exam_points_and_pinned_answers_reach_the_library(app: LiftChat, tale: Path) -> None:
    handle = app.absorb(studied(app, tale).id, STUDIED)
    exam = handle.wait(120).metrics["exam"]
    status = handle.status()
    points = [(point.step, point.exam) for point in status.metrics if point.exam is not None]
    assert points == [(point["step"], point["closed"]) for point in exam["history"]]
    assert len(points) == 4
    assert [entry["question"] for entry in status.job.pinned] == [
        answer["question"] for answer in exam["answers"]
    ]
    for entry in status.job.pinned:
        assert [answer["step"] for answer in entry["answers"]] == [step for step, _ in points]


def test_the_adapter_of_another_document_sits_the_exam_as_a_control(
    app: LiftChat, tale: Path, tmp_path: Path
) -> None:
    other = tmp_path / "another.txt"
    other.write_text("The Salt Road\n\n" + "Carts went north before the rain. " * 20)
    app.absorb(app.add_document(other).id, QUICK, name="Salt").wait(60)
    document = studied(app, tale)
    first = app.absorb(document.id, STUDIED).wait(120)
    assert first.metrics["exam"]["control"]["name"] == "Salt"
    again = app.absorb(document.id, STUDIED.with_changes(seed=1)).wait(120)
    assert again.metrics["exam"]["control"]["name"] == "Salt"


ASK = STUDIED.with_changes(exam_questions=0, distill=False)


def test_absorbing_again_is_a_new_run_once_the_questions_were_edited(
    app: LiftChat, tale: Path
) -> None:
    document = studied(app, tale)
    kept = app.study_items(document.id)
    first = app.absorb(document.id, ASK)
    first.wait(120)
    app.set_study_items(document.id, kept)
    assert app.absorb(document.id, ASK).id == first.id
    app.set_study_items(document.id, [replace(kept[0], answer="nobody"), *kept[1:]])
    second = app.absorb(document.id, ASK)
    assert second.id != first.id
    assert second.wait(120).id != first.wait(1).id
    assert app.absorb(document.id, ASK).id == second.id
    app.library.set_study_items(document.id, LOCAL, kept)
    assert app.absorb(document.id, ASK).id == first.id


def test_a_job_that_waits_studies_what_is_edited_before_it_begins(
    settings: Settings, tale: Path
) -> None:
    with LiftChat.open(settings=settings, worker=False) as app:
        document = studied(app, tale)
        waiting = app.absorb(document.id, ASK)
        app.set_study_items(document.id, app.study_items(document.id)[1:])
        assert app.absorb(document.id, ASK).id == waiting.id
    with LiftChat.open(settings=settings) as app:
        assert app.absorb(document.id, ASK).wait(120).metrics["study"] == taken(7)
        assert app.absorb(document.id, ASK).id == waiting.id


def test_a_recipe_that_asks_nothing_is_the_same_whatever_is_kept(app: LiftChat, tale: Path) -> None:
    document = app.add_document(tale)
    first = app.absorb(document.id, QUICK)
    first.wait(60)
    app.set_study_items(document.id, facts(app.library.document_text(document.id, LOCAL)))
    assert app.absorb(document.id, QUICK).id == first.id


def test_what_a_person_wrote_is_studied_and_never_examined(app: LiftChat, tale: Path) -> None:
    document = app.add_document(tale)
    app.set_study_items(document.id, facts(app.library.document_text(document.id, LOCAL)))
    assert {item.origin for item in app.study_items(document.id)} == {"person"}
    adapter = app.absorb(document.id, STUDIED).wait(120)
    assert adapter.metrics["study"] == taken(8) and "exam" not in adapter.metrics
    assert adapter.metrics["trained_tokens"] > trained_on_text_alone(app, document)


def trained_on_text_alone(app: LiftChat, document: Document) -> int:
    return app.estimate(document.id, STUDIED.with_changes(study="none")).trained_tokens


def test_questions_that_a_job_wrote_are_kept_and_the_next_job_studies_them(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """About the chapter that it absorbed, at their places in the whole document."""
    path = tmp_path / "book.md"
    path.write_text(f"# The road\n\nCarts went north before it rained.\n\n# The lamp\n\n{TALE}\n")
    scribe = Scribe()
    monkeypatch.setattr(LiftChat, "_writer", lambda self: scribe)
    monkeypatch.setattr(teacher, "AGREEMENT", 0.0)
    with LiftChat.open(settings=settings) as app:
        document = app.add_document(path)
        text = app.library.document_text(document.id, LOCAL)
        road = StudyItem("Which way did the carts go?", "north", 12, text.index("rained"))
        app.set_study_items(document.id, [road])
        lamp = [chapter.title for chapter in app.outline(document.id)].index("The lamp")
        config = STUDIED.with_changes(writer="endpoint", chapters=(lamp,))
        first = app.absorb(document.id, config).wait(120)
        kept = app.study_items(document.id)
        assert first.metrics["study"]["kept"] == 8 and scribe.asked > 0
        assert [item.answer for item in kept] == ["north", *(answer for _, answer in ASKED)]
        assert all(item.answer in text[item.start : item.end] for item in kept)
        asked = scribe.asked
        assert app.absorb(document.id, config).wait(5).id == first.id
        second = app.absorb(document.id, config.with_changes(seed=1)).wait(120)
        assert second.metrics["study"] == taken(8) and scribe.asked == asked
        assert app.study_items(document.id) == kept
        whole = app.absorb(document.id, config.with_changes(chapters=())).wait(120)
        assert whole.metrics["study"] == taken(9)


@pytest.mark.parametrize("form", [EXAMPLE.pdf, EXAMPLE.markdown])
def test_the_example_comes_with_its_experts_questions_for_the_exam(
    app: LiftChat, tmp_path: Path, form: Path
) -> None:
    renamed = tmp_path / f"dropped{form.suffix}"
    shutil.copy(form, renamed)
    document = app.add_document(renamed, owner="somebody")
    items = app.study_items(document.id, owner="somebody")
    assert [item.question for item in items] == [asked.question for asked in questions()]
    text = app.library.document_text(document.id, "somebody")
    for item, asked in zip(items, questions(), strict=True):
        assert item.answer == asked.answers[0] and item.answer in text[item.start : item.end]
        assert item.kind == ("pinned" if asked.pinned else "exam")
    assert [item.start for item in items] != [0] * 40
    app.set_study_items(document.id, [], owner="somebody")
    assert app.add_document(renamed, owner="somebody") == document
    assert app.study_items(document.id, owner="somebody") == [], "a person took them out"


def test_no_other_document_comes_with_questions(app: LiftChat, tale: Path) -> None:
    assert app.study_items(app.add_document(tale).id) == []


def test_an_own_exam_is_held_and_survives_what_the_job_writes(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe = Scribe()
    monkeypatch.setattr(LiftChat, "_writer", lambda self: scribe)
    monkeypatch.setattr(teacher, "AGREEMENT", 0.0)
    config = STUDIED.with_changes(writer="endpoint")
    with LiftChat.open(settings=settings) as app:
        document = app.add_document(tale)
        app.set_study_items(document.id, own_exam())
        first = app.absorb(document.id, config)
        exam = first.wait(120).metrics["exam"]
        assert [a["question"] for a in exam["answers"]] == [i.question for i in own_exam()]
        assert [p["question"] for p in first.status().job.pinned] == [own_exam()[1].question]
        kept = app.study_items(document.id)
        assert kept[:2] == own_exam() and len(kept) == 10
        assert app.absorb(document.id, config).id == first.id
        app.set_study_items(document.id, kept[1:])
        asked = scribe.asked
        second = app.absorb(document.id, config)
        assert second.id != first.id, "another exam is another run"
        assert second.wait(120).metrics["exam"]["questions"] == 2
        assert scribe.asked == asked and app.study_items(document.id) == kept[1:]


def test_what_is_done_to_an_own_exam_while_questions_are_written_is_not_undone(
    settings: Settings, tale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = [replace(own_exam()[0], answer="Nobody knows"), *own_exam()[1:]]

    class Slow(Scribe):
        def write(self, requests: Sequence[Request]) -> Replies:
            app.set_study_items(document.id, changed)
            yield from super().write(requests)

    monkeypatch.setattr(LiftChat, "_writer", lambda self: Slow())
    monkeypatch.setattr(teacher, "AGREEMENT", 0.0)
    with LiftChat.open(settings=settings) as app:
        document = app.add_document(tale)
        app.set_study_items(document.id, own_exam())
        job = app.absorb(document.id, STUDIED.with_changes(writer="endpoint"))
        golds = [answer["gold"] for answer in job.wait(120).metrics["exam"]["answers"]]
        assert golds == ["Orrin Vale", "Orrin Vale"], "those that the run began with"
        assert app.study_items(document.id)[:2] == changed
        assert app.absorb(document.id, STUDIED.with_changes(writer="endpoint")).id != job.id


def test_a_recipe_without_an_exam_is_the_same_whatever_its_questions_are(
    app: LiftChat, tale: Path
) -> None:
    document = studied(app, tale)
    first = app.absorb(document.id, ASK)
    first.wait(120)
    app.set_study_items(document.id, [*own_exam(), *app.study_items(document.id)])
    assert app.absorb(document.id, ASK).id == first.id
    assert app.absorb(document.id, STUDIED).id != first.id


def test_a_gated_memory_is_absorbed_and_answers(app: LiftChat, tale: Path) -> None:
    config = QUICK.with_changes(adapter="gated-memory", learning_rate=2e-2, epochs=8)
    adapter = app.absorb(app.add_document(tale).id, config).wait(120)
    assert adapter.kind == "gated-memory"
    assert adapter.metrics["loss_after"] < adapter.metrics["loss_before"] - 0.1
    compared = list(app.compare(adapter.id, "Who lit the lamp?", SHORT))[-1]
    assert compared.adapted != compared.base
    assert "".join(app.reply(adapter.id, "Who lit the lamp?", SHORT)) == compared.adapted
    none = ChatSettings(max_new_tokens=12, strength=0.0)
    assert "".join(app.reply(adapter.id, "Who lit the lamp?", none)) == compared.base


def test_health_says_what_runs_where(app: LiftChat) -> None:
    health = app.health()
    assert health["status"] == "ok" and health["base_why"] and not health["base_loaded"]
    assert health["free_disk_bytes"] > 0


def test_the_estimate_counts_the_questions_that_are_kept(app: LiftChat, tale: Path) -> None:
    document = app.add_document(tale)
    fresh = app.estimate(document.id, STUDIED)
    text = app.library.document_text(document.id, LOCAL)
    app.library.set_study_items(document.id, LOCAL, own_exam())
    assert app.estimate(document.id, STUDIED).trained_tokens >= fresh.trained_tokens
    app.library.set_study_items(document.id, LOCAL, [*own_exam(), *facts(text)[:1]])
    assert app.estimate(document.id, STUDIED).trained_tokens < fresh.trained_tokens
