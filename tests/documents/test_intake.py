"""The parsing process: what it may cost, what it can see, and what becomes of its answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lift_chat.documents import IntakeLimits, ReadDocument, read, sandbox
from lift_chat.documents.limits import LIMITS
from lift_chat.errors import UnreadableDocument
from tests.documents import builders as make

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX systems")
ROOT = Path(__file__).parents[2]


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.txt"
    path.write_text(f"A note\n\n{make.SENTENCE}\n", encoding="utf-8")
    return path


def refusal(path: str | Path, **options: object) -> UnreadableDocument:
    with pytest.raises(UnreadableDocument) as caught:
        read(path, **options)  # type: ignore[arg-type]
    return caught.value


def speaking(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Lets `script` answer in the parser's place."""
    monkeypatch.setattr(sandbox, "START", f"import json, os, sys, signal\n{script}")


PROBE = """
sys.path[:] = json.loads(sys.argv[1])
from lift_chat.documents import child
from lift_chat.documents.limits import IntakeLimits
child._restrain(IntakeLimits(**json.loads(sys.argv[2])["limits"]))
import resource
facts = {
    "variables": dict(os.environ),
    "descriptors": [int(x) for x in os.listdir("/dev/fd")],
    "arguments": sys.orig_argv,
    "folder": os.getcwd(),
    "leads": os.getsid(0) == os.getpid(),
    "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
    "processor": resource.getrlimit(resource.RLIMIT_CPU)[0],
    "file": resource.getrlimit(resource.RLIMIT_FSIZE)[0],
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
}
leaves = [{"label": "", "text": json.dumps(facts)}]
draft = {"kind": "text", "title": "", "author": "", "language": "", "marks": [], "quality": {}}
print(json.dumps({"draft": {**draft, "leaves": leaves}}))
"""


