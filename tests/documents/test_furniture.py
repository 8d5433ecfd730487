"""Running heads, feet and page numbers go; text at the edge of a page stays."""

from __future__ import annotations

from lift_chat.documents.furniture import without_furniture
from lift_chat.documents.lines import Line

BODY = ["The keeper of page {} wrote.", "Ships came and went on day {}.", "Then it was {} o'clock."]


def book(
    heads: list[str], feet: list[str], *, placed: bool = True, body: list[str] = BODY
) -> list[list[Line]]:
    """A page per head and foot; three lines of body each, different on every page."""
    pages = []
    for number, (head, foot) in enumerate(zip(heads, feet, strict=True), 1):
        texts = [head, *(line.format(number * 37) for line in body), foot]
        heights = [800.0, 700.0, 686.0, 672.0, 40.0]
        size = 10.0 if placed else 0.0
        pages.append(
            [Line(text, 50.0, y, size) for text, y in zip(texts, heights, strict=True) if text]
        )
    return pages


def left(pages: list[list[Line]], labels: list[str] | None = None) -> set[str]:
    """What is left beside the body."""
    kept = without_furniture(pages, labels or [])
    bodies = {line.format(n * 37) for n in range(1, 99) for line in BODY}
    return {line.text for page in kept for line in page} - bodies


def test_heads_that_differ_left_and_right_go() -> None:
    heads = ["THE GREEN LEDGER", "Ada Wren"] * 5
    for placed in (True, False):
        assert left(book(heads, [""] * 10, placed=placed)) == set()


def test_heads_that_change_with_the_chapter_go() -> None:
    heads = ["The Harbour"] * 4 + ["The Ledger"] * 3 + ["The Storm"] * 5
    assert left(book(heads, [""] * 12)) == set()


def test_page_numbers_go_in_all_their_dresses() -> None:
    for form in ("{}", "- {} -", "Page {}", "Page {} of 12", "[{}]", "· {} ·"):
        feet = [form.format(n + 16) for n in range(12)]
        for placed in (True, False):
            assert left(book([""] * 12, feet, placed=placed)) == set(), form


def test_roman_page_numbers_go() -> None:
    feet = ["iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi"]
    assert left(book([""] * 9, feet)) == set()


def test_numbers_that_go_on_after_a_chapter_opening_go() -> None:
    feet = ["1", "2", "", "4", "5", "", "7", "8"]
    assert left(book([""] * 8, feet)) == set()


def test_a_head_with_a_section_of_its_own_and_the_page_number_goes() -> None:
    heads = [f"{17 + n} 1.{n}. {name}" for n, name in enumerate("ABCDEFG")]
    assert left(book(heads, [""] * 7)) == set()


def test_the_number_of_a_short_document_goes_by_its_label() -> None:
    assert left(book(["", ""], ["1", "2"]), ["1", "2"]) == set()
    assert left(book([""], ["7"]), ["1"]) == {"7"}


def test_a_number_that_does_not_count_stays() -> None:
    feet = ["1984", "12", "77", "3", "512", "41", "9", "66"]
    assert left(book([""] * 8, feet)) == set(feet)


def test_first_lines_that_differ_stay() -> None:
    heads = ["Alpha", "Beta", "Gamma", "Delta", "Epsilon", "Zeta"]
    assert left(book(heads, [""] * 6)) == set(heads)


def test_a_line_that_is_twice_in_a_long_book_stays() -> None:
    heads = [""] * 30
    heads[3] = heads[25] = "He said nothing."
    assert left(book(heads, [""] * 30)) == {"He said nothing."}


def test_a_repeated_line_within_the_page_stays() -> None:
    body = ["Refrain, oh refrain.", "Ships came on day {}.", "Then it was {} o'clock."]
    pages = [
        [Line(f"Verse {n} begins so", 50, 800, 10), Line(f"and line {n} two", 50, 786, 10)]
        + [Line(f"and then {n * 3} three", 50, 772, 10), Line(body[0], 50, 600, 10)]
        + [Line(f"last {word} lines", 50, y, 10) for word, y in (("a", 80), ("b", 66), ("c", 52))]
        for n in range(1, 4)
    ]
    kept = without_furniture(pages)
    assert all("Refrain, oh refrain." in {line.text for line in page} for page in kept)


def test_drawn_rules_go_and_stars_stay() -> None:
    pages = [[Line("❚❘❙❚❘❙ ❚❘❙❚❘❙"), Line("* * *"), Line("text")]]
    assert [line.text for line in without_furniture(pages)[0]] == ["* * *", "text"]


def test_pages_that_are_nearly_the_same_lose_nothing() -> None:
    slides = [[Line(f"- point {n}", 50, 700 - 14 * n, 10) for n in range(4)] for _ in range(6)]
    assert without_furniture(slides) == slides
