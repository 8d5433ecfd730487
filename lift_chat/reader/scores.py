"""What a base can do for its reader's sake, measured on documents that it was not trained on.

Answers with the gold section open, with the passages that a search finds, from a short window on
the document's head and tail, and from weights alone; how many of the questions that it writes
itself survive the filter; and what it still knows of the world. The same call before and after a
warm start gives the two columns of a table. All prompts are those of absorbing and chat.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import Any, TypeVar

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.metrics import exact_match, token_f1
from lift_chat.lift import forgetting
from lift_chat.lift.passages import passages
from lift_chat.lift.progress import ProgressEvent, Stage
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study.writing import write_items
from lift_chat.models.batch import generate
from lift_chat.models.context import ChatSettings, Source, assemble
from lift_chat.models.device import Turn
from lift_chat.models.excerpt import TokenPlaces
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import GAP, MARKER, question_ids
from lift_chat.reader.lessons import MOST_CHARACTERS, Asked, ReadingDocument
from lift_chat.steps import retold
from storage.passages import PassageIndex
from storage.records import Message, Page

T = TypeVar("T")

WINDOWS = ("open", "retrieved", "truncated", "closed")
"""With the gold section, with the passages that a search finds, with head and tail, without."""

ANSWER_TOKENS = 32
PASSAGE_TOKENS = 160
FOUND = 3
"""Passages that the search shows."""

SHORT_WINDOW = 512
"""Prompt tokens of a window that shows little of a tale."""

WRITING_CHARACTERS = 1800
"""Of a document that questions are written about: three or four passages."""


@dataclass(frozen=True)
class Question:
    """One held-out question, and the section that answers it."""

    desk: Desk
    section: str
    asked: Asked


class Desk:
    """A document laid out for its questions."""

    def __init__(self, loaded: LoadedModel, document: ReadingDocument) -> None:
        self._loaded, self.title = loaded, document.title
        self.text = GAP.join(section.text for section in document.sections)

    def prompt(self, question: Question, window: str) -> list[int]:
        """Token ids; `window` is one of `WINDOWS`."""
        asked = question.asked.question
        if window == "truncated":
            settings = ChatSettings(
                context="truncated", max_new_tokens=ANSWER_TOKENS, window_tokens=SHORT_WINDOW
            )
            return assemble(self._loaded, self._source, [Message("user", asked)], settings).ids
        excerpts = {"open": question.section, "closed": ""}
        shown = excerpts[window] if window in excerpts else self._found(asked)
        return question_ids(self._loaded, self.title, asked, shown)

    def _found(self, asked: str) -> str:
        """The best passages in reading order; the first ones where no word is found."""
        best = self._index.best(asked, FOUND) or range(min(FOUND, len(self._passages)))
        return MARKER.join(self._passages[i] for i in sorted(best))

    @cached_property
    def _passages(self) -> list[str]:
        spans = passages(self._loaded.tokenizer, self.text, PASSAGE_TOKENS)
        return [span.of(self.text) for span in spans]

    @cached_property
    def _index(self) -> PassageIndex:
        return PassageIndex(self._passages)

    @cached_property
    def _source(self) -> Source:
        whole = Page(number=1, label="1", start=0, end=len(self.text), text=self.text)
        return Source(self.title, [whole], places=TokenPlaces.of(self._loaded.tokenizer, self.text))


def score(
    loaded: LoadedModel,
    documents: Sequence[ReadingDocument],
    turn: Turn,
    most_questions: int = 100,
    writing_documents: int = 3,
    *,
    stage: Stage = "exam",
) -> Generator[ProgressEvent, None, dict[str, Any]]:
    """Measures `loaded.model`, the base or a tree with an adapter on it; returns JSON values.

    At most `most_questions`, evenly spread over the documents, the first answer of each; F1 and
    exact match in percent, greedy, answers of at most 32 tokens. Writing is measured on the
    beginnings of `writing_documents` documents. Raises `InvalidConfig` without any question.
    """
    questions = chosen(loaded, documents, most_questions)
    if not questions:
        raise InvalidConfig("The held-out documents have no short section with a question.")
    writing = _spread(documents, writing_documents)
    total = len(WINDOWS) * len(questions) + len(writing) + 1
    found: dict[str, Any] = {"questions": len(questions)}
    found |= yield from _answer(loaded, questions, turn, ProgressEvent(stage, 0, total))
    counts = {"asked": 0, "written": 0, "kept": 0}
    for done, document in enumerate(writing, start=total - 1 - len(writing)):
        yield from _write(loaded, document, turn, counts, ProgressEvent(stage, done, total))
    found["writing"] = {**counts, **_survival(counts)}
    yield ProgressEvent(stage, total - 1, total)
    general = forgetting.probe(loaded.model, loaded, turn)
    found["general"] = {"loss": round(general.loss, 3), "quiz": round(general.quiz, 1)}
    yield ProgressEvent(stage, total, total)
    return found


def chosen(loaded: LoadedModel, documents: Sequence[ReadingDocument], most: int) -> list[Question]:
    """At most `most` questions, evenly spread; of sections as short as those trained on."""
    every = []
    for document in documents:
        desk = Desk(loaded, document)
        every += [
            Question(desk, section.text, asked)
            for section in document.sections
            if len(section.text) <= MOST_CHARACTERS
            for asked in section.questions
        ]
    return _spread(every, most)


def _answer(
    loaded: LoadedModel, questions: Sequence[Question], turn: Turn, sign: ProgressEvent
) -> Generator[ProgressEvent, None, dict[str, Any]]:
    """F1 and exact match of the answers, by window. `sign` is counted up from."""
    found: dict[str, Any] = {}
    for window in WINDOWS:
        prompts = [question.desk.prompt(question, window) for question in questions]
        told: dict[int, str] = {}
        for index, answer in generate(
            loaded.model, loaded, prompts, max_new_tokens=ANSWER_TOKENS, turn=turn
        ):
            told[index] = answer
            sign = replace(sign, step=sign.step + 1)
            yield sign
        found[window] = _agreement(questions, told)
    return found


def _agreement(questions: Sequence[Question], told: dict[int, str]) -> dict[str, float]:
    pairs = [(told[i], [question.asked.answer]) for i, question in enumerate(questions)]
    return {
        "f1": round(100 * fmean(token_f1(answer, golds) for answer, golds in pairs), 1),
        "exact": round(100 * fmean(exact_match(answer, golds) for answer, golds in pairs), 1),
    }


def _write(
    loaded: LoadedModel,
    document: ReadingDocument,
    turn: Turn,
    counts: dict[str, int],
    sign: ProgressEvent,
) -> Generator[ProgressEvent, None, None]:
    """Adds to `counts` what became of the questions written about the document's beginning."""
    config = LiftConfig(study="passages", passage_tokens=PASSAGE_TOKENS)
    writing = write_items(loaded, document.title, _beginning(document), config, turn=turn)
    written = yield from retold(writing, lambda _: sign)
    facts = written.metrics()
    for name in counts:
        counts[name] += facts[name]


def _beginning(document: ReadingDocument) -> str:
    """Whole sections of at most `WRITING_CHARACTERS`, or that much of the first one."""
    text = ""
    for section in document.sections:
        longer = f"{text}{GAP}{section.text}" if text else section.text
        if text and len(longer) > WRITING_CHARACTERS:
            break
        text = longer
    return text[:WRITING_CHARACTERS]


def _survival(counts: dict[str, int]) -> dict[str, float]:
    """Kept questions in percent of those written, and of those asked for."""
    return {
        f"kept_of_{name}": round(100 * counts["kept"] / max(counts[name], 1), 1)
        for name in ("written", "asked")
    }


def _spread(items: Sequence[T], most: int) -> list[T]:
    """At most `most` of the items, evenly spread, in their order."""
    count = min(len(items), most)
    return [items[i * len(items) // count] for i in range(count)]
