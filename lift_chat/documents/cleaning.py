"""Cleaning of characters: what a reader would not see goes, what they would see stays.

Ligatures and presentation forms are folded to the letters they show; compatibility characters
that carry meaning (superscripts, mathematical letters, full-width forms) are not. Works on any
text; knows nothing of lines and pages.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LIGATURES: Final = "\ufb00-\ufb06\ufb13-\ufb17"
_PRESENTATION: Final = (
    "\ufb1d-\ufb4f\ufb50-\ufbb1\ufbd3-\ufdff\ufe70-\ufefc\u0132\u0133\u01c4-\u01cc"
)
_FOLDED: Final = re.compile(f"[{_LIGATURES}{_PRESENTATION}]+")
_TERMINAL: Final = re.compile("\x1b\\[[0-9;?]{0,20}[@-~]")
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ufff9-\ufffb]")
_INVISIBLE: Final = re.compile(
    "[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\U000e0000-\U000e007f]"
)
_SURROGATES: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
_SPACES: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_NEWLINES: Final = re.compile("\r\n|[\r\x0c\x85\u2028\u2029]")
_SOFT_HYPHEN: Final = re.compile("\u00ad[ \t]*\n?[ \t]*")
_UNMAPPED: Final = re.compile(
    "[\ufffd\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]|\\(cid:\\d+\\)"
)
_PLAIN: Final = re.compile(r"[\n\t\x20-\x7e]*")


def clean(text: str) -> str:
    """`text` without controls, invisible marks and soft hyphens; ligatures as letters; NFC."""
    if _PLAIN.fullmatch(text):
        return text
    text = _NEWLINES.sub("\n", text)
    text = _SOFT_HYPHEN.sub("", text)
    text = _SURROGATES.sub("\ufffd", text)
    text = _CONTROLS.sub("", _TERMINAL.sub("", text))
    text = _INVISIBLE.sub("", text)
    text = _SPACES.sub(" ", text)
    text = _FOLDED.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return unicodedata.normalize("NFC", text)


def unmapped_glyphs(text: str) -> int:
    """Characters that stand for a glyph whose meaning the file does not tell."""
    return len(_UNMAPPED.findall(text))


def control_characters(text: str) -> int:
    return len(_CONTROLS.findall(text))


def squeeze(text: str) -> str:
    """Runs of blanks as one, no blanks at line ends, at most one blank line in a row."""
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r" ?\n ?", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
