"""Markdown as text: headings become chapters, light markup goes, words and lists stay.

Covers what people write by hand (CommonMark's headings, lists, code, links, emphasis, tables and
YAML front matter). HTML inside Markdown is reduced to its text.
"""

from __future__ import annotations

import re
from typing import Final

from lift_chat.documents.cleaning import clean
from lift_chat.documents.draft import Draft
from lift_chat.documents.encoding import decode
from lift_chat.documents.outline import Block, paginate

_FRONT_MATTER = re.compile(r"\A---\n(.*?\n)(?:---|\.\.\.)\n", re.DOTALL)
_FIELD: Final = r"^{}:[ \t]*[\"']?(.+?)[\"']?[ \t]*$"
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_ITEM = re.compile(r"[ \t]*(?:([-*+])|(\d{1,9})[.)])[ \t]+(.*)$")
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_DEFINITION = re.compile(r" {0,3}\[[^\]]{1,200}\]:[ \t]*\S+.*$")
_LONGEST_MARK: Final = 1_000
_TASK = re.compile(r"^\[[ xX]\] ")

_TARGET: Final = (
    r"(?:\((?:[^()\s]|\([^()\s]{0,500}\)){0,2000}(?:[ \t][^)]{0,200})?\)|\[[^\]]{0,200}\])"
)
_INLINE: Final = (
    (re.compile(r"<!--.*?-->", re.DOTALL), ""),
    (re.compile(rf"!\[([^\]]{{0,500}})\]{_TARGET}"), r"\1"),
    (re.compile(rf"\[([^\]]{{1,500}})\]{_TARGET}"), r"\1"),
    (re.compile(r"<((?:https?://|mailto:)[^>\s]{1,2000})>"), r"\1"),
    (re.compile(r"</?[A-Za-z][^<>]{0,1000}>"), ""),
    (re.compile(r"\*\*(?=\S)(.{1,2000}?)(?<=\S)\*\*"), r"\1"),
    (re.compile(r"(?<!\w)__(?=\S)(.{1,2000}?)(?<=\S)__(?!\w)"), r"\1"),
    (re.compile(r"\*(?=[^\s*])(.{1,2000}?)(?<=[^\s*])\*"), r"\1"),
    (re.compile(r"(?<!\w)_(?=[^\s_])(.{1,2000}?)(?<=[^\s_])_(?!\w)"), r"\1"),
    (re.compile(r"~~(?=\S)(.{1,2000}?)(?<=\S)~~"), r"\1"),
)
_LITERAL: Final = re.compile(
    r"\\([!-/:-@\[-`{-~])|(?<!`)(`+)(?!`)(.{1,2000}?)(?<!`)\2(?!`)", re.DOTALL
)
_SHELTER: Final = 0xF0000
_SHELTERED = re.compile("[\U000f0021-\U000f007e]")


def read_markdown(data: bytes) -> Draft:
    """Never refuses; what has no text is for `quality` to judge."""
    text = clean(decode(data)).expandtabs(4)
    front = _FRONT_MATTER.match(text)
    parser = _Parser()
    parser.feed(text[front.end() :] if front else text)
    leaves, marks = paginate(parser.blocks)
    header = front[1] if front else ""
    first = next((block.text for block in parser.blocks if block.level), "")
    return Draft(
        kind="markdown",
        title=_field(header, "title") or first,
        author=_field(header, "author"),
        language=_field(header, "lang"),
        leaves=leaves,
        marks=marks,
    )


def _field(header: str, name: str) -> str:
    match = re.search(_FIELD.format(name), header, re.MULTILINE | re.IGNORECASE)
    return match[1].strip() if match else ""


class _Parser:
    """Line by line: gathers paragraph lines until something else begins."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._lines: list[str] = []
        self._marker = ""
        self._fence = ""
        self._in_table = False

    def feed(self, text: str) -> None:
        for line in text.split("\n"):
            if self._fence:
                self._code(line)
            else:
                self._line(line)
        self._flush()

    def _line(self, line: str) -> None:
        line = re.sub(r"^[ ]{0,3}(?:>[ ]?)+", "", line)
        # A longer line is prose, and too long for patterns with two open ends.
        marked = line if len(line) <= _LONGEST_MARK else ""
        heading, fence, item = _ATX.match(marked), _FENCE.match(line), _ITEM.match(line)
        if heading:
            self._flush()
            self._emit(inline(heading[2] or ""), level=len(heading[1]))
        elif fence:
            self._flush()
            self._fence = fence[1]
        elif self._lines and not self._marker and (rule := _UNDERLINE.match(line)):
            self._flush(level=1 if rule[1][0] == "=" else 2)
        elif not line.strip() or _RULE.match(marked) or _DEFINITION.match(marked):
            self._flush()
            self._in_table = False
        elif item:
            self._flush()
            self._marker = f"{item[2]}. " if item[2] else "- "
            self._lines = [_TASK.sub("", item[3])]
        elif line.lstrip().startswith("|") or (self._in_table and "|" in line):
            self._row(line)
        elif "|" in line and _TABLE_RULE.match(marked) and len(self._lines) == 1:
            header, self._lines = self._lines[0], []
            self._in_table = True
            self._row(header)
        else:
            self._lines.append(line)

    def _code(self, line: str) -> None:
        if line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
            self._fence = ""
            self._emit("\n".join(self._lines).strip("\n"))
            self._lines = []
        else:
            self._lines.append(line.rstrip())

    def _row(self, line: str) -> None:
        self._flush()
        if len(line) > _LONGEST_MARK or not _TABLE_RULE.match(line):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            self._emit(" | ".join(inline(cell).strip() for cell in cells), tight=True)

    def _flush(self, *, level: int = 0) -> None:
        parts = [x.strip() + ("\n" if x.endswith(("  ", "\\")) else " ") for x in self._lines]
        text = inline("".join(parts).strip().replace("\\\n", "\n"))
        self._emit(text, level=level, tight=bool(self._marker), marker=self._marker)
        self._lines, self._marker = [], ""

    def _emit(self, text: str, *, level: int = 0, tight: bool = False, marker: str = "") -> None:
        if text.strip(" |\n"):
            self.blocks.append(Block(marker + text, level, tight))


def inline(text: str) -> str:
    """`text` without the marks of emphasis, links and HTML; code and escapes as written."""
    text = _LITERAL.sub(lambda match: _shelter(match[1] or match[3]), text)
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    text = _SHELTERED.sub(lambda match: chr(ord(match[0]) - _SHELTER), text)
    return re.sub(r"[ \t]+", " ", text).strip()


def _shelter(text: str) -> str:
    """Punctuation where no pattern finds it; `inline` brings it back."""
    return "".join(
        chr(ord(c) + _SHELTER) if "!" <= c <= "~" and not c.isalnum() else c for c in text
    )
