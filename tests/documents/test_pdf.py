"""PDF files: clean running text, printed labels, the outline, and refusals that say what to do."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader, PdfWriter, get_configuration
from pypdf.constants import PageLabelStyle

from lift_chat.documents import pdf_source
from lift_chat.documents.draft import Draft, Refusal
from lift_chat.documents.limits import LIMITS, IntakeLimits
from lift_chat.documents.lines import Line
from lift_chat.documents.outline import bind
from lift_chat.documents.pdf import numbers, read_pdf
from lift_chat.documents.pdf_second import prefers_second, respaced
from lift_chat.documents.pdf_source import configuration
from lift_chat.documents.stopwatch import OutOfTime, processor_time
from tests.documents import builders as make

PROSE = [
    "The lighthouse keeper wrote the number of passing ships",
    "into a green ledger, which was kept in the oak cup-",
    "board, and nobody but the inspector had ever read it.",
]


def texts(data: bytes) -> list[str]:
    return [leaf.text for leaf in read_pdf(data).leaves]


def reason(data: bytes, *, limits: IntakeLimits = LIMITS) -> str:
    with pytest.raises(Refusal) as caught:
        read_pdf(data, limits=limits)
    return caught.value.reason


def chapters(draft: Draft) -> list[tuple[str, int, int, str]]:
    """(title, level, page, first characters) of each chapter."""
    pages, found = bind(draft)
    text = "\n\n".join(page.text for page in pages)
    return [(c.title, c.level, c.page, text[c.start : c.start + len(c.title)]) for c in found]


def test_the_lines_of_a_page_become_one_paragraph() -> None:
    assert texts(make.pdf([PROSE])) == [
        "The lighthouse keeper wrote the number of passing ships into a green ledger, which was "
        "kept in the oak cupboard, and nobody but the inspector had ever read it."
    ]


def test_paragraphs_and_headings_are_kept_apart() -> None:
    (text,) = texts(make.pdf([["# The Harbour", *PROSE, "", *PROSE]]))
    assert [part[:11] for part in text.split("\n\n")] == [
        "The Harbour",
        "The lightho",
        "The lightho",
    ]


def test_heads_feet_and_page_numbers_are_not_text() -> None:
    heads = ["THE GREEN LEDGER", "Ada Wren"] * 4
    pages = [[f"Page {word} begins here and ends"] for word in "ABCDEFGH"]
    data = make.pdf(pages, heads=heads, feet=[f"- {n} -" for n in range(9, 17)])
    assert texts(data) == [f"Page {word} begins here and ends" for word in "ABCDEFGH"]


def test_empty_pages_keep_their_place() -> None:
    draft = read_pdf(make.pdf([PROSE, [], PROSE]))
    assert [bool(leaf.text) for leaf in draft.leaves] == [True, False, True]


def test_title_and_author_come_from_the_file() -> None:
    draft = read_pdf(make.pdf([PROSE], title="The Green Ledger", author="Ada Wren"))
    assert (draft.title, draft.author) == ("The Green Ledger", "Ada Wren")


@pytest.mark.parametrize("title", ["", "untitled", "Microsoft Word - ledger7.doc", "ledger.indd"])
def test_a_programs_leftover_title_gives_way_to_the_big_print(title: str) -> None:
    assert read_pdf(make.pdf([["# The Harbour", *PROSE]], title=title)).title == "The Harbour"


def test_without_title_and_big_print_there_is_none() -> None:
    assert read_pdf(make.pdf([PROSE], title="untitled", author="anonymous")).title == ""
    assert read_pdf(make.pdf([PROSE], author="(anonymous)")).author == ""


def test_printed_labels_are_the_pages_labels() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make.pdf([PROSE] * 5))))
    writer.set_page_label(0, 1, style=PageLabelStyle.LOWERCASE_ROMAN)
    writer.set_page_label(2, 4, style=PageLabelStyle.DECIMAL, start=1)
    buffer = io.BytesIO()
    writer.write(buffer)
    labels = [leaf.label for leaf in read_pdf(buffer.getvalue()).leaves]
    assert labels == ["i", "ii", "1", "2", "3"]


def test_the_outline_becomes_chapters_that_start_at_their_headings() -> None:
    pages = [["# The Harbour", *PROSE, "", "The Lamp", *PROSE], PROSE, ["# The Storm", *PROSE]]
    outline = [("The Harbour", 0, 0), ("The Lamp", 1, 0), ("THE STORM", 0, 2)]
    assert chapters(read_pdf(make.pdf(pages, outline=outline))) == [
        ("The Harbour", 1, 1, "The Harbour"),
        ("The Lamp", 2, 1, "The Lamp"),
        ("THE STORM", 1, 3, "The Storm"),
    ]


def test_an_outline_entry_that_is_not_on_its_page_starts_with_the_page() -> None:
    found = chapters(read_pdf(make.pdf([PROSE, PROSE], outline=[("Elsewhere", 0, 1)])))
    assert found == [("Elsewhere", 1, 2, "The light")]


def test_headings_are_found_where_there_is_no_outline() -> None:
    body = [*PROSE, ""] * 3
    pages = [["# Chapter 1", "", *body], body, ["# Chapter 2", "", *body], body]
    found = [(title, page) for title, _, page, _ in chapters(read_pdf(make.pdf(pages)))]
    assert found == [("Chapter 1", 1), ("Chapter 2", 3)]


def test_a_cyclic_outline_ends() -> None:
    data = make.one_page_pdf(
        make.show(make.SENTENCE),
        catalog=b"/Outlines 5 0 R",
        more={
            5: b"<< /First 6 0 R /Last 6 0 R >>",
            6: b"<< /Title (One) /Parent 5 0 R /Next 6 0 R /First 6 0 R /Dest [3 0 R /Fit] >>",
        },
    )
    assert [mark.title for mark in read_pdf(data).marks] == ["One"]


def test_text_outside_the_visible_page_is_not_read() -> None:
    content = make.show("Inside the page") + make.show("4TH PASS PAGES", x=50, y=590)
    data = make.one_page_pdf(content, page=b"/CropBox [20 20 380 560]")
    assert texts(data) == ["Inside the page"]


def test_a_stamp_along_the_margin_is_not_read() -> None:
    lines = b"".join(make.show(f"Line {n} of the page goes on", y=500 - 14 * n) for n in range(20))
    stamp = b"BT /F1 9 Tf 0 1 -1 0 20 200 Tm (preprint 2026) Tj ET\n"
    assert "preprint" not in texts(make.one_page_pdf(lines + stamp))[0]


def test_a_page_that_is_rotated_as_a_whole_is_read() -> None:
    turned = b"BT /F1 12 Tf 0 1 -1 0 100 100 Tm (A table that lies on its side) Tj ET\n"
    assert texts(make.one_page_pdf(turned, page=b"/Rotate 90")) == ["A table that lies on its side"]


def test_a_password_is_asked_for_only_when_needed() -> None:
    assert reason(make.pdf([PROSE], password="secret")) == "password"
    assert texts(make.pdf([PROSE], password=""))[0].startswith("The light")


def test_aes_encryption_with_an_empty_password_just_opens() -> None:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(make.pdf([PROSE]))))
    writer.encrypt(user_password="", owner_password="owner", algorithm="AES-256")
    buffer = io.BytesIO()
    writer.write(buffer)
    assert texts(buffer.getvalue())[0].startswith("The lighthouse")


def test_a_scan_is_refused_with_the_remedy() -> None:
    with pytest.raises(Refusal) as caught:
        read_pdf(make.scan(3))
    assert caught.value.reason == "no_text"
    assert "scan" in caught.value.sentence and "ocrmypdf" in caught.value.sentence


def test_a_partly_scanned_document_is_read_with_a_warning() -> None:
    draft = read_pdf(make.scan(4, text_on=(0, 1, 2)))
    assert "1 of 4 pages" in draft.warnings[0] and "page 4" in draft.warnings[0]


def test_pages_without_text_and_pictures_are_said_to_be_empty() -> None:
    with pytest.raises(Refusal) as caught:
        read_pdf(make.pdf([[], []]))
    assert (caught.value.reason, "scan:" in caught.value.sentence) == ("no_text", False)


def test_more_pages_than_allowed_are_refused() -> None:
    assert reason(make.pdf([PROSE] * 4), limits=IntakeLimits(pages=3)) == "too_large"


def test_more_characters_than_allowed_are_refused() -> None:
    assert reason(make.pdf([PROSE] * 4), limits=IntakeLimits(characters=300)) == "too_large"


def test_a_page_that_takes_too_long_is_read_the_quick_way_and_named() -> None:
    slow = make.show("Read by the second opinion") + b"BT ET q Q\n" * 200_000
    draft = read_pdf(make.one_page_pdf(slow), limits=IntakeLimits(page_seconds=0.05))
    assert draft.leaves[0].text == "Read by the second opinion"
    assert "page 1" in draft.warnings[-1]


def test_a_document_that_takes_too_long_is_refused_before_the_process_is_killed() -> None:
    slow = make.one_page_pdf(make.show("x") + b"BT ET q Q\n" * 200_000)
    limits = IntakeLimits(page_seconds=0.5, wall_seconds=1e-6)
    assert reason(slow, limits=limits) == "too_slow"


def test_pypdf_runs_with_tighter_limits_than_its_own() -> None:
    usual, ours = get_configuration(), configuration(LIMITS)
    assert ours["jbig2dec_binary"] is None and ours["image_maximum_buffer_size"] == 0
    for name, value in ours.items():
        if name != "jbig2dec_binary":
            assert value < getattr(usual, name), name


def test_limits_of_pypdf_end_with_the_reading() -> None:
    read_pdf(make.pdf([PROSE]))
    assert get_configuration().image_maximum_buffer_size > 0


def test_a_font_without_names_for_its_glyphs_is_read_by_the_second_opinion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pypdf is made to see what it sees in such fonts: control codes."""
    monkeypatch.setattr(
        pdf_source,
        "pypdf_lines",
        lambda page: [Line("\x02\x03\x04 \x05\x06 lighthouse keep", 1, 1, 9)],
    )
    assert texts(make.pdf([PROSE]))[0].startswith("The lighthouse keeper wrote")


