"""How far a given answer agrees with gold answers: numbers that need no judge.

Exact match and token F1 are those of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1,
"Model Evaluation"): both texts are lowercased, and punctuation and the articles a, an, the are
left out before words are compared; of several golds the best counts. Answer recall and "contains"
are for models that answer in whole sentences, which F1 punishes for every further word. ROUGE-L
is Lin's (2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3.1) with equal
weight of precision and recall: the longest run of words in common, gaps allowed, articles counted.

One thing differs from SQuAD: punctuation is Unicode's, not only ASCII's, so a curly apostrophe
weighs no more than a straight one, and a dash between two words separates them. Pure Python; knows
nothing of models or documents.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_ARTICLES = frozenset({"a", "an", "the"})
_DASHES = "–—―"


@dataclass(frozen=True)
class Scores:
    """All of one answer's numbers, each 0 to 1 and the best over the golds."""

    exact: float
    f1: float
    recall: float
    contains: float
    rouge_l: float


def words(text: str) -> list[str]:
    """`text` as the words that are compared: lowercase, no punctuation, no articles."""
    return [word for word in _all_words(text) if word not in _ARTICLES]


def exact_match(answer: str, golds: Sequence[str]) -> float:
    """1 if the answer has the words of a gold and no others, in its order; else 0."""
    return _best(answer, golds, lambda given, gold: float(given == gold))


def token_f1(answer: str, golds: Sequence[str]) -> float:
    """Harmonic mean of precision and recall of the words, each counted as often as it occurs."""
    return _best(answer, golds, _f1)


def answer_recall(answer: str, golds: Sequence[str]) -> float:
    """Share of a gold's words that are in the answer; further words cost nothing."""
    return _best(answer, golds, _recall)


def contains_gold(answer: str, golds: Sequence[str]) -> float:
    """1 if a gold's words stand in the answer in one run; else 0. "4" is not in "14"."""
    return _best(answer, golds, _contains)


def rouge_l(answer: str, golds: Sequence[str]) -> float:
    """F-measure of the longest common subsequence of words."""
    if not golds:
        raise ValueError("There is no gold answer to compare with.")
    given = _all_words(answer)
    return max(_rouge_l(given, _all_words(gold)) for gold in golds)


def keywords_share(answer: str, keywords: Sequence[str]) -> float:
    """Share of the keywords whose words stand in the answer in one run."""
    if not keywords:
        raise ValueError("There is no keyword to look for.")
    return sum(contains_gold(answer, [keyword]) for keyword in keywords) / len(keywords)


def number_share(answer: str, golds: Sequence[str]) -> float:
    """Share of the answer's numbers that are the gold's: LongBench's score for naming a paragraph
    and for counting (arXiv 2308.14508, its code's `retrieval_score` and `count_score`)."""
    given = re.findall(r"\d+", answer)
    right = {number for gold in golds for number in re.findall(r"\d+", gold)}
    return sum(number in right for number in given) / len(given) if given else 0.0


def score(answer: str, golds: Sequence[str]) -> Scores:
    """The five numbers at once. Like each of them raises `ValueError` if there is no gold."""
    return Scores(
        exact=exact_match(answer, golds),
        f1=token_f1(answer, golds),
        recall=answer_recall(answer, golds),
        contains=contains_gold(answer, golds),
        rouge_l=rouge_l(answer, golds),
    )


def _all_words(text: str) -> list[str]:
    return "".join(_bare(character) for character in text.lower()).split()


def _bare(character: str) -> str:
    if character in _DASHES:
        return " "
    # SQuAD's ASCII punctuation includes signs like $ and +, which Unicode calls symbols.
    if character in string.punctuation or unicodedata.category(character).startswith("P"):
        return ""
    return character


def _best(
    answer: str, golds: Sequence[str], agreement: Callable[[list[str], list[str]], float]
) -> float:
    if not golds:
        raise ValueError("There is no gold answer to compare with.")
    given = words(answer)
    return max(agreement(given, words(gold)) for gold in golds)


def _shared(given: list[str], gold: list[str]) -> int:
    return sum((Counter(given) & Counter(gold)).values())


def _f1(given: list[str], gold: list[str]) -> float:
    # Without words on either side F1 is 0/0; then, as in SQuAD 2, only emptiness equals emptiness.
    if not given or not gold:
        return float(given == gold)
    return 2 * _shared(given, gold) / (len(given) + len(gold))


def _rouge_l(given: list[str], gold: list[str]) -> float:
    if not given or not gold:
        return float(given == gold)
    return 2 * _common(given, gold) / (len(given) + len(gold))


def _common(given: list[str], gold: list[str]) -> int:
    """Length of the longest common subsequence, one row of the table at a time."""
    above = [0] * (len(gold) + 1)
    for word in given:
        row = [0]
        for place, other in enumerate(gold):
            row.append(above[place] + 1 if word == other else max(above[place + 1], row[place]))
        above = row
    return above[-1]


def _recall(given: list[str], gold: list[str]) -> float:
    if not gold:
        return float(not given)
    return _shared(given, gold) / len(gold)


def _contains(given: list[str], gold: list[str]) -> float:
    if not gold:
        return float(not given)
    starts = range(len(given) - len(gold) + 1)
    return float(any(given[start : start + len(gold)] == gold for start in starts))