@POSIX
def test_the_process_sees_no_tokens_no_paths_and_no_descriptors(
    note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    speaking(monkeypatch, PROBE)
    with note.open("rb"):
        text = read(note).text
    facts = json.loads(text)
    assert set(facts["variables"]) <= {
        *("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LC_CTYPE"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "__CF_USER_TEXT_ENCODING"),
    }
    assert "hf_canary" not in text
    assert "note.txt" not in text
    assert len(facts["descriptors"]) <= 4  # three streams and the listing itself
    assert facts["folder"] == "/"
    assert facts["leads"]


@POSIX
def test_the_process_is_limited_by_the_system(note: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaking(monkeypatch, PROBE)
    facts = json.loads(read(note).text)
    if sys.platform != "darwin":
        assert facts["memory"] == LIMITS.memory_bytes
    assert facts["processor"] == LIMITS.cpu_seconds
    assert facts["file"] == LIMITS.scratch_bytes
    assert facts["core"] == 0


def test_a_process_that_takes_too_long_is_killed(
    note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking(monkeypatch, "import time; time.sleep(600)")
    assert refusal(note, limits=IntakeLimits(wall_seconds=0.3)).reason == "too_slow"


def test_a_process_that_closes_its_output_and_stays_is_killed(
    note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking(monkeypatch, "import time; os.close(1); time.sleep(600)")
    assert refusal(note, limits=IntakeLimits(wall_seconds=0.5)).reason == "too_slow"


@POSIX
def test_a_child_of_the_process_does_not_outlive_it(
    note: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking(monkeypatch, "import time\nif os.fork():\n    pass\ntime.sleep(600)")
    assert refusal(note, limits=IntakeLimits(wall_seconds=0.5)).reason == "too_slow"


@POSIX
def test_too_much_processor_time_is_too_slow(tmp_path: Path) -> None:
    path = tmp_path / "deep.html"
    path.write_bytes(b"<html>" + b"<div><p>a</p>" * 200_000)
    assert refusal(path, limits=IntakeLimits(cpu_seconds=1)).reason == "too_slow"


@POSIX
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit address space")
def test_too_much_memory_is_said_to_be_that(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"word " * 12_000_000)
    limits = IntakeLimits(memory_bytes=200_000_000)
    assert refusal(path, limits=limits).reason == "too_much_memory"


@POSIX
@pytest.mark.parametrize(
    ("signal_name", "reason"),
    [("SIGKILL", "too_much_memory"), ("SIGXCPU", "too_slow"), ("SIGSEGV", "damaged")],
)
def test_death_by_signal_becomes_a_reason(
    signal_name: str, reason: str, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking(monkeypatch, f"os.kill(os.getpid(), signal.{signal_name})")
    assert refusal(note).reason == reason


@POSIX
def test_a_crash_is_tried_again_without_the_second_opinion(
    note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking(
        monkeypatch,
        "if json.loads(sys.argv[2])['second_opinion']:\n    os.kill(os.getpid(), signal.SIGABRT)\n"
        + sandbox.START.split(";", 1)[1].strip(),
    )
    assert make.SENTENCE in read(note).text


@pytest.mark.parametrize(
    "script",
    [
        "sys.exit(3)",
        "pass",
        "print('not json')",
        "print('[]')",
        "print('{}')",
        'print(\'{"draft": {"kind": "text"}}\')',
        "print('{\"draft\": 7}')",
        "print('{\"refusal\": null}')",
        "sys.stdout.buffer.write(b'\\xff\\xfe\\x00')",
    ],
)
def test_a_senseless_answer_is_a_damaged_document(
    script: str, note: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaking(monkeypatch, script)
    assert refusal(note).reason == "damaged"


def test_an_endless_answer_is_cut_off(note: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaking(monkeypatch, "while True: sys.stdout.write('x' * 65536)")
    assert refusal(note, limits=IntakeLimits(answer_bytes=10**6)).reason == "too_large"


def test_offsets_hold_even_if_the_answer_lies(note: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = [
        {"title": "x", "level": -7, "leaf": 0, "offset": 10**9},
        {"title": "y", "level": 99, "leaf": 5, "offset": -3},
        {"title": "z", "level": 2, "leaf": 1, "offset": -3},
    ]
    draft = {
        **dict.fromkeys(("kind", "title", "author", "language"), ""),
        "leaves": [{"label": "", "text": "one"}, {"label": "ii", "text": "two"}],
        "marks": marks,
        "quality": {},
    }
    speaking(monkeypatch, f"print(json.dumps({{'draft': {draft!r}}}))")
    document = read(note)
    assert document.text == "one\n\ntwo"
    assert [(c.title, c.level, c.start, c.end) for c in document.outline] == [
        ("x", 1, 3, 8),
        ("z", 2, 5, 8),
    ]


def test_pages_are_slices_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "book.md"
    path.write_text("".join(f"# Part {n}\n\n{make.SENTENCE * 6}\n\n" for n in range(4)))
    document = read(path)
    assert len(document.pages) == 4
    assert document.text == "\n\n".join(page.text for page in document.pages)
    for number, page in enumerate(document.pages, 1):
        assert page.number == number
        assert document.text[page.start : page.end] == page.text
    assert [document.text[c.start : c.start + 6] for c in document.outline] == [
        f"Part {n}" for n in range(4)
    ]


def test_a_read_document_has_all_its_facts(tmp_path: Path) -> None:
    path = tmp_path / "ledger.pdf"
    lines = [make.SENTENCE[:60]] * 14
    path.write_bytes(make.pdf([lines, lines], title="The Green Ledger", author="Ada Wren"))
    document = read(path)
    assert isinstance(document, ReadDocument)
    assert (document.kind, document.title, document.author, document.language) == (
        *("pdf", "The Green Ledger", "Ada Wren"),
        "en",
    )
    assert set(document.quality) == {
        *("characters_per_page", "pages", "empty_pages", "unmapped_glyphs", "warnings")
    }
    json.dumps(document.quality)


def test_the_users_name_is_the_claim_and_the_title(note: Path) -> None:
    assert read(note, name="Letters of 1912.txt").title == "A note"
    error = refusal(note, name="Letters of 1912.pdf")
    assert (error.name, error.reason) == ("Letters of 1912.pdf", "wrong_type")


def test_without_a_title_the_name_is_the_title(tmp_path: Path) -> None:
    path = tmp_path / "upload-7.tmp"
    path.write_text(make.SENTENCE * 3)
    assert read(path, name="Ledger of 1911.txt").title == "Ledger of 1911"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x00b.txt", "a b.txt"),
        ("safe\u202etxt.exe\n", "safe txt.exe"),
        ("x" * 500 + ".txt", "x" * 200),
        ("../../etc/passwd.txt", "../../etc/passwd.txt"),
        ("", "document"),
    ],
)
def test_a_strange_name_is_shown_on_one_line_and_never_opened(
    name: str, shown: str, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    error = refusal(path, name=name)
    assert (error.name, error.reason) == (shown, "empty")


@pytest.mark.parametrize(
    "path", ["missing.txt", "nul\x00.txt", "x" * 5000, "missing/folder/file.pdf", ""]
)
def test_a_path_to_nothing_is_missing(path: str, tmp_path: Path) -> None:
    assert refusal(os.path.join(tmp_path / "none", path) if path else path).reason == "missing"


def test_a_folder_is_not_a_document(tmp_path: Path) -> None:
    assert refusal(tmp_path).reason == "wrong_type"


@POSIX
def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    assert refusal(tmp_path / "pipe.pdf").reason == "wrong_type"


@POSIX
def test_a_loop_of_links_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").symlink_to(tmp_path / "b.pdf")
    (tmp_path / "b.pdf").symlink_to(tmp_path / "a.pdf")
    assert refusal(tmp_path / "a.pdf").reason == "missing"


def test_a_file_over_the_limit_is_not_even_opened_by_the_parser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(LIMITS.file_bytes + 1)
    speaking(monkeypatch, "os.abort()")
    error = refusal(path)
    assert (error.reason, "100 MB" in error.sentence) == ("too_large", True)


def test_too_much_text_is_too_large(note: Path) -> None:
    assert refusal(note, limits=IntakeLimits(characters=50)).reason == "too_large"


def python(code: str, *paths: Path, folder: Path) -> str:
    """What `code` prints in a fresh interpreter that knows `paths` first."""
    lines = f"import sys; sys.path[:0] = {[str(path) for path in paths]!r}\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", lines], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_importing_the_intake_and_parsing_loads_no_model_code(tmp_path: Path) -> None:
    code = (
        "from lift_chat.documents.child import parse\n"
        "from lift_chat.documents.limits import LIMITS\n"
        "parse(b'Some plain words in a row.', '.txt', limits=LIMITS)\n"
        "heavy = {'torch', 'transformers', 'gradio', 'sqlite_utils', 'pypdf', 'huggingface_hub'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert python(code, ROOT, folder=tmp_path) == "[]"


def test_the_process_runs_the_code_of_its_parent_wherever_that_is(
    tmp_path: Path, note: Path
) -> None:
    """A copy elsewhere, run from another folder, must not fall back to this checkout."""
    site = tmp_path / "site"
    for package in ("lift_chat", "storage"):
        shutil.copytree(
            ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    child = site / "lift_chat" / "documents" / "text.py"
    child.write_text(
        child.read_text() + "\n\ndef read_text(data):\n    return Draft(kind='copy')\n"
    )
    child = site / "lift_chat" / "documents" / "quality.py"
    child.write_text(child.read_text() + "\n\ndef judged(draft, limits):\n    return draft\n")
    code = f"from lift_chat.documents import read; print(read({str(note)!r}).kind)"
    assert python(code, site, folder=tmp_path) == "copy"
