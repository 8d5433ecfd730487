"""The endpoints over HTTP, as a program uses them, against the fake service."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from storage.records import StudyItem
from tests.ui.fakes import ANSWER, BASE_ANSWER, SLICE_STEPS, STEPS, FakeLiftChat
from tests.ui.numbers import EXAM_STEPS, METRICS
from ui.payloads import changes_of, messages_of, uploaded

Served = tuple[FakeLiftChat, str]
PATIENCE = 30.0


def call(client: Client, name: str, *args: Any) -> Any:
    return client.predict(*args, api_name=f"/{name}")


def document(tmp_path: Path, text: str) -> Any:
    path = tmp_path / f"{text}.txt"
    path.write_text(text, encoding="utf-8")
    return handle_file(str(path))


def finished(client: Client, job_id: str) -> dict[str, Any]:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        status: dict[str, Any] = call(client, "job_status", job_id)
        if status["state"] == "done":
            return status
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} did not finish")


@pytest.fixture(scope="module")
def adapter_id(client: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    queued = call(client, "absorb", document(tmp_path_factory.mktemp("a"), "shared"))
    adapter: str = finished(client, queued["job_id"])["adapter_id"]
    return adapter


def test_a_program_absorbs_a_file_and_follows_it(client: Client, tmp_path: Path) -> None:
    file = document(tmp_path, "followed")
    queued = call(client, "absorb", file, "skim", {"epochs": 3})
    assert set(queued) == {"job_id", "document_id", "duplicate_of"}
    assert queued["duplicate_of"] is None
    again = call(client, "absorb", file, "skim", {"epochs": 3})
    assert again["job_id"] == queued["job_id"]
    status = finished(client, queued["job_id"])
    assert status["recipe"]["epochs"] == 3
    assert [point["seq"] for point in status["metrics"]] == list(range(1, STEPS + 1))
    tail = call(client, "job_status", queued["job_id"], STEPS - 2)
    assert [point["seq"] for point in tail["metrics"]] == [STEPS - 1, STEPS]
    repeated = call(client, "absorb", file, "skim", {"epochs": 3})
    assert repeated["duplicate_of"] == status["adapter_id"]
    assert queued["job_id"] in [job["id"] for job in call(client, "list_jobs")]


def test_an_uploaded_file_keeps_its_name(client: Client, tmp_path: Path) -> None:
    cost = call(client, "estimate", document(tmp_path, "my thesis"))
    names = {d["id"]: d["name"] for d in call(client, "list_documents")}
    assert names[cost["document_id"]] == "my thesis.txt"
    assert cost["fits"] is True and cost["seconds"] > 0


def test_answers_stream_as_growing_text(client: Client, adapter_id: str) -> None:
    pieces = list(client.submit(adapter_id, "Which river?", api_name="/chat"))
    assert [len(piece) for piece in pieces] == sorted({len(piece) for piece in pieces})
    assert len(pieces) > 2
    assert pieces[-1].strip() == ANSWER


def test_a_chat_takes_a_history_and_settings(client: Client, adapter_id: str) -> None:
    history = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Which river?"},
    ]
    answer = call(client, "chat", adapter_id, history, {"context": "none", "seed": 3})
    assert answer.strip() == ANSWER


def test_a_comparison_streams_both_answers(client: Client, adapter_id: str) -> None:
    last = call(client, "compare", adapter_id, "Which river?")
    assert (last["adapted"].strip(), last["base"].strip()) == (ANSWER, BASE_ANSWER)
    assert last["window"]["mode"] == "retrieved"


def test_a_program_is_told_where_an_answer_stands(client: Client, adapter_id: str) -> None:
    found = call(client, "citations", adapter_id, ANSWER, "Which river?")
    assert [citation["page"] for citation in found] == [17, 3]
    assert set(found[0]) == {"page", "label", "start", "end", "quote", "score"}
    assert call(client, "citations", adapter_id, "No.") == []


def test_a_program_is_told_what_was_learned_of_an_answer(
    client: Client, served: Served, adapter_id: str
) -> None:
    settings = {"context": "retrieved", "strength": 0.5}
    tint = call(client, "tint", adapter_id, "Which river?", ANSWER, settings)
    tokens = tint["tokens"]
    assert "".join(token["text"] for token in tokens).strip() == ANSWER
    assert set(tokens[0]) == {"text", "gain", "gate"}
    assert tint["gates"] == [
        {"layer": 0, "heads": [0.1, 0.2]},
        {"layer": 1, "heads": [0.3, 0.4]},
    ]
    assert served[0].tinted_with[-1].strength == 0.5


def test_adapters_are_listed_changed_and_deleted(client: Client, tmp_path: Path) -> None:
    queued = call(client, "absorb", document(tmp_path, "managed"))
    adapter_id = finished(client, queued["job_id"])["adapter_id"]
    changed = call(client, "update_adapter", adapter_id, {"name": "New", "tags": ["a", "b"]})
    assert (changed["name"], changed["tags"]) == ("New", ["a", "b"])
    assert call(client, "get_adapter", adapter_id) == changed
    assert [a["id"] for a in call(client, "list_adapters", "New")] == [adapter_id]
    assert call(client, "delete_adapter", adapter_id)["freed_bytes"] > 0
    assert call(client, "list_adapters", "New") == []
    assert call(client, "delete_document", queued["document_id"])["freed_bytes"] == len("managed")


def test_an_exam_is_told_with_what_goes_with_it(
    client: Client, served: Served, tmp_path: Path, adapter_id: str
) -> None:
    assert set(call(client, "exam", adapter_id).values()) == {None}
    served[0].exams = True
    try:
        queued = call(client, "absorb", document(tmp_path, "examined"))
        examined = finished(client, queued["job_id"])
    finally:
        served[0].exams = False
    told = call(client, "exam", examined["adapter_id"])
    assert set(told) == {"exam", "absorption", "forgetting", "memory_map", "pinned", "study"}
    assert told["exam"] == METRICS["exam"] and told["absorption"] == 0.43
    assert examined["pinned"] == METRICS["pinned"]
    assert [m["exam"] for m in examined["metrics"] if m["exam"]] == list(EXAM_STEPS.values())


def test_study_questions_are_read_changed_and_written_back(
    client: Client, served: Served, tmp_path: Path
) -> None:
    document_id = call(client, "estimate", document(tmp_path, "studied"))["document_id"]
    assert call(client, "study_items", document_id) == []
    served[0].write_study_items(document_id, [StudyItem("What?", "That.", 0, 7)])
    (item,) = call(client, "study_items", document_id)
    assert (item["question"], item["page"], item["origin"]) == ("What?", 1, "model")
    added = {"question": "Who?", "answer": "She.", "page": 2, "kind": "pinned"}
    answer = call(client, "update_study_items", document_id, [item, added])
    assert answer == {"count": 2}
    first, second = call(client, "study_items", document_id)
    assert first == item, "what was not changed is as it was"
    assert (second["page"], second["origin"], second["start"]) == (2, "person", 9)
    assert (first["kind"], second["kind"]) == ("fact", "pinned")
    call(client, "update_study_items", document_id, [])
    assert call(client, "study_items", document_id) == []


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ("none", "items must be a list"),
        ([3], "Item 1: a study item holds"),
        ([{"question": "Who?"}], "Item 1: a study item holds"),
        ([{"question": "Who?", "answer": "She.", "owner": "me"}], "Item 1: a study item holds"),
        ([{"question": "Who?", "answer": "She.", "page": 1.5}], "Item 1: a study item holds"),
        ([{"question": "Who?", "answer": "She.", "page": True}], "Item 1: a study item holds"),
        ([{"question": "Who?", "answer": "She.", "start": 1}], "start and end come together"),
        ([{"question": "Who?", "answer": "She.", "page": 9}], "no page 9"),
        ([{"question": "Who?", "answer": "She.", "start": 0, "end": 999}], "the offsets"),
        ([{"question": "Who?", "answer": " "}], "the answer is empty"),
    ],
)
def test_wrong_study_questions_are_refused_whole(
    client: Client, tmp_path: Path, items: Any, sentence: str
) -> None:
    document_id = call(client, "estimate", document(tmp_path, "refused questions"))["document_id"]
    with pytest.raises(AppError, match=f"^invalid_config: .*{sentence}"):
        call(client, "update_study_items", document_id, items)
    assert call(client, "study_items", document_id) == []


def test_a_job_is_stopped_and_resumed(client: Client, served: Served, tmp_path: Path) -> None:
    fake, _ = served
    fake.seconds_per_step, usual = 0.0, fake.seconds_per_step
    queued = call(client, "absorb", document(tmp_path, "stopped"))
    fake.seconds_per_step = usual
    fake.advance(queued["job_id"])
    assert call(client, "stop_job", queued["job_id"], False)["request"] == "discard"
    fake.fail(queued["job_id"], "interrupted", "")
    assert call(client, "resume_job", queued["job_id"])["state"] == "queued"
    assert call(client, "job_status", queued["job_id"])["position"] == 1
    assert call(client, "stop_job", queued["job_id"], False)["state"] == "cancelled"


def test_a_program_absorbs_slice_by_slice(client: Client, served: Served, tmp_path: Path) -> None:
    fake, _ = served
    fake.seconds_per_step, usual = 0.0, fake.seconds_per_step
    fake.in_slices = True
    try:
        cost = call(client, "estimate", document(tmp_path, "sliced"))
        assert cost["slices"]["slices"] >= 1 and "free account" in cost["slices"]["sentence"]
        job_id = call(client, "absorb", document(tmp_path, "sliced"))["job_id"]
        first = list(client.submit(job_id, api_name="/absorb_slice"))
        second, third = (call(client, "absorb_slice", job_id) for _ in range(2))
    finally:
        fake.seconds_per_step, fake.in_slices = usual, False
    assert [told["step"] for told in first] == [*range(1, SLICE_STEPS + 1), SLICE_STEPS]
    assert {told["state"] for told in first[:-1]} == {"running"}
    assert [(told["state"], told["slices_left"]) for told in (first[-1], second, third)] == [
        ("queued", 2),
        ("queued", 1),
        ("done", 0),
    ]
    with pytest.raises(AppError, match="illegal_transition"):
        call(client, "absorb_slice", job_id)


def test_health_says_what_runs(client: Client) -> None:
    health = call(client, "health")
    assert health["status"] == "ok" and health["base_model"]


def test_no_answer_names_an_owner(client: Client, adapter_id: str) -> None:
    assert "owner" not in call(client, "get_adapter", adapter_id)
    assert all("owner" not in job for job in call(client, "list_jobs"))
    assert all("owner" not in entry for entry in call(client, "list_documents"))


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("get_adapter", ["nope"], "not_found"),
        ("job_status", ["nope"], "not_found"),
        ("chat", ["nope", "Hello?"], "not_found"),
        ("citations", ["nope", "Yes."], "not_found"),
        ("tint", ["nope", "Hello?", "Yes."], "not_found"),
        ("tint", ["nope", "Hello?", "Yes.", {"strength": 9}], "invalid_config"),
        ("stop_job", ["nope", True], "not_found"),
        ("absorb_slice", ["nope"], "not_found"),
        ("exam", ["nope"], "not_found"),
        ("study_items", ["nope"], "not_found"),
        ("update_study_items", ["nope", []], "not_found"),
        ("update_adapter", ["nope", {"owner": "me"}], "invalid_config"),
        ("chat", ["nope", [{"role": "system", "content": "x"}]], "invalid_config"),
        ("chat", ["nope", "Hello?", {"temperature": 9}], "invalid_config"),
        ("chat", ["nope", "Hello?", {"speed": 9}], "invalid_config"),
    ],
)
def test_errors_carry_a_stable_code(
    client: Client, name: str, arguments: list[Any], code: str
) -> None:
    with pytest.raises(AppError, match=rf"^{code}: \S"):
        call(client, name, *arguments)


def test_a_wrong_preset_or_option_is_refused(client: Client, tmp_path: Path) -> None:
    file = document(tmp_path, "refused")
    for arguments in (["cram"], ["read", {"speed": 1}], ["read", {"epochs": "many"}]):
        with pytest.raises(AppError, match="invalid_config: "):
            call(client, "absorb", file, *arguments)


def test_an_empty_file_is_an_unreadable_document(client: Client, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    with pytest.raises(AppError, match=r"unreadable_document: empty\.txt: "):
        call(client, "absorb", handle_file(str(tmp_path / "empty.txt")))


def test_a_file_of_the_server_cannot_be_read(client: Client) -> None:
    for given in ({"path": "/etc/hostname"}, {"path": __file__}, {}, {"path": ""}):
        with pytest.raises(AppError, match="invalid_config: The file has to be uploaded"):
            call(client, "absorb", given)
    with pytest.raises(Exception, match="uploaded"):
        uploaded("/etc/hostname")


def test_a_bug_reaches_a_program_without_its_details(client: Client, served: Served) -> None:
    fake, _ = served
    fake.fail_with = RuntimeError("/secret/path")
    try:
        with pytest.raises(AppError, match=r"^internal: ") as error:
            call(client, "get_adapter", "any")
    finally:
        fake.fail_with = None
    assert "/secret" not in str(error.value)


def test_private_events_are_not_offered_to_programs(client: Client) -> None:
    offered: Any = client.view_api(return_format="dict", print_info=False)
    assert "/chat" in offered["named_endpoints"]
    assert offered["unnamed_endpoints"] == {}


def test_the_page_is_served_complete_and_without_foreign_addresses(served: Served) -> None:
    page = httpx.get(served[1]).text
    assert "lift-chat" in page
    for loaded in ('<script src="http', '<link rel="stylesheet" href="http', "googleapis"):
        assert loaded not in page


def test_messages_and_changes_of_strangers_are_checked() -> None:
    assert messages_of("Hello?") == "Hello?"
    for wrong in (3, [3], [{"role": "user"}], [{"role": "user", "content": 3}]):
        with pytest.raises(Exception, match="messages must be"):
            messages_of(wrong)
    for bad in (3, {"tags": "a"}, {"tags": [1]}, {"id": "x"}):
        with pytest.raises(Exception, match="changes may hold"):
            changes_of(bad)


def test_an_adapter_goes_out_and_comes_in_as_a_file(
    client: Client, adapter_id: str, tmp_path: Path
) -> None:
    file = Path(call(client, "export_adapter", adapter_id, True))
    assert (file.suffix, file.read_text()) == (".zip", "Shared True")
    arrived = call(client, "import_adapter", handle_file(str(file)))
    assert arrived["origin"] == f"file:{file.name}"


def test_a_push_for_everybody_has_to_be_confirmed(client: Client, adapter_id: str) -> None:
    assert call(client, "push", adapter_id, "me/note")["private"] is True
    with pytest.raises(AppError, match="not_confirmed: Recites"):
        call(client, "push", adapter_id, "me/note", True)
    assert call(client, "leak", adapter_id)["adapter"] == 0.41
    assert call(client, "push", adapter_id, "me/note", True, True)["private"] is False


def test_an_adapter_is_pulled_by_its_name(client: Client) -> None:
    assert call(client, "pull", "you/tale", "v2")["origin"] == "hub:you/tale@v2"
    assert call(client, "pull", "you/tale")["origin"] == f"hub:you/tale@{'d' * 40}"
    with pytest.raises(AppError, match="invalid_config"):
        call(client, "pull", "nonsense")
