"""PDF: a page per page with its printed label, the outline as chapters, clean running text.

Meant for a process that may be killed: the limits here bound what pypdf and a single page may
cost, the process has its own. Pictures are never decoded and no outside program is called.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pypdfium2
from pypdf import PasswordType, PdfReader, apply_configuration
from pypdf.errors import FileNotDecryptedError, LimitReachedError

from lift_chat.documents import pdf_facts, pdf_pages
from lift_chat.documents.cleaning import clean, control_characters, squeeze
from lift_chat.documents.draft import Draft, Leaf, Refusal
from lift_chat.documents.furniture import without_furniture
from lift_chat.documents.limits import LIMITS, IntakeLimits
from lift_chat.documents.lines import Line
from lift_chat.documents.paragraphs import Typesetting, carry_over, reflow
from lift_chat.documents.stopwatch import OutOfTime, processor_time

_STREAM_BYTES: Final = 32_000_000
_HURRY: Final = 0.6
"""Share of the time after which pages are only read the quick way."""
_GIVE_UP: Final = 0.92
_FEW_LETTERS: Final = 20
_LETTERS_PER_SCAN: Final = 30
_NO_TEXT: Final = (
    "The PDF has no text: its pages are empty, or hold drawings only. If there is text in "
    "pictures, run OCR on it first, for example: ocrmypdf in.pdf out.pdf"
)
_SCAN: Final = (
    "The PDF is a scan: its pages are pictures without text. Run OCR on it first, for example: "
    "ocrmypdf in.pdf out.pdf"
)
_PASSWORD: Final = (
    "It is protected with a password. Save a copy without the password and add that one."
)
_DAMAGED: Final = "The PDF is damaged or incomplete; copy or download it again."


def configuration(limits: IntakeLimits) -> dict[str, Any]:
    """pypdf's limits, tighter than its own: a book needs no more, an attack does."""
    return {
        "maximum_declared_stream_length": _STREAM_BYTES,
        "array_based_stream_maximum_output_length": _STREAM_BYTES,
        "zlib_maximum_output_length": _STREAM_BYTES,
        "lzw_maximum_output_length": _STREAM_BYTES,
        "run_length_maximum_output_length": _STREAM_BYTES,
        "brotli_maximum_output_length": _STREAM_BYTES,
        "jbig2_maximum_output_length": 0,
        "image_maximum_buffer_size": 0,
        "jbig2dec_binary": None,
        "stream_decoding_work_maximum_length": 2 * _STREAM_BYTES,
        "stream_parsing_work_maximum_count": 1_000_000,
        "outline_maximum_entries": 20_000,
        "named_destinations_maximum_entries": 50_000,
        "page_tree_maximum_entries": 2 * limits.pages + 100,
    }


def read_pdf(data: bytes, *, limits: IntakeLimits = LIMITS) -> Draft:
    """Raises `Refusal`: password, damaged, no_text, too_large, too_slow."""
    with apply_configuration(**configuration(limits)):
        source = _Source(data, limits)
        try:
            return _draft(source)
        finally:
            source.close()


class _Source:
    """One file in two readers, of which either may be missing."""

    def __init__(self, data: bytes, limits: IntakeLimits) -> None:
        self.limits = limits
        self.slow: list[int] = []
        self.scanned: list[int] = []
        self._started = time.process_time(), time.monotonic()
        self.reader, self.pages = _open_pypdf(data, limits)
        self.second = _open_pdfium(data, required=self.reader is None)
        self.count = len(self.pages) or (len(self.second) if self.second else 0)
        if not self.count:
            raise Refusal("damaged", _DAMAGED)
        if self.count > limits.pages:
            raise _too_many_pages(limits)

    def close(self) -> None:
        if self.second is not None:
            self.second.close()

    def used(self) -> float:
        """Share of the allowed time that is gone, on the processor or on the clock."""
        processor, clock = self._started
        return max(
            (time.process_time() - processor) / self.limits.cpu_seconds,
            (time.monotonic() - clock) / self.limits.wall_seconds,
        )

    def lines(self, index: int) -> list[Line]:
        """The lines of page `index`, uncleaned; empty where neither reader finds any."""
        page = self.second[index] if self.second and index < len(self.second) else None
        quick = "" if page is None else pdf_pages.pdfium_text(page)
        lines = [] if self.used() > _HURRY else self._first_opinion(index)
        text = "\n".join(line.text for line in lines)
        if page is None:
            return lines
        if pdf_pages.prefers_second(text, quick):
            lines = pdf_pages.pdfium_lines(page)
        elif quick:
            lines = pdf_pages.respaced(lines, quick)
        if sum(len(line.text) for line in lines) < _FEW_LETTERS and _has_picture(page):
            self.scanned.append(index + 1)
        page.close()
        return lines

    def _first_opinion(self, index: int) -> list[Line]:
        if index >= len(self.pages):
            return []
        try:
            with processor_time(self.limits.page_seconds):
                return pdf_pages.pypdf_lines(self.pages[index])
        except OutOfTime:
            self.slow.append(index + 1)
        except MemoryError:
            raise
        except Exception:
            # pypdf's documentation leaves it to the caller which errors a broken page raises.
            return []
        return []


def _open_pypdf(data: bytes, limits: IntakeLimits) -> tuple[PdfReader | None, Sequence[Any]]:
    """(reader, its pages), or (None, ()) for a file that pypdf cannot make sense of."""
    try:
        with processor_time(2 * limits.page_seconds):
            reader = PdfReader(io.BytesIO(data))
            if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
                raise Refusal("password", _PASSWORD)
            return reader, list(reader.pages)
    except FileNotDecryptedError as error:
        raise Refusal("password", _PASSWORD) from error
    except LimitReachedError as error:
        if "page tree entry" in str(error).casefold():
            raise _too_many_pages(limits) from error
        return None, ()
    except (Refusal, MemoryError):
        raise
    except (OutOfTime, Exception):
        return None, ()


def _open_pdfium(data: bytes, *, required: bool) -> Any | None:
    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        if not required:
            return None
        if "password" in str(error).casefold():
            raise Refusal("password", _PASSWORD) from error
        raise Refusal("damaged", _DAMAGED) from error


def _has_picture(page: Any) -> bool:
    kinds = [pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]
    return next(iter(page.get_objects(filter=kinds, max_depth=3)), None) is not None


def _too_many_pages(limits: IntakeLimits) -> Refusal:
    return Refusal(
        "too_large",
        f"It has more than {limits.pages:,} pages; split it and add the parts one by one.",
    )


def _draft(source: _Source) -> Draft:
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


def _clean_pages(source: _Source) -> tuple[list[list[Line]], int]:
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


def _refuse_scan(source: _Source, texts: Sequence[str]) -> None:
    letters = sum(char.isalnum() for text in texts for char in text)
    if 2 * len(source.scanned) > source.count and letters < _LETTERS_PER_SCAN * source.count:
        raise Refusal("no_text", _SCAN)
    if not letters:
        raise Refusal("no_text", _NO_TEXT)


def _warnings(source: _Source) -> tuple[str, ...]:
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
