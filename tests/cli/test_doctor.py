from __future__ import annotations

import json
from pathlib import Path

import pytest

from lift_chat.doctor import PACKAGES, examine, lines
from lift_chat.settings import Settings
from storage.library import Library
from tests.cli.conftest import Type


@pytest.fixture(autouse=True)
def no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


def test_everything_is_found_without_touching_anything(type_in: Type, tmp_path: Path) -> None:
    outcome = type_in("doctor", "--json")
    found = outcome.json
    assert outcome.status == 0
    assert found["problems"] == []
    assert found["device"]["memory_total"] >= found["device"]["memory_free"] > 0
    assert found["base_model"]["name"]
    assert found["base_model"]["why"].endswith(".")
    assert all(found["packages"][name] for name in PACKAGES)
    assert found["library"] == {"path": str(tmp_path / "home"), "exists": False, "in_use": ""}
    assert not (tmp_path / "home").exists()


def test_it_reads_as_lines(type_in: Type) -> None:
    shown = type_in("doctor").out
    for label in ("Device:", "Memory:", "Base model:", "SQLite:", "Hub login:", "Library:"):
        assert label in shown


def test_a_library_in_use_names_its_process(type_in: Type, tmp_path: Path) -> None:
    with Library.open(tmp_path / "home"):
        assert "in use by process" in type_in("doctor", "--json").json["library"]["in_use"]
    assert type_in("doctor", "--json").json["library"]["in_use"] == ""


def test_a_stored_login_is_named_and_never_shown(
    type_in: Type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert type_in("doctor", "--json").json["hub"] == {"login": "", "offline": False}
    token = tmp_path / "hub" / "token"
    token.parent.mkdir()
    token.write_text("hf_secret")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    outcome = type_in("doctor", "--json")
    assert outcome.json["hub"] == {"login": str(token), "offline": True}
    assert "hf_secret" not in outcome.out
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    outcome = type_in("doctor", "--json")
    assert outcome.json["hub"]["login"] == "HF_TOKEN"
    assert "hf_other" not in outcome.out


def test_a_device_that_is_not_there_is_a_problem_and_status_1(
    type_in: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("LIFT_CHAT_DEVICE", "cuda")
    outcome = type_in("doctor", "--json")
    assert outcome.status == 1
    assert len(outcome.json["problems"]) == 1
    findings = examine(Settings())
    assert ("Problem", findings["problems"][0]) in lines(findings)
    assert json.dumps(findings)
