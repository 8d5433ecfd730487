"""Study questions as a file for Anki: front, back, tags; and back again.

Comma-separated, every field in quotes. A field that a spreadsheet would take for a formula
begins with an apostrophe, which reading removes. Knows nothing of where the questions come from.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from storage.records import StudyItem

HEADER = "#separator:Comma\n#html:false\n#columns:Front,Back,Tags\n#tags column:3\n"
"""Read by Anki from 2.1.54 on (docs.ankiweb.net, “Text files”)."""

DECK = "#deck:"

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""Starts that spreadsheets compute; with apostrophes before them, so that adding one is undone by
removing one."""


@dataclass(frozen=True)
class Card:
    front: str
    back: str
    tags: tuple[str, ...] = ()


def to_csv(items: Sequence[StudyItem], deck: str = "") -> str:
    """The file's content, to be encoded as UTF-8: a card per item, tagged with its kind, in a deck
    of that name (a single one: a double colon would begin a deck inside it). Questions that are
    only asked in the exam are cards too: it is the model that must not learn from them."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for item in items:
        writer.writerow(map(_safe, [item.question, item.answer, f"lift-chat {item.kind}"]))
    name = re.sub(r":{2,}", ":", " ".join(deck.split()))
    return f"{HEADER}{DECK}{name}\n{out.getvalue()}" if name else HEADER + out.getvalue()


def from_csv(text: str) -> list[Card]:
    """What `to_csv` wrote. Raises `ValueError` for anything else."""
    if not text.startswith(HEADER):
        raise ValueError("not a file of cards")
    body = text[len(HEADER) :]
    if body.startswith(DECK):
        body = body.partition("\n")[2]
    try:
        return [_card(row) for row in csv.reader(io.StringIO(body, newline=""), strict=True)]
    except csv.Error as error:
        raise ValueError(f"damaged cards: {error}") from error


def _card(row: list[str]) -> Card:
    if len(row) != 3:
        raise ValueError(f"a card has 3 fields, not {len(row)}")
    front, back, tags = map(_plain, row)
    return Card(front, back, tuple(tags.split()))


def _safe(field: str) -> str:
    return f"'{field}" if _FORMULA.match(field) else field


def _plain(field: str) -> str:
    return field[1:] if field.startswith("'") and _FORMULA.match(field) else field
