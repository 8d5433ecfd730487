from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lift_chat import __version__
from lift_chat.cli import with_defaults
from lift_chat.commands.output import count, duration, size
from tests.cli.conftest import Type
from tests.cli.fakes import Desk

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "peft", "gradio", "bitsandbytes")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ([], ["serve"]),
        (["--port", "1"], ["serve", "--port", "1"]),
        (["serve"], ["serve"]),
        (["--version"], ["--version"]),
        (["--help"], ["--help"]),
        (["--install-completion"], ["--install-completion"]),
        (["jobs"], ["jobs", "list"]),
        (["jobs", "--json"], ["jobs", "list", "--json"]),
        (["jobs", "--help"], ["jobs", "--help"]),
        (["jobs", "show", "x"], ["jobs", "show", "x"]),
        (["library", "--tag", "sea"], ["library", "list", "--tag", "sea"]),
        (["absorb", "jobs"], ["absorb", "jobs"]),
        (["chat"], ["chat"]),
    ],
)
def test_words_that_may_be_left_out(typed: list[str], meant: list[str]) -> None:
    assert with_defaults(typed) == meant


def test_no_command_serves_with_flags_over_environment(
    type_in: Type, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIFT_CHAT_PORT", "7000")
    monkeypatch.setenv("LIFT_CHAT_LOG_LEVEL", "debug")
    assert type_in("--port", "7001", "--no-browser").status == 0
    ((settings, browser),) = desk.served
    assert (settings.port, settings.log_level, browser) == (7001, "DEBUG", False)


def test_serving_to_others_without_a_login_is_refused(type_in: Type, desk: Desk) -> None:
    outcome = type_in("--host", "0.0.0.0")
    assert outcome.status == 1
    assert len(outcome.err.splitlines()) == 1
    assert desk.served == []


@pytest.mark.parametrize(
    ("arguments", "help_"),
    [
        (("frobnicate",), "lift-chat --help"),
        (("--nope",), "lift-chat serve --help"),
        (("jobs", "frob"), "lift-chat jobs --help"),
        (("jobs", "show"), "lift-chat jobs show --help"),
        (("--port", "abc"), "lift-chat serve --help"),
        (("library", "rm"), "lift-chat library rm --help"),
    ],
)
def test_wrong_usage_is_one_line_with_the_right_help(
    type_in: Type, arguments: tuple[str, ...], help_: str
) -> None:
    outcome = type_in(*arguments)
    assert outcome.status == 2
    assert outcome.out == ""
    assert len(outcome.err.splitlines()) == 1
    assert outcome.err.rstrip().endswith(f"See: {help_}")


@pytest.mark.parametrize(
    "arguments",
    [(), ("serve",), ("absorb",), ("chat",), ("doctor",), ("demo",), ("jobs",), ("library",)],
)
def test_every_command_has_help(type_in: Type, arguments: tuple[str, ...]) -> None:
    outcome = type_in(*arguments, "--help")
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.startswith("Usage: lift-chat")


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("jobs", "list"), ("library", "list"), ("library", "path")],
)
def test_what_only_reads_does_not_wait_for_torch_or_gradio(
    arguments: tuple[str, ...], type_in: Type, tale: Path
) -> None:
    type_in("absorb", str(tale))
    script = (
        "import sys\n"
        "from lift_chat.__main__ import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_version_is_the_one_of_the_project(type_in: Type) -> None:
    project = ROOT / "pyproject.toml"
    assert f'\nversion = "{__version__}"\n' in project.read_text()
    assert type_in("--version").out == f"lift-chat {__version__}\n"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (5e12, "5.0 TB")],
)
def test_sizes_read_as_people_write_them(number: float, shown: str) -> None:
    assert size(number) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (12_000, "3 h 20 min"),
    ],
)
def test_durations_read_as_people_write_them(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_counts_have_a_plural() -> None:
    assert (count(1, "page"), count(2000, "page")) == ("1 page", "2,000 pages")
