"""What the tests of the library share: short ways to fill one, and a check that trusts none of it.

`check` reads files and database with nothing but the standard library, so that a mistake in
`storage` cannot hide itself.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from storage.library import Library
from storage.records import Adapter, Chapter, Document, Job, Page, StudyItem

ALICE, BOB = "alice", "bob"
RECIPE = {"epochs": 8, "rank": 32}
BASE = "tiny"


def add_document(
    library: Library, text: str = "The lamp was lit.", *, owner: str = ALICE, name: str = "lamp.txt"
) -> Document:
    return add_document_twice_told(library, text, owner=owner, name=name)[0]


def add_document_twice_told(
    library: Library, text: str, *, owner: str = ALICE, name: str = "lamp.txt"
) -> tuple[Document, bool]:
    original = library.root.parent / "upload.txt"
    original.write_text(text, encoding="utf-8")
    half = len(text) // 2
    return library.add_document(
        original,
        owner=owner,
        name=name,
        kind="text",
        title=f"Title of {text[:20]}",
        author="Sable Quist",
        language="en",
        pages=[
            Page(1, "i", 0, half, text[:half]),
            Page(2, "1", half + 2, len(text) + 2, text[half:]),
        ],
        outline=[Chapter("The ninth of Marrow", 1, 1, 0, half)],
        quality={"pages": 2, "warnings": []},
    )


def publish(
    library: Library,
    *,
    owner: str = ALICE,
    document_id: str = "gone",
    job: Job | None = None,
    name: str = "Lamp",
    weights: bytes = b"weights" * 100,
) -> Adapter:
    with library.staged_adapter() as staged:
        (staged.folder / "adapter_config.json").write_text('{"r": 32}')
        (staged.folder / "adapter_model.safetensors").write_bytes(weights)
        return library.publish_adapter(
            staged,
            owner=owner,
            document_id=document_id,
            job_id=job.id if job else None,
            name=name,
            kind="lora",
            base_model=BASE,
            base_revision="main",
            base_fingerprint="f" * 64,
            recipe=job.recipe if job else RECIPE,
            metrics={"loss_before": 3.0, "loss_after": 1.0},
        )


def add_job(
    library: Library, document: Document, *, recipe: dict[str, Any] | None = None, name: str = "job"
) -> Job:
    return library.add_job(
        document.id, owner=document.owner, name=name, recipe=recipe or RECIPE, base_model=BASE
    )


def running_job(library: Library, *, text: str = "The lamp was lit.") -> Job:
    add_job(library, add_document(library, text))
    job = library.claim_next_job()
    assert job is not None
    return job


def study_items(*questions: str) -> list[StudyItem]:
    return [
        StudyItem(question, f"The answer to {question}", 0, 9, "The lamp", origin="person")
        for question in questions
    ]


def absorb(library: Library, text: str = "The lamp was lit.", *, name: str = "Lamp") -> Adapter:
    job = running_job(library, text=text)
    return publish(library, document_id=job.document_id, job=job, name=name)


def check(root: Path) -> None:
    """The invariants of a library at rest, after `recover_jobs`: what any test may demand."""
    with closing(sqlite3.connect(root / "library.sqlite")) as db:
        db.row_factory = sqlite3.Row
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("SELECT * FROM tombstones").fetchall() == []
        assert db.execute("SELECT * FROM jobs WHERE state = 'running'").fetchall() == []
        for kind in ("document", "adapter"):
            words = db.execute(f"SELECT rowid FROM {kind}_words ORDER BY rowid").fetchall()
            rows = db.execute(f"SELECT seq FROM {kind}s ORDER BY seq").fetchall()
            assert [row[0] for row in words] == [row[0] for row in rows]
        _check_documents(root, [dict(row) for row in db.execute("SELECT * FROM documents")])
        _check_adapters(root, [dict(row) for row in db.execute("SELECT * FROM adapters")])
        _check_jobs(root, [dict(row) for row in db.execute("SELECT * FROM jobs")])
    leftovers = {path.name for path in (root / "staging").iterdir()} - {"quarantine"}
    assert leftovers == set()


def _check_documents(root: Path, rows: list[dict[str, Any]]) -> None:
    folders = {path.name: path for path in (root / "documents").iterdir()}
    assert set(folders) == {row["sha256"] for row in rows}
    for sha256, folder in folders.items():
        _check_files(folder)
        assert _sha256(next(folder.glob("original.*"))) == sha256
        known = {row["id"] for row in rows if row["sha256"] == sha256}
        names = {path.name for path in (folder / "owners").iterdir()}
        studied = {name for name in names if name.endswith(".study.jsonl")}
        assert names - studied == {f"{document_id}.json" for document_id in known}
        assert studied <= {f"{document_id}.study.jsonl" for document_id in known}
        for name in studied:
            lines = (folder / "owners" / name).read_text(encoding="utf-8").removesuffix("\n")
            assert all(json.loads(line)["question"] for line in lines.split("\n"))


def _check_adapters(root: Path, rows: list[dict[str, Any]]) -> None:
    folders = {path.name: path for path in (root / "adapters").iterdir()}
    assert set(folders) <= {row["id"] for row in rows}
    for row in rows:
        if row["state"] == "ready":
            _check_files(folders[row["id"]])
            assert _sha256(folders[row["id"]] / "manifest.json") == row["manifest_sha256"]


def _check_jobs(root: Path, rows: list[dict[str, Any]]) -> None:
    runs = {path.name for path in (root / "runs").iterdir()}
    assert runs <= {row["id"] for row in rows if row["state"] not in ("done", "cancelled")}
    made = [row["adapter_id"] for row in rows if row["adapter_id"]]
    assert len(made) == len(set(made))


def _check_files(folder: Path) -> None:
    told = json.loads((folder / "manifest.json").read_text())["files"]
    assert told
    for name, expected in told.items():
        assert (folder / name).stat().st_size == expected["bytes"]
        assert _sha256(folder / name) == expected["sha256"]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reopened(root: Path) -> Library:
    """The next start after whatever happened, with its jobs recovered."""
    library = Library.open(root)
    library.recover_jobs()
    return library
