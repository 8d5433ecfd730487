"""`lift-chat warmup` as it is typed, with the tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from lift_chat.cli import run
from lift_chat.commands import warmup
from lift_chat.commands.output import note
from lift_chat.commands.warmup import label_of
from lift_chat.reader.files import read_manifest
from tests.cli.fakes import Desk
from tests.reader.conftest import DOCUMENTS, SHIP

Typed = tuple[int, str, str]

pytestmark = pytest.mark.usefixtures("few_requests")


@pytest.fixture
def tales(tmp_path: Path) -> Path:
    path = tmp_path / "tales.jsonl"
    path.write_text("".join(json.dumps(asdict(document)) + "\n" for document in DOCUMENTS))
    return path


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    path = tmp_path / "held-out.jsonl"
    path.write_text(json.dumps(asdict(SHIP)) + "\n")
    return path


@pytest.fixture
def warm(
    bare_environment: None,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Typed]:
    monkeypatch.setenv("LIFT_CHAT_DEVICE", "cpu")

    def typed(*arguments: str | Path) -> Typed:
        capsys.readouterr()
        more = ["--base-model", str(tiny_folder), "--rank", "8"]
        status = run(["warmup", *map(str, arguments), *more], Desk(tmp_path / "home").program)
        return (status, *capsys.readouterr())

    return typed


def test_a_reader_is_trained_measured_and_written(
    warm: Callable[..., Typed], tales: Path, held_out: Path, tmp_path: Path
) -> None:
    asked = (tales, "--validate", held_out, "--questions", "2", "--passes", "40")
    status, out, err = warm(*asked, "--out", tmp_path / "reader")
    assert status == 0
    assert "2 documents, 6 sections, 7 questions" in err
    for stage in ("answering general requests", "training 100%", "scores before", "scores after"):
        assert stage in err
    manifest = read_manifest(tmp_path / "reader")
    assert (manifest.name, manifest.sources) == ("reader", ("tales.jsonl",))
    assert manifest.recipe["rank"] == 8 and manifest.recipe["alpha"] == 16
    assert manifest.scores["before"]["questions"] == manifest.scores["after"]["questions"] == 2
    row = next(line for line in out.splitlines() if line.startswith("loss on ordinary prose"))
    before, after = (manifest.scores[when]["general"]["loss"] for when in ("before", "after"))
    assert row.split()[-2:] == [str(before), str(after)] and before != after
    assert f"lift-chat --reader {tmp_path / 'reader'}" in out
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["reader"]


def test_the_reader_can_be_told_as_json(
    warm: Callable[..., Typed], tales: Path, tmp_path: Path
) -> None:
    status, out, _ = warm(tales, "--out", tmp_path / "r", "--name", "mine", "--json")
    told = json.loads(out)
    assert status == 0
    assert (told["name"], told["scores"]) == ("mine", {})
    assert told["files"] == read_manifest(tmp_path / "r").files


def test_a_run_that_was_stopped_goes_on_from_its_checkpoint(
    warm: Callable[..., Typed],
    tales: Path,
    held_out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = (tales, "--validate", held_out, "--questions", "1", "--out", tmp_path / "r")

    def pressed(text: str) -> None:
        note(text)
        if text.startswith("scores before"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(warmup, "note", pressed)
        status, out, err = warm(*asked)
    assert (status, out) == (130, "")
    assert err.endswith("Stopped. The same command goes on from the last checkpoint.\n")
    assert not (tmp_path / "r").exists()
    status, out, err = warm(*asked)
    assert status == 0
    assert "Going on after step 1 of 1." in err and "answering general" not in err
    assert read_manifest(tmp_path / "r").scores


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("none.jsonl", "none.jsonl cannot be read"),
        ("fairytaleqa:train", "is not of the form fairytaleqa:FOLDER:SPLIT"),
        ("fairytaleqa::train", "is not of the form fairytaleqa:FOLDER:SPLIT"),
        ("fairytaleqa:/none:train", "There are no questions of FairytaleQA"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_sentence(
    warm: Callable[..., Typed], tmp_path: Path, source: str, problem: str
) -> None:
    status, out, err = warm(source, "--out", tmp_path / "r")
    assert status in (1, 2)
    assert problem in err and len(err.splitlines()) == 1
    assert out == ""


def test_a_folder_with_something_in_it_is_left_alone(
    warm: Callable[..., Typed], tales: Path, tmp_path: Path
) -> None:
    status, _, err = warm(tales, "--out", tmp_path)
    assert status == 1
    assert "is there already" in err and tales.is_file()


def test_a_reader_does_not_tell_where_its_sources_lay() -> None:
    assert label_of("/home/someone/tales.jsonl") == "tales.jsonl"
    assert label_of("fairytaleqa:/home/someone/qa:train") == "fairytaleqa:train"
