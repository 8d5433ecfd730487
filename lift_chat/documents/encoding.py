"""From bytes to text, for files that do not say, or say wrongly, how they are encoded."""

from __future__ import annotations

import codecs
import re
from typing import Final

from charset_normalizer import from_bytes

from lift_chat.documents.language import identify

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED: Final = re.compile(
    rb"""(?:<\?xml[^>]*?encoding\s*=|<meta[^>]*?charset\s*=)\s*["']?([\w.:-]+)""", re.IGNORECASE
)
_HEAD: Final = 4096
_SAMPLE: Final = 4096
_WESTERN: Final = "cp1252"
_CANDIDATES: Final = (
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "koi8_r",
    "shift_jis",
    "gb18030",
    "big5",
    "euc_kr",
    "mac_roman",
)
_MARGIN: Final = 0.01
_ENOUGH: Final = 4
"""Bytes above ASCII without which nothing can be told."""


def decode(data: bytes, *, declared: str = "") -> str:
    """`data` as text: by its mark, as UTF-8, as declared, or as its bytes suggest. Never fails."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            # An odd byte at the end of UTF-16 is a cut file, not another encoding.
            return data.decode(name, errors="replace")
    if name := _utf16_without_mark(data):
        return data.decode(name, errors="replace")
    text = data.decode("utf-8", errors="replace")
    if _is_mostly_sound(text):
        return text
    if name := _known(declared):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            pass
    return _guess(data)


def _is_mostly_sound(text: str) -> bool:
    """Whether `text` was UTF-8, give or take some damaged bytes."""
    broken = text.count("\ufffd")
    return not broken or sum(not char.isascii() for char in text) > 20 * broken


def decode_markup(data: bytes) -> str:
    """`decode` for HTML and XML, which may declare their encoding in their first lines."""
    declared = _DECLARED.search(data[:_HEAD])
    return decode(data, declared=declared[1].decode("ascii", "replace") if declared else "")


def _known(name: str) -> str:
    try:
        found = codecs.lookup(name).name if name else ""
    except LookupError:
        return ""
    # Browsers read Latin-1 as its superset, and so do the people who declare it.
    return "cp1252" if found in ("iso8859-1", "ascii") else found


def _utf16_without_mark(data: bytes) -> str:
    head = data[:_HEAD]
    half = len(head) // 2
    if half < 4:
        return ""
    even, odd = head[0 : 2 * half : 2].count(0), head[1 : 2 * half : 2].count(0)
    if odd > 0.7 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.7 * half and odd < 0.05 * half else ""


def _guess(data: bytes) -> str:
    """The encoding under which the text reads most like some language.

    Windows-1252 wins ties: in a text with few accents, most encodings look alike.
    """
    sample = _accented(data)
    if sum(byte > 127 for byte in sample) < _ENOUGH:
        return data.decode(_WESTERN, errors="replace")
    best = from_bytes(sample).best()
    chosen, score = _WESTERN, _likeness(sample, _WESTERN) + _MARGIN
    for name in dict.fromkeys([best.encoding if best else _WESTERN, *_CANDIDATES]):
        if (likeness := _likeness(sample, name)) > score:
            chosen, score = name, likeness
    return data.decode(chosen, errors="replace")


def _likeness(sample: bytes, name: str) -> float:
    """How much the sample, read in this encoding, is like some language: 0..1."""
    try:
        # Incremental, since the sample may end within a character.
        return identify(codecs.getincrementaldecoder(name)().decode(sample))[1]
    except (UnicodeDecodeError, LookupError):
        return 0.0


def _accented(data: bytes) -> bytes:
    """The first lines that hold a byte above ASCII; the others tell nothing."""
    lines: list[bytes] = []
    size = 0
    for line in data.splitlines(keepends=True):
        if not line.isascii():
            lines.append(line[:_SAMPLE])
            size += len(lines[-1])
        if size >= _SAMPLE:
            break
    return b"".join(lines)
