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
