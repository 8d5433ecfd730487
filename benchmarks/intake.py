"""Reads every file of the given folders through the real intake and prints a table.

    python benchmarks/intake.py FOLDER... [--text FOLDER] [--output FILE]

Each file must end as text or as one `UnreadableDocument` within the intake's own time limit;
anything else is a crash or a hang, and the exit code is 1. Where `X.gold.txt` lies beside
`X.epub`, the words found (recall) and their order (similarity) are compared with it.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lift_chat.documents import IntakeLimits, ReadDocument, read  # noqa: E402
from lift_chat.errors import UnreadableDocument  # noqa: E402

SKIPPED = (".gold.txt", ".reference.md", "README.md", "README.rst")
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Row:
    file: str
    outcome: str
    pages: int = 0
    chapters: int = 0
    characters: int = 0
    seconds: float = 0.0
    note: str = ""
    failed: bool = False

    def cells(self) -> tuple[str, ...]:
        return (
            self.file,
            self.outcome,
            f"{self.pages or ''}",
            f"{self.chapters or ''}",
            f"{self.characters or ''}",
            f"{self.seconds:.2f}",
            self.note,
        )


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def gold_words(path: Path) -> list[str]:
    """The words of a gold text, without the lines that name the parts of the book."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return words("\n".join(line for line in lines if not re.fullmatch(r"=== .* ===", line)))


def recall(found: Sequence[str], gold: Sequence[str]) -> float:
    """Share of the gold words, counted with their repetitions, that were found."""
    return (Counter(found) & Counter(gold)).total() / max(1, len(gold))


def order(found: Sequence[str], gold: Sequence[str]) -> float:
    """Share of the three-word sequences unique in both texts that come in the same order."""
    ours, theirs = _unique(found), _unique(gold)
    places = [place for gram, place in sorted(ours.items(), key=_place) if gram in theirs]
    there = [theirs[gram] for gram, _ in sorted(ours.items(), key=_place) if gram in theirs]
    tails: list[int] = []
    for place in there:
        position = bisect_left(tails, place)
        tails[position : position + 1] = [place]
    return len(tails) / max(1, len(places))


def _place(item: tuple[tuple[str, ...], int]) -> int:
    return item[1]


def _unique(text: Sequence[str]) -> dict[tuple[str, ...], int]:
    grams = list(zip(text, text[1:], text[2:], strict=False))
    counts = Counter(grams)
    return {gram: place for place, gram in enumerate(grams) if counts[gram] == 1}


def measure(path: Path, name: str, texts: Path | None) -> Row:
    """One file through the intake. Never raises."""
    start = time.perf_counter()
    try:
        document = read(path)
    except UnreadableDocument as error:
        return _timed(Row(name, error.reason, note=error.sentence), start)
    except Exception as error:  # A crash is what this command looks for.
        return _timed(Row(name, "CRASH", note=repr(error)[:200], failed=True), start)
    row = _timed(Row(name, document.kind), start)
    problem = _inconsistency(document)
    if texts is not None:
        (texts / (name.replace("/", "_") + ".txt")).write_text(_shown(document), encoding="utf-8")
    return Row(
        name,
        f"INCONSISTENT {problem}" if problem else f"{document.kind} {document.language}",
        len(document.pages),
        len(document.outline),
        len(document.text),
        row.seconds,
        _against_gold(path, document) or " ".join(document.quality["warnings"]),
        row.failed or bool(problem),
    )


def _timed(row: Row, start: float) -> Row:
    seconds = time.perf_counter() - start
    hung = seconds > IntakeLimits().wall_seconds + GRACE_SECONDS
    return Row(
        row.file,
        "HANG" if hung else row.outcome,
        seconds=seconds,
        note=row.note,
        failed=row.failed or hung,
    )


def _inconsistency(document: ReadDocument) -> str:
    text = document.text
    if any(text[page.start : page.end] != page.text for page in document.pages):
        return "page offsets"
    if any(not 0 <= c.start <= c.end <= len(text) for c in document.outline):
        return "chapter offsets"
    return ""


def _against_gold(path: Path, document: ReadDocument) -> str:
    gold_path = path.with_suffix(".gold.txt")
    if path.suffix != ".epub" or not gold_path.exists():
        return ""
    found, gold = words(document.text), gold_words(gold_path)
    return f"recall {recall(found, gold):.4f}, order {order(found, gold):.4f}"


def _shown(document: ReadDocument) -> str:
    head = [f"{document.title} | {document.author} | {document.language}", str(document.quality)]
    chapters = [f"{'  ' * c.level}{c.title} [{c.start}:{c.end}]" for c in document.outline]
    pages = [f"\n##### {page.number} ({page.label})\n{page.text}" for page in document.pages]
    return "\n".join([*head, *chapters, *pages])


def files_in(folders: Iterable[Path]) -> Iterable[tuple[Path, str]]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.endswith(SKIPPED):
                yield path, f"{folder.name}/{path.relative_to(folder)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--text", type=Path, help="write the text of each file into this folder")
    parser.add_argument("--output", type=Path, help="write the table as Markdown into this file")
    arguments = parser.parse_args()
    if arguments.text:
        arguments.text.mkdir(parents=True, exist_ok=True)
    rows = []
    for path, name in files_in(arguments.folders):
        rows.append(measure(path, name, arguments.text))
        print(" | ".join(rows[-1].cells()), flush=True)
    head = ("file", "outcome", "pages", "chapters", "characters", "seconds", "note")
    table = [head, ("---",) * len(head), *(row.cells() for row in rows)]
    outcomes = Counter(row.outcome.split(" ")[0] for row in rows)
    summary = ", ".join(f"{count} {name}" for name, count in outcomes.most_common())
    slowest = max(rows, key=lambda row: row.seconds, default=None)
    print(f"{len(rows)} files: {summary}")
    if slowest:
        print(f"slowest: {slowest.file}, {slowest.seconds:.1f} s")
    if arguments.output:
        lines = ["| " + " | ".join(cells) + " |" for cells in table]
        arguments.output.write_text(f"{summary}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
