"""Where an answer's claims stand in the document: a text match after the answer.

The model is not asked; what it said is compared with every sentence of the document, word by word.
A word weighs the square of its inverse document frequency, as in the product of two tf-idf
vectors (Salton and Buckley, 1988), with sentences as the documents. Whether a claim is *true* is
not known here, only which sentence has its words; a claim whose words stand together nowhere has
no citation. Knows no model and no conversation.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from lift_chat.models.excerpt import Place
from storage.records import Page
from storage.search import spaced

ENOUGH = 0.65
"""Share of a claim's weight that a sentence must have."""

PLAIN = 0.85
"""From this share on the claim stands there as a whole, and its clauses are not looked for."""

SUPPORT = 0.25
"""How much the words of the question count, where more than one sentence has those of the claim."""

FEW, RELATED = 4, 0.2
"""A claim of fewer words than `FEW` stands in many places: it has to have that share of the
question's weight beside it, too."""

STEM = 6
"""Characters by which two forms of a word are the same: "climbed" and "climbing"."""

LONG = 240
"""Characters from which on a sentence is cut where its parts end: speech of many sentences within
one pair of quotation marks has words enough to match anything."""

# Words of grammar tell nothing, but are not all frequent in a narrated text; the rest is how an
# answer speaks about the document, or about not knowing.
_EMPTY_WORDS = (
    "a an the and or but not no nor of in on at to from by for with as into than then so if "
    "is are was were be been being am do does did done don t s have has had i you he she it "
    "we they his her its their this that these those there here who whom whose what which "
    "when where why how can could will would may might also about answer question text "
    "document passage according say says said mention mentions mentioned state states stated "
    "know sure information "
)
_EMPTY = frozenset(_EMPTY_WORDS.split())
_FULL_STOPS = (*'.!?"”’)…。！？',)
_ENDS = re.compile(r"(?<=[.!?])[\"”’)]*\s+")
_WORD = re.compile(r"\w+")
_CLAUSE = re.compile(r"[,;:\n]|\s[–—-]\s")

Split = Callable[[str], Sequence[Place]]
"""Cuts a text into sentences."""


@dataclass(frozen=True)
class Citation:
    """`quote` stands word for word at characters `start` to `end` of the document's text, which
    begin on the page numbered `page`. `score`, in 0..1, is the share of the claim found there."""

    page: int
    label: str
    start: int
    end: int
    quote: str
    score: float


class CitationIndex:
    """The sentences of one document by their words. Built once; any thread may ask."""

    def __init__(self, pages: Sequence[Page], split: Split) -> None:
        self._pages, self._split = pages, split
        self._starts = [page.start for page in pages]
        self._text = "\n\n".join(page.text for page in pages)
        self._places = list(_pieces(self._text, split))
        self._sentences = [_words(self._text[slice(*place)]) for place in self._places]
        self._with: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self._sentences):
            for word in words:
                self._with[word].append(number)
        self._most = math.log(len(self._places) + 1)

    def cite(self, answer: str, question: str = "") -> list[Citation]:
        """The best sentence for each claim of `answer`, in the order of the claims, each once.

        What `question` says already is no claim; it only tells sentences apart.
        """
        asked = _words(question)
        found: dict[int, float] = {}
        for number, score in self._claims(answer, asked):
            found[number] = max(score, found.get(number, 0.0))
        return [self._citation(number, score) for number, score in found.items()]

    def _claims(self, answer: str, asked: frozenset[str]) -> Iterator[tuple[int, float]]:
        """(sentence, score) of every claim: a sentence of the answer, or else its clauses."""
        for start, end in self._split(answer):
            sentence = answer[start:end]
            whole = self._best(_words(sentence), asked)
            if whole and whole[1] >= PLAIN:
                yield whole
                continue
            clauses = [_words(part) for part in _CLAUSE.split(sentence)]
            known = [self._best(words, asked) for words in clauses if len(words) > 1]
            parts = [match for match in known if match]
            yield from parts or ([whole] if whole else [])

    def _best(self, claim: frozenset[str], asked: frozenset[str]) -> tuple[int, float] | None:
        """The sentence that has most of what `claim` adds to the question, if it has enough."""
        news = claim - asked or claim
        total, support = self._weight(news), self._weight(asked - news)
        if not total:
            return None
        shares = self._shares(news, total)
        helped = self._shares(asked - news, support) if support else {}
        enough = [number for number, share in shares.items() if share >= ENOUGH]
        if support and len(news) < FEW:
            around = partial(self._around, words=asked - news)
            enough = [number for number in enough if around(number) >= RELATED * support]

        def rank(number: int) -> tuple[float, bool, int, int]:
            share = shares[number] + SUPPORT * helped.get(number, 0.0)
            told = self._text.endswith(_FULL_STOPS, *self._places[number])
            return round(share, 9), told, -len(self._sentences[number]), -number

        if not enough:
            return None
        best = max(enough, key=rank)
        shared = (claim | asked) & self._sentences[best]
        # One word in common, or only words that are everywhere, is a coincidence.
        telling = max(self._idf(word) for word in shared) >= self._most / 2
        return (best, shares[best]) if len(shared) > 1 and telling else None

    def _around(self, number: int, words: frozenset[str]) -> float:
        """The weight of those of `words` that a sentence or one of its neighbours has."""
        near = frozenset().union(*self._sentences[max(number - 1, 0) : number + 2])
        return self._weight(words & near)

    def _shares(self, words: frozenset[str], total: float) -> dict[int, float]:
        """By sentence, the share of the words' weight that it has."""
        shares: dict[int, float] = defaultdict(float)
        for word in sorted(words):
            weight = self._idf(word) ** 2 / total
            for number in self._with.get(word, ()):
                shares[number] += weight
        return shares

    def _weight(self, words: frozenset[str]) -> float:
        return sum(self._idf(word) ** 2 for word in sorted(words))

    def _idf(self, word: str) -> float:
        """A word that the document does not have weighs like one of middling frequency: it may be
        an invention, or only the model's way to put it."""
        known = len(self._with.get(word, ()))
        return self._most - math.log(known) if known else self._most / 2

    def _citation(self, number: int, score: float) -> Citation:
        start, end = self._places[number]
        page = self._pages[max(bisect_right(self._starts, start) - 1, 0)]
        quote, share = self._text[start:end], round(min(score, 1.0), 3)
        return Citation(page.number, page.label, start, end, quote, share)


def _pieces(text: str, split: Split) -> Iterator[Place]:
    """The sentences that say something, without the blanks around them; long ones in parts."""
    for start, end in split(text):
        cuts = [start, end]
        if end - start > LONG:
            cuts[1:1] = [found.end() for found in _ENDS.finditer(text, start, end)]
        for first, last in pairwise(cuts):
            piece = text[first:last]
            if piece.strip():
                before = len(piece) - len(piece.lstrip())
                yield first + before, first + len(piece.rstrip())


def _words(text: str) -> frozenset[str]:
    """Stems of the words; Han and kana, which are written without spaces, by character."""
    return frozenset(
        word if word.isdigit() else word[:STEM]
        for word in _WORD.findall(spaced(text.casefold()))
        if word not in _EMPTY
    )
