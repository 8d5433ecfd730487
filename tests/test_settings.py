from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_data_path

from lift_chat.errors import InvalidConfig
from lift_chat.settings import Settings, config_file, is_loopback

pytestmark = pytest.mark.usefixtures("bare_environment")


def write_config(text: str) -> None:
    config_file().parent.mkdir(parents=True)
    config_file().write_text(text)


def test_defaults_are_private_and_need_nothing() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.share, settings.auth) == (
        "127.0.0.1", 7860, False, None,
    )  # fmt: skip
    assert settings.base_model == "auto"
    assert settings.home == user_data_path("lift-chat", appauthor=False)
    assert settings.run_history is False


def test_flags_beat_environment_beats_file_beats_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    write_config('port = 1001\nmax_upload_mb = 11\nbase_model = "file"\n')
    monkeypatch.setenv("LIFT_CHAT_PORT", "1002")
    monkeypatch.setenv("LIFT_CHAT_MAX_UPLOAD_MB", "22")
    settings = Settings(port=1003)
    assert (settings.port, settings.max_upload_mb, settings.base_model) == (1003, 22, "file")
    assert settings.threads is None


def test_a_flag_that_was_not_given_leaves_the_environment_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LIFT_CHAT_LOAD_IN_4BIT", "yes")
    assert Settings.from_flags(load_in_4bit=None, port=None).load_in_4bit is True


def test_an_empty_variable_is_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFT_CHAT_AUTH", "")
    assert Settings().auth is None


def test_folders_are_absolute_with_the_home_folder_resolved() -> None:
    assert Settings(home="~/x").home == Path.home() / "x"
    assert Settings(cache="x").cache == Path.cwd() / "x"


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ({"port": "abc"}, "--port"),
        ({"port": 0}, "--port"),
        ({"max_upload_mb": -1}, "--max-upload-mb"),
        ({"device": "tpu"}, "auto, cpu, cuda"),
        ({"log_level": "loud"}, "--log-level"),
        ({"threads": 0}, "--threads"),
        ({"load_in_4bit": "perhaps"}, "--load-in-4bit"),
        ({"base_model": ""}, "--base-model"),
        ({"colour": "red"}, "no such setting"),
    ],
)
def test_a_bad_flag_is_one_sentence_that_names_it(flags: dict[str, Any], names: str) -> None:
    with pytest.raises(InvalidConfig) as refused:
        Settings(**flags)
    assert names in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_bad_variable_and_a_bad_file_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    write_config("port = 99999\n")
    with pytest.raises(InvalidConfig, match=r"config\.toml"):
        Settings()
    monkeypatch.setenv("LIFT_CHAT_PORT", "7.5")
    with pytest.raises(InvalidConfig, match=r"LIFT_CHAT_PORT: '7\.5'"):
        Settings()


@pytest.mark.parametrize("text", ["port = ", "colour = 1\n", "[port]\nnumber = 1\n"])
def test_a_config_file_that_cannot_be_meant_is_one_sentence(text: str) -> None:
    write_config(text)
    with pytest.raises(InvalidConfig, match=r"config\.toml") as refused:
        Settings()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "flags", [{"host": "0.0.0.0"}, {"host": "::"}, {"host": "box.example"}, {"share": True}]
)
def test_whoever_others_can_reach_needs_a_login(flags: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig, match="LIFT_CHAT_AUTH=user:password"):
        Settings(**flags)
    assert Settings(**flags, auth="reader:open sesame").auth == "reader:open sesame"


@pytest.mark.parametrize("auth", ["secret", ":secret", "user:", ""])
def test_a_bad_login_is_refused_without_being_shown(auth: str) -> None:
    with pytest.raises(InvalidConfig, match="user:password") as refused:
        Settings(auth=auth)
    assert "secret" not in str(refused.value)


def test_the_login_is_not_in_what_is_printed_of_the_settings() -> None:
    assert "sesame" not in repr(Settings(auth="reader:sesame"))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_addresses_need_no_login(host: str) -> None:
    assert is_loopback(host)
    assert Settings(host=host).host == host


@pytest.mark.parametrize(("value", "offline"), [("1", True), ("TRUE", True), ("0", False)])
def test_the_hub_client_s_offline_switch_is_honoured(
    value: str, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert Settings().offline is offline


def test_the_hub_s_folder_is_never_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HOME", raising=False)
    before = dict(os.environ)
    Settings(home="elsewhere", cache="elsewhere")
    assert dict(os.environ) == before


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1


@pytest.fixture
def on_a_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The Hub's variables, and a folder in the place of the lasting disk, not there yet."""
    monkeypatch.setenv("SYSTEM", "spaces")
    monkeypatch.setenv("SPACE_ID", "somebody/lift-chat")
    monkeypatch.setattr("lift_chat.hosting.DISK", tmp_path / "data")
    return tmp_path / "data"


def test_a_space_is_what_gradio_takes_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradio.utils import get_space

    for system, name in (("", ""), ("spaces", ""), ("", "a/b"), ("spaces", "a/b"), ("x", "a/b")):
        monkeypatch.setenv("SYSTEM", system)
        monkeypatch.setenv("SPACE_ID", name)
        assert (Settings().space or None) == (get_space() or None)
        assert bool(Settings().space) == ((system, name) == ("spaces", "a/b"))


def test_a_space_has_limits_and_a_desktop_has_none(on_a_space: Path) -> None:
    settings = Settings(quota_documents=7)
    assert (settings.quota_mb, settings.quota_documents, settings.quota_jobs) == (2000, 7, 3)
    assert settings.free_disk_mb == 2000


def test_a_library_outlives_a_restart_where_the_space_has_a_disk(on_a_space: Path) -> None:
    usual = user_data_path("lift-chat", appauthor=False)
    assert Settings().home == usual
    on_a_space.mkdir()
    assert Settings().home == on_a_space / "lift-chat"
    assert Settings(home=on_a_space / "x").home == on_a_space / "x"


def test_a_disk_that_cannot_be_written_to_is_none(
    on_a_space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_space.mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert Settings().home == user_data_path("lift-chat", appauthor=False)


def test_a_folder_named_data_means_nothing_on_a_desktop(
    on_a_space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_a_space.mkdir()
    monkeypatch.delenv("SYSTEM")
    assert Settings().home == user_data_path("lift-chat", appauthor=False)


def test_on_a_space_visitors_sign_in_instead(on_a_space: Path) -> None:
    assert Settings(host="0.0.0.0").auth is None
    with pytest.raises(InvalidConfig, match="LIFT_CHAT_AUTH"):
        Settings(share=True)
