from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_chat.lift.study.cards import HEADER, Card, from_csv, to_csv
from storage.records import StudyItem

FORMULAS = "=+-@\t\r＝"


def item(question: str, answer: str, kind: str = "fact") -> StudyItem:
    return StudyItem(question, answer, 0, 1, kind=kind)


field = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    st.text("'=-+@\",\n\r\t#;a ", max_size=6),
)


@given(st.lists(st.tuples(field, field)), st.text(max_size=20))
def test_cards_come_back_as_they_were(pairs: list[tuple[str, str]], deck: str) -> None:
    written = to_csv([item(*pair) for pair in pairs], deck)
    cards = [Card(front, back, ("lift-chat", "fact")) for front, back in pairs]
    assert from_csv(written.encode().decode()) == cards


@given(st.sampled_from(FORMULAS), st.text(max_size=5))
def test_no_field_is_a_formula_to_a_spreadsheet(sign: str, rest: str) -> None:
    written = to_csv([item(sign + rest, "'" + sign + rest)])
    rows = csv.reader(io.StringIO(written.removeprefix(HEADER), newline=""))
    assert all(cell[0] not in FORMULAS for row in rows for cell in row)


def test_anki_is_told_deck_columns_and_that_nothing_is_markup() -> None:
    written = to_csv([item("Is 1 < 2?", "Ja, “ja”", "list")], "Sea::\n#tags: Lamps")
    assert written.splitlines() == [
        "#separator:Comma", "#html:false", "#columns:Front,Back,Tags", "#tags column:3",
        "#deck:Sea: #tags: Lamps", '"Is 1 < 2?","Ja, “ja”","lift-chat list"',
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "a,b,c\n", HEADER + '"a","b"\n', HEADER + '"a'])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="card"):
        from_csv(text)