def test_without_a_second_opinion_the_first_one_counts() -> None:
    assert read_pdf(make.pdf([PROSE]), second_opinion=False).leaves[0].text.startswith("The light")


@pytest.mark.parametrize(
    ("first", "second", "better"),
    [
        ("A page of words", "A page of words", False),
        ("", "A page of words", True),
        ("A", "A page of words", True),
        ("y2Y \x12 and \x13\x14 more", "y∈Y ⊆ and ×· more", True),
        ("ApageofwordsandsoonIthink", "A page of words and so on I think", True),
        ("حبيبي \ue000", "ﻲﺒﻴﺒﺣ", False),
        ("/g12/g7/g99 one", "to be one", True),
    ],
)
def test_the_second_opinion_is_taken_when_it_is_better(
    first: str, second: str, better: bool
) -> None:
    assert prefers_second(first, second) is better


def test_blanks_are_where_the_second_opinion_sees_them() -> None:
    lines = [Line("Wetakeit for granted, the inceptionof it"), Line("a To olkit and state")]
    second = "We take it for granted, the inception of it\na Toolkit and state"
    assert [line.text for line in respaced(lines, second)] == [
        "We take it for granted, the inception of it",
        "a Toolkit and state",
    ]


def test_the_stopwatch_stops_even_code_that_catches_every_exception() -> None:
    with pytest.raises(OutOfTime), processor_time(0.02):
        while True:
            try:
                sum(range(1000))
            except Exception:
                continue


def test_the_stopwatch_is_off_afterwards() -> None:
    with processor_time(0.02):
        pass
    assert sum(range(3_000_000)) > 0


def test_page_numbers_are_shown_as_runs() -> None:
    assert numbers([3]) == "page 3"
    assert numbers([1, 2, 3, 7]) == "pages 1-3, 7"
    assert numbers(list(range(1, 40, 2))).endswith(", ...")
