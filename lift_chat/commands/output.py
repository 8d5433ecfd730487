"""Text for a terminal: what is printed, and how numbers read. Knows no command.

Results go to stdout, everything said along the way to stderr. Names, titles and answers come
from documents and models, so control characters are replaced: a title must not steer a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import typer

CONTROL = {code: "\ufffd" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}


def plain(text: str) -> str:
    """`text` without characters that a terminal would act on."""
    return text.translate(CONTROL)


def say(text: str = "", *, end: str = "\n") -> None:
    """To stdout, at once: answers stream."""
    typer.echo(plain(text) + end, nl=False)


def note(text: str) -> None:
    """To stderr."""
    typer.echo(plain(text), err=True)


def say_json(value: Any) -> None:
    """Dataclasses, also inside lists and dicts, as JSON on stdout."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_jsonable))


def _jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return str(value)


def say_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, the first line in capitals; for eyes and for `awk`."""
    from rich.cells import cell_len  # a wide character takes two columns

    lines = [
        [header.upper() for header in headers],
        *([plain(cell) for cell in row] for row in rows),
    ]
    widths = [max(cell_len(line[i]) for line in lines) for i in range(len(headers))]
    for line in lines:
        cells = (
            cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True)
        )
        typer.echo("  ".join(cells).rstrip())


def say_fields(fields: Sequence[tuple[str, str]]) -> None:
    """`label: value`, one a line, values aligned; empty values are left out."""
    shown = [(label, value) for label, value in fields if value]
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        say(f"{label + ':':<{width + 1}} {value}")


def size(count: float) -> str:
    """Bytes as people read them, in powers of ten: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """45 s, 2 min 05 s, 3 h 20 min."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(number: int, noun: str, plural: str = "") -> str:
    """1 page, 2 pages, 12,345 tokens."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
