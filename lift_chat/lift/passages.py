"""Sentences of a text, and passages: runs of whole sentences of about a given length.

Study questions are written about passages, retrieval ranks them, and the exam is split by them.
Offsets are characters of the text; nothing is changed or left out. Splitting needs no download
and knows abbreviations of many languages (sentencex).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Span:
    """Characters `start` (inclusive) to `end` (exclusive) of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end].strip()


def sentences(text: str, language: str = "en") -> list[Span]:
    """Consecutive sentences that cover `text`; those without a letter or digit join the one before.

    An unknown language is split like English.
    """
    from sentencex import get_sentence_boundaries

    spans: list[Span] = []
    for found in get_sentence_boundaries(language or "en", text):
        start, end = int(found["start_index"]), int(found["end_index"])
        speaks = any(character.isalnum() for character in text[start:end])
        if speaks or not spans:
            spans.append(Span(spans[-1].end if spans else 0, end))
        else:
            spans[-1] = Span(spans[-1].start, end)
    if spans:
        spans[-1] = Span(spans[-1].start, len(text))
    return spans


def passages(tokenizer: Any, text: str, tokens: int, language: str = "en") -> list[Span]:
    """Runs of whole sentences of at most about `tokens` tokens that cover `text`.

    A single sentence longer than that is a passage of its own. The runs are of similar length:
    the text is not cut greedily with a crumb at its end.
    """
    pieces = sentences(text, language)
    if not pieces:
        return []
    lengths = _token_counts(tokenizer, text, pieces)
    spans, start, filled = [], pieces[0].start, 0
    rest = sum(lengths)
    goal = _even(rest, tokens)
    for piece, length in zip(pieces, lengths, strict=True):
        if filled and filled + length / 2 > goal:
            spans.append(Span(start, piece.start))
            start, filled, goal = piece.start, 0, _even(rest, tokens)
        filled, rest = filled + length, rest - length
    return [*spans, Span(start, pieces[-1].end)]


def _even(rest: int, most: int) -> float:
    """Length of the next passage when what is left is cut evenly."""
    return rest / max(-(-rest // most), 1)


def _token_counts(tokenizer: Any, text: str, pieces: list[Span]) -> list[int]:
    """Tokens that begin in each piece; the text is tokenised once."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    counts, piece = [0] * len(pieces), 0
    for start, _ in encoded["offset_mapping"]:
        while start >= pieces[piece].end and piece + 1 < len(pieces):
            piece += 1
        counts[piece] += 1
    return counts
