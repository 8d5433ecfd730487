"""What a question has to be before it is trained on, as far as its words tell.

Deduplication, the form of question and answer, evidence that stands in the text word for word,
and answers that stand on the passage. Pure functions of strings; whether a model that reads the
passage comes to the same answer is asked elsewhere (`teacher`).

Function words and turns of phrase are known for English and, the commonest, for German, French
and Spanish; elsewhere every word counts as content, which lets more through, never less.
"""

from __future__ import annotations

import math
import re

from lift_chat.evaluation.metrics import words
from lift_chat.lift.passages import Span
from storage.records import StudyItem

NEAR = 0.8
"""Share of common words, of all words of both, from which two questions are the same."""

LEAST_QUESTION_WORDS = 3
MOST_WORDS = 60
LEAST_EVIDENCE_WORDS = 3
"""Below this, evidence stands in any text and proves nothing."""

GROUNDED = 0.5
"""Least share of an answer's content words that stand in its passage."""

_QUESTION_MARKS = ("?", "？", "؟", "\u037e")

_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
    r"|[^\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+"
)
"""One character of a script written without spaces, or a run of others."""

_TEXT = r"(?:text|passage|story|excerpt|paragraph|article|document|section|author|sentence)"
_REFERENCE = re.compile(
    r"\b(?:according to|based on|in|from|by|of) (?:the|this)(?: (?:given|above|provided|last))? "
    + _TEXT
    + r"\b(?! of\b)"
    + r"|\b(?:the|this) (?:text|passage|excerpt|paragraph|article|author) "
    + r"(?:says?|states?|mentions?|describes?|tells?|suggests?)\b"
    + r"|\bdoes (?:the|this) (?:text|passage|excerpt|paragraph|article|author)\b"
    + r"|\b(?:mentioned|described|stated|listed) (?:above|here)\b"
    + r"|\b(?:laut|im|dem) (?:dem )?(?:text|abschnitt)\b"
    + r"|\b(?:selon|dans) (?:le|ce) (?:texte|passage)\b"
    + r"|\b(?:según|en) el (?:texto|pasaje)\b",
    re.IGNORECASE,
)

_FUNCTION_WORDS = frozenset(
    words(
        "and are as at be been being but by can could did do does for from had has have he her "
        "hers him his how i if in into is it its may me might my not of on or our she should so "
        "some such than that their them then there these they this those to us was we were what "
        "when where which while who whom whose why will with would you your"
    )
)

_FOLDED_QUOTES = {
    **dict.fromkeys('"“”„‟«»', '["“”„‟«»]'),
    **dict.fromkeys("'‘’‚‛`´", "['‘’‚‛`´]"),
}


def terms(text: str) -> list[str]:
    """Normalised words; of scripts without spaces, every character."""
    return [term for word in words(text) for term in _UNSPACED.findall(word)]


def content(text: str) -> frozenset[str]:
    """The terms without function words; all of them where nothing else is left."""
    found = frozenset(terms(text))
    return found - _FUNCTION_WORDS or found


def near_duplicate(first: str, second: str) -> bool:
    """Whether two questions are one: at least `NEAR` of the words of both are common to both.

    Questions that name different numbers are different ones.
    """
    return _same(frozenset(terms(first)), frozenset(terms(second)))


def _same(first: frozenset[str], second: frozenset[str]) -> bool:
    if _numbers(first) != _numbers(second):
        return False
    return len(first & second) >= NEAR * len(first | second) - 1e-9


def _numbers(found: frozenset[str]) -> frozenset[str]:
    return frozenset(term for term in found if any(letter.isdigit() for letter in term))


class Questions:
    """Questions that were kept, asked whether they hold one already.

    Two sets that share `NEAR` of their union share a term among the first few of each in any
    common order (prefix filtering: Bayardo et al. 2007, "Scaling Up All Pairs Similarity
    Search"), so few are compared however many are held. Long terms come first: they are rare.
    """

    def __init__(self) -> None:
        self._by_term: dict[str, list[frozenset[str]]] = {}

    def __contains__(self, question: str) -> bool:
        found = frozenset(terms(question))
        return any(
            _same(found, other) for term in _first(found) for other in self._by_term.get(term, ())
        )

    def add(self, question: str) -> None:
        found = frozenset(terms(question))
        for term in _first(found):
            self._by_term.setdefault(term, []).append(found)


def _first(found: frozenset[str]) -> list[str]:
    ordered = sorted(found, key=lambda term: (-len(term), term))
    return ordered[: len(ordered) - math.ceil(NEAR * len(ordered) - 1e-9) + 1]


def question_fault(question: str, answer: str) -> str:
    """What is wrong with the form of a question and its answer, in words; empty if nothing is."""
    asked, told = terms(question), terms(answer)
    if not question.rstrip().endswith(_QUESTION_MARKS):
        return "no question mark"
    if not LEAST_QUESTION_WORDS <= len(asked) <= MOST_WORDS:
        return "length of the question"
    if not 1 <= len(told) <= MOST_WORDS:
        return "length of the answer"
    if not frozenset(asked) - _FUNCTION_WORDS:
        return "names nothing"
    if _REFERENCE.search(question):
        return "refers to the text"
    if f" {' '.join(told)} " in f" {' '.join(asked)} ":
        return "contains its answer"
    return ""


def find_verbatim(text: str, evidence: str, within: Span) -> Span | None:
    """Where `evidence` stands in `text`, inside `within`; None if it does not, word for word.

    Runs of whitespace are one blank, curly and straight quotes are the same, and quotes around
    the whole evidence may be the writer's own. Offsets are characters of `text`.
    """
    if len(terms(evidence)) < LEAST_EVIDENCE_WORDS:
        return None
    bare = evidence.strip()
    inner = bare.strip('"“”„‟«»')
    for candidate in dict.fromkeys((bare, inner)):
        pieces = ("".join(map(_folded, piece)) for piece in candidate.split())
        found = re.compile(r"\s+".join(pieces)).search(text, within.start, within.end)
        if found:
            return Span(*found.span())
    return None


def answered_at(text: str, item: StudyItem) -> Span:
    """Where in `text` the answer stands: at the evidence, else somewhere in the item's span.

    Two items whose spans overlap may still be about different sentences, and the other way round.
    """
    start = text.find(item.evidence, item.start, item.end) if item.evidence else -1
    if start < 0:
        return Span(item.start, item.end)
    return Span(start, start + len(item.evidence))


def _folded(character: str) -> str:
    return _FOLDED_QUOTES.get(character) or re.escape(character)


def grounded(answer: str, passage: str) -> bool:
    """Whether at least half of the answer's content words stand in the passage.

    For answers that are found, not concluded: “yes” and “three of them” fail.
    """
    needed = content(answer)
    return bool(needed) and len(needed & frozenset(terms(passage))) >= GROUNDED * len(needed)
