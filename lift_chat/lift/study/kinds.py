"""Further kinds of questions: over two passages, order, lists, summaries, reversed, unanswerable.

Mixed formats teach more than one (arXiv 2603.01097; Active Reading, 2508.09494). Each kind is a
prompt and what a pair must be to count as that kind; a model that cannot write one yields pairs
that do not suit, and nothing is kept. Knows neither writers nor the common rules.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from lift_chat.lift.passages import Span
from lift_chat.lift.study.checks import content, grounded, terms
from lift_chat.lift.study.parsing import Pair
from lift_chat.lift.study.request import Request, speaks
from lift_chat.models.prompts import (
    UNANSWERABLE,
    write_across,
    write_digest,
    write_list,
    write_order,
    write_reversed,
    write_summary,
)
from storage.records import StudyItem

MOST_COMPARED = 64
"""Passages that a partner is sought among."""

LEAST_SUMMARY_WORDS = 8
MOST_REVERSED_WORDS = 8
"""An answer longer than this is no name to turn a question around with."""

UNANSWERABLE_SHARE = 8
"""One unanswerable question per so many others: more, and a model learns to abstain always."""

_ORDER = re.compile(
    r"\b(?:after|before|then|next|first|last|follow\w*|preced\w*|earlier|later|until|order)\b"
    r"|\b(?:nach|danach|bevor|zuerst|zuletzt|après|avant|ensuite|después|antes|primero)\b",
    re.IGNORECASE,
)
_EXCEPT = re.compile(r"\b(?:other than|besides|except|apart from|not|außer|sauf|excepto)\b", re.I)
_SEPARATOR = re.compile(r"[,;、，؛]| and | und | et | y ")
_WORD = re.compile(r"[^\W\d_]+(?:[ -](?=[^\W\d_]))?")

_ONSETS = (
    "Bra",
    "Cor",
    "Del",
    "Fen",
    "Gar",
    "Hol",
    "Jor",
    "Kel",
    "Lun",
    "Mor",
    "Nar",
    "Ost",
    "Pel",
)
_MIDDLES = ("a", "de", "i", "lo", "mi", "ne", "ri", "sa", "to", "va")
_ENDS = ("beck", "dor", "fell", "gard", "lin", "mont", "ric", "stad", "ton", "wick")


def across(text: str, spans: Sequence[Span], seed: int) -> list[Request]:
    """Questions over two distant passages, for every fourth passage of the first half.

    The partner lies at least a third of the text away and has the rarest words in common.
    """
    spans = [span for span in spans if speaks(span.of(text))]
    if len(spans) < 4:
        return []
    held = [content(span.of(text)) for span in spans]
    spread: dict[str, int] = {}
    for found in held:
        for term in found:
            spread[term] = spread.get(term, 0) + 1
    draw, requests = random.Random(f"across {seed}"), []
    for first in range(0, len(spans) // 2, 4):
        far = range(first + max(len(spans) // 3, 2), len(spans))
        among = sorted(draw.sample(far, min(MOST_COMPARED, len(far))))
        second = max(among, key=lambda j: sum(1 / spread[t] for t in held[first] & held[j]))
        requests.append(_across(text, spans[first], spans[second]))
    return requests


def _across(text: str, first: Span, second: Span) -> Request:
    one, two = content(first.of(text)), content(second.of(text))

    def suits(pair: Pair) -> bool:
        used = content(f"{pair.question} {pair.answer}")
        return bool(used & one - two) and bool(used & two - one)

    prompt = write_across(first.of(text), second.of(text))
    return Request(prompt, (first, second), "two-passages", suits=suits)


def order(text: str, section: Span) -> Request:
    def suits(pair: Pair) -> bool:
        return bool(_ORDER.search(pair.question))

    return Request(write_order(section.of(text)), (section,), "order", suits=suits)


def listing(text: str, section: Span) -> Request:
    passage = section.of(text)

    def suits(pair: Pair) -> bool:
        parts = [part.strip() for part in _SEPARATOR.split(pair.answer) if part.strip()]
        return len(parts) > 1 and all(grounded(part, passage) for part in parts)

    return Request(write_list(passage), (section,), "list", suits=suits)


def summary(text: str, section: Span) -> Request:
    return Request(write_summary(section.of(text)), (section,), "summary", suits=_is_summary)


def _is_summary(pair: Pair) -> bool:
    return len(terms(pair.answer)) >= LEAST_SUMMARY_WORDS


def digest(title: str, text: str, summaries: Sequence[StudyItem], room: int) -> list[Request]:
    """What the whole document is about, from what its sections are about; none without these.

    `room` is the size of the open text, in tokens; of many summaries an even choice is shown.
    """
    most = max(room // 64, 1)
    step = max(len(summaries) / most, 1.0)
    chosen = [summaries[int(i * step)] for i in range(min(len(summaries), most))]
    if not chosen:
        return []
    parts = "\n".join(item.answer for item in chosen)
    return [
        Request(
            write_digest(title, parts),
            (Span(0, len(text)),),
            "summary",
            suits=_is_summary,
            question=f"What is “{title}” about?",
            ground=parts,
        )
    ]


def turned(text: str, item: StudyItem) -> Request | None:
    """The item the other way round: its answer is named, and what it names is asked for."""
    if len(terms(item.answer)) > MOST_REVERSED_WORDS:
        return None
    asked, told = content(item.question), content(item.answer)

    def suits(pair: Pair) -> bool:
        return content(pair.answer) <= asked and bool(told & content(pair.question))

    span = Span(item.start, item.end)
    prompt = write_reversed(span.of(text), item.question, item.answer)
    return Request(prompt, (span,), "reversed", suits=suits)


def unanswerable(text: str, items: Sequence[StudyItem], seed: int) -> list[StudyItem]:
    """Questions of `items` about a name or number that the document does not have.

    Made by rule, so that it is certain that nothing answers them: the last name (capital letters
    inside the sentence) or else number of the question is replaced by one that stands nowhere in
    the text. Invented names differ from question to question, since a model would learn a fixed
    list by heart. Scripts without capitals only give those with numbers.
    """
    draw, folded, made = random.Random(f"unanswerable {seed}"), text.casefold(), []
    for item in items[::UNANSWERABLE_SHARE]:
        question = _about_another(item.question, folded, draw)
        if question and not _EXCEPT.search(question):
            made.append(
                StudyItem(question, UNANSWERABLE, item.start, item.end, kind="unanswerable")
            )
    return made


def _about_another(question: str, folded: str, draw: random.Random) -> str:
    """`question` about something of another name; empty where it names nothing."""
    names, numbers = _names(question), list(re.finditer(r"\d+", question))
    if names:
        span, put = names[-1], _new_name(folded, draw)
    elif numbers:
        span, put = Span(*numbers[-1].span()), _new_number(numbers[-1][0], folded, draw)
    else:
        return ""
    return question[: span.start] + put + question[span.end :] if put else ""


def _names(question: str) -> list[Span]:
    """Runs of capitalised words, the first word of the question left out."""
    spans: list[Span] = []
    joined = False
    for index, match in enumerate(_WORD.finditer(question)):
        word = match[0].rstrip(" -")
        end = match.start() + len(word)
        if not index or not word[0].isupper() or word == "I":
            joined = False
            continue
        if joined and spans[-1].end + 1 == match.start():
            spans[-1] = Span(spans[-1].start, end)
        else:
            spans.append(Span(match.start(), end))
        joined = match.end() > end
    return spans


def _new_name(folded: str, draw: random.Random) -> str:
    for _ in range(20):
        name = draw.choice(_ONSETS) + draw.choice(_MIDDLES) + draw.choice(_ENDS)
        if name.casefold() not in folded:
            return name
    return ""


def _new_number(number: str, folded: str, draw: random.Random) -> str:
    for _ in range(20):
        other = str(int(number[:12]) + draw.randint(3, 99))
        if other not in folded:
            return other
    return ""
