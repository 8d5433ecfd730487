"""Questions out of a model's reply: lines “Question:”, “Answer:” and, where asked for, “Evidence:”.

Strict, because what is guessed here is trained on later: numbering and stray whitespace are
tolerated, anything else is dropped and counted. Never raises, whatever a model says. Judges the
form alone, not whether a question is any good.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(
    r"(?:\(?\d{1,3}[.):]\s*)?(?P<label>Question|Answer|Evidence)(?:\s+\d{1,3})?\s*:\s*(?P<value>.*)"
)

_BARE_NUMBER = re.compile(r"\(?\d{1,3}[.)]")

PAIR = ("Question", "Answer")
PROVEN = ("Question", "Answer", "Evidence")


@dataclass(frozen=True)
class Pair:
    question: str
    answer: str
    evidence: str = ""


@dataclass(frozen=True)
class Parsed:
    """`malformed` counts what stands in the reply and is no complete question: a question without
    its answer, a run of other lines, a question beyond the number asked for."""

    pairs: tuple[Pair, ...]
    malformed: int


def parse_pairs(reply: str, most: int) -> Parsed:
    """At most `most` questions with answers, two lines each."""
    return _parse(reply, PAIR, most)


def parse_proven(reply: str, most: int = 1) -> Parsed:
    """At most `most` questions with answer and evidence, three lines each."""
    return _parse(reply, PROVEN, most)


def _parse(reply: str, labels: tuple[str, ...], most: int) -> Parsed:
    pairs: list[Pair] = []
    malformed = 0
    for group in _groups(reply):
        found = [_LINE.fullmatch(line) for line in group]
        values = [match["value"].strip() for match in found if match]
        named = tuple(match["label"] for match in found if match)
        whole = len(values) == len(group) and named == labels and all(values)
        if whole and len(pairs) < most:
            pairs.append(Pair(*values))
        else:
            malformed += 1
    return Parsed(tuple(pairs), malformed)


def _groups(reply: str) -> Iterator[list[str]]:
    """Lines that belong together: each question with what follows it, and runs of other lines.

    A line that goes on directly below an answer belongs to it, and makes it malformed: the answer
    would be cut short. Behind a blank line it is a remark of its own.
    """
    group: list[str] = []
    blank = False
    for line in map(str.strip, reply.splitlines()):
        match = _LINE.fullmatch(line)
        if not line or _BARE_NUMBER.fullmatch(line):
            blank = True
            continue
        begins = bool(match and match["label"] == "Question") or (blank and not match)
        if begins and group:
            yield group
            group = []
        group.append(line)
        blank = False
    if group:
        yield group
