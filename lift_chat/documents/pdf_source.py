"""A PDF file in two readers: how it is opened, and how the lines of one page are had.

Bounds what pypdf and a single page may cost. Pictures are never decoded and no outside program
is called. Knows lines, not paragraphs.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from typing import Any, Final

import pypdfium2
from pypdf import PasswordType, PdfReader
from pypdf.errors import FileNotDecryptedError, LimitReachedError

from lift_chat.documents import pdf_second
from lift_chat.documents.draft import Refusal
from lift_chat.documents.limits import IntakeLimits
from lift_chat.documents.lines import Line
from lift_chat.documents.pdf_lines import pypdf_lines
from lift_chat.documents.stopwatch import OutOfTime, processor_time

_STREAM_BYTES: Final = 32_000_000
_HURRY: Final = 0.6
"""Share of the time after which pages are only read the quick way."""
_FEW_LETTERS: Final = 20
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


class Source:
    """One file in two readers, of which either may be missing.

    `slow` and `scanned` collect the numbers of pages that took too long for pypdf, and of pages
    that are pictures. Raises `Refusal`: password, damaged, too_large.
    """

    def __init__(self, data: bytes, limits: IntakeLimits, *, second_opinion: bool) -> None:
        self.limits = limits
        self.slow: list[int] = []
        self.scanned: list[int] = []
        self._started = time.process_time(), time.monotonic()
        self.reader, self.pages = _open_pypdf(data, limits)
        self.second = _open_pdfium(data, required=self.reader is None) if second_opinion else None
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
        lines = [] if self.used() > _HURRY else self._first_opinion(index)
        if self.second is None or index >= len(self.second):
            return lines
        try:
            page = self.second[index]
            try:
                return self._better(lines, page, number=index + 1)
            finally:
                page.close()
        except pypdfium2.PdfiumError:
            return lines

    def _better(self, lines: list[Line], page: Any, *, number: int) -> list[Line]:
        """The better of pypdf's lines and those that PDFium finds on `page`."""
        quick = pdf_second.pdfium_text(page)
        if pdf_second.prefers_second("\n".join(line.text for line in lines), quick):
            lines = pdf_second.pdfium_lines(page)
        elif quick:
            lines = pdf_second.respaced(lines, quick)
        if sum(len(line.text) for line in lines) < _FEW_LETTERS and pdf_second.has_picture(page):
            self.scanned.append(number)
        return lines

    def _first_opinion(self, index: int) -> list[Line]:
        if index >= len(self.pages):
            return []
        try:
            with processor_time(self.limits.page_seconds):
                return pypdf_lines(self.pages[index])
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


def _too_many_pages(limits: IntakeLimits) -> Refusal:
    return Refusal(
        "too_large",
        f"It has more than {limits.pages:,} pages; split it and add the parts one by one.",
    )
