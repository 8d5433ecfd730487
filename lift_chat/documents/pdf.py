"""PDF: a page per page with its printed label, the outline as chapters, clean running text.

Meant for a process that may be killed: the limits here bound what pypdf and a single page may
cost, the process has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pypdf import apply_configuration

from lift_chat.documents import pdf_facts
from lift_chat.documents.cleaning import clean, control_characters, squeeze
from lift_chat.documents.draft import Draft, Leaf, Refusal
from lift_chat.documents.furniture import without_furniture
from lift_chat.documents.limits import LIMITS, IntakeLimits
from lift_chat.documents.lines import Line
from lift_chat.documents.paragraphs import Typesetting, carry_over, reflow
from lift_chat.documents.pdf_source import Source, configuration

_GIVE_UP: Final = 0.92
"""Share of the time after which a document is given up."""
_LETTERS_PER_SCAN: Final = 30
_NO_TEXT: Final = (
    "The PDF has no text: its pages are empty, or hold drawings only. If there is text in "
    "pictures, run OCR on it first, for example: ocrmypdf in.pdf out.pdf"
)
_SCAN: Final = (
    "The PDF is a scan: its pages are pictures without text. Run OCR on it first, for example: "
    "ocrmypdf in.pdf out.pdf"
)


def read_pdf(data: bytes, *, limits: IntakeLimits = LIMITS, second_opinion: bool = True) -> Draft:
    """Raises `Refusal`: password, damaged, no_text, too_large, too_slow.

    Without a `second_opinion` PDFium, which may crash the process, is not asked.
    """
    with apply_configuration(**configuration(limits)):
        source = Source(data, limits, second_opinion=second_opinion)
        try:
            return _draft(source)
        finally:
            source.close()


def _draft(source: Source) -> Draft:
    pages, unmapped = _clean_pages(source)
    labels = pdf_facts.page_labels(source.reader, source.count)
    first_page = pages[0]
    kept = without_furniture(pages, labels)
    setting = Typesetting(kept)
    texts = [squeeze(text) for text in _reflowed(kept, setting)]
    _refuse_scan(source, texts)
    facts = pdf_facts.metadata(source.reader, source.second)
    return Draft(
        kind="pdf",
        title=pdf_facts.title(facts, first_page),
        author=pdf_facts.author(facts),
        language=facts.get("Lang", ""),
        leaves=tuple(Leaf(label, text) for label, text in zip(labels, texts, strict=True)),
        marks=tuple(pdf_facts.marks(source.reader, source.pages, texts, limits=source.limits)),
        unmapped=unmapped,
        warnings=_warnings(source),
    )


def _clean_pages(source: Source) -> tuple[list[list[Line]], int]:
    """All pages' lines with clean characters, and how many glyphs were only control codes."""
    pages: list[list[Line]] = []
    unmapped = characters = 0
    for index in range(source.count):
        if source.used() > _GIVE_UP:
            raise Refusal(
                "too_slow",
                f"Page {index + 1} of {source.count} was reached when the time for one document "
                "was over. Printing it to a new PDF, or splitting it, often helps.",
            )
        lines = source.lines(index)
        unmapped += sum(control_characters(line.text) for line in lines)
        pages.append([replace(line, text=clean(line.text)) for line in lines])
        characters += sum(len(line.text) for line in lines)
        if characters > source.limits.characters:
            raise Refusal(
                "too_large",
                f"It has more than {source.limits.characters / 1e6:g} million characters; split "
                "it and add the parts one by one.",
            )
    return pages, unmapped


def _reflowed(pages: Sequence[Sequence[Line]], setting: Typesetting) -> list[str]:
    return carry_over([reflow(lines, setting) for lines in pages], setting)


def _refuse_scan(source: Source, texts: Sequence[str]) -> None:
    letters = sum(char.isalnum() for text in texts for char in text)
    if 2 * len(source.scanned) > source.count and letters < _LETTERS_PER_SCAN * source.count:
        raise Refusal("no_text", _SCAN)
    if not letters:
        raise Refusal("no_text", _NO_TEXT)


def _warnings(source: Source) -> tuple[str, ...]:
    found = []
    if source.scanned:
        found.append(
            f"{len(source.scanned)} of {source.count} pages are pictures without text "
            f"({numbers(source.scanned)}); OCR (for example ocrmypdf) makes them readable."
        )
    if source.slow:
        found.append(
            f"{len(source.slow)} pages were too complicated to be read with care "
            f"({numbers(source.slow)})."
        )
    return tuple(found)


def numbers(pages: Sequence[int]) -> str:
    """Page numbers for a sentence: "pages 3-5, 9", at most eight runs."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][1] + 1:
            runs[-1][1] = page
        else:
            runs.append([page, page])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:8]]
    more = ", ..." if len(runs) > 8 else ""
    return f"page{'s' if len(pages) > 1 else ''} {', '.join(shown)}{more}"
