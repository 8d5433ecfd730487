"""The exam: questions that training never sees, asked before, during and after.

Split by passage, so that no training question is about the same sentences; questions of other
passages that are near-duplicates of exam questions are taken out of training. Asked closed book
(title and question alone) and with the document's head and tail in the window, greedily, in chat's
own prompts. Knows models and questions, nothing of how the model was trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from lift_chat.evaluation.metrics import token_f1
from lift_chat.lift.absorption import absorption, answer_nll
from lift_chat.lift.passages import Span
from lift_chat.lift.progress import PinnedAnswer, with_answers
from lift_chat.lift.questions import MOST_OPEN, places_of
from lift_chat.lift.study.checks import Questions
from lift_chat.models.batch import generate
from lift_chat.models.context import ChatSettings, Source, assemble
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import question_ids
from storage.records import Message, StudyItem

ANSWER_TOKENS = 32
PINNED = 3
MOST_SHARE = 0.25
"""Of all questions at most; the others are there to learn from."""


def split(
    items: Sequence[StudyItem], text: str, spans: Sequence[Span], wanted: int
) -> tuple[list[StudyItem], list[StudyItem]]:
    """(exam, training). Whole passages go into the exam, evenly spread over the document.

    The exam holds `wanted` questions, or a quarter of all if that is less, and none where all are
    about one passage; questions that the text does not answer, or that a person wrote to be
    learned, are never in it, nor is what comes close to one of these.
    """
    places = [places_of(item, text, spans) for item in items]
    usable = _usable(items)
    with_questions = sorted({places[i][0] for i in usable})
    wanted = min(wanted, int(MOST_SHARE * len(usable)))
    if wanted < 1 or len(with_questions) < 2:
        return [], list(items)
    chosen: list[int] = []
    for place in _spread(with_questions):
        if len(chosen) >= wanted:
            break
        chosen += [i for i in usable if places[i][0] == place][: wanted - len(chosen)]
    exam = [items[i] for i in sorted(chosen)]
    asked, closed = _questions(exam), {place for i in chosen for place in places[i]}
    training = [
        item
        for item, held in zip(items, places, strict=True)
        if item.origin == "person" or not (_told(held, closed) or item.question in asked)
    ]
    return exam, training


_EXAMINED = ("fact", "evidence", "sentence", "reversed")


def _usable(items: Sequence[StudyItem]) -> list[int]:
    own = _questions(item for item in items if item.origin == "person")
    return [
        i
        for i, item in enumerate(items)
        if item.kind in _EXAMINED and item.origin != "person" and item.question not in own
    ]


def _told(held: Sequence[int], closed: set[int]) -> bool:
    """Whether passages `held` give away what a `closed` one says; what is about the whole document
    does not."""
    return len(held) <= MOST_OPEN and not closed.isdisjoint(held)


def _questions(items: Iterable[StudyItem]) -> Questions:
    found = Questions()
    for item in items:
        found.add(item.question)
    return found


def _spread(places: Sequence[int]) -> list[int]:
    """All places in an order whose every beginning is spread evenly (van der Corput's sequence)."""
    bits = max(1, (len(places) - 1).bit_length())
    order = sorted(range(2**bits), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))
    return [places[i] for i in order if i < len(places)]


@dataclass(frozen=True)
class Sitting:
    """One model's answers in one window; `f1` in percent."""

    answers: tuple[str, ...]
    f1: float


@dataclass
class Exam:
    """`items` are held out. `hold` asks them; `report` is what is kept with the adapter."""

    loaded: LoadedModel
    source: Source
    text: str
    items: Sequence[StudyItem]
    turn: Turn
    base: dict[str, Sitting] = field(default_factory=dict)
    adapter: dict[str, Sitting] = field(default_factory=dict)
    control: tuple[str, float] | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    pinned: list[dict[str, Any]] = field(default_factory=list)
    _nll: dict[str, list[float]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.items)

    def hold(self, model: Any, window: str) -> Sitting:
        """`window` is "closed" or "truncated"."""
        prompts = [self._prompt(item.question, window) for item in self.items]
        told = dict(
            generate(model, self.loaded, prompts, max_new_tokens=ANSWER_TOKENS, turn=self.turn)
        )
        answers = tuple(told[i] for i in range(len(prompts)))
        scores = [
            token_f1(answer, [item.answer])
            for answer, item in zip(answers, self.items, strict=True)
        ]
        return Sitting(answers, round(100 * fmean(scores), 1))

    def before(self, model: Any) -> tuple[PinnedAnswer, ...]:
        """The base's sittings, in both windows, and what the passages would be worth to it."""
        self.base = {name: self.hold(model, name) for name in ("closed", "truncated")}
        prompts = [question_ids(self.loaded, self.source.title, i.question) for i in self.items]
        opened = [
            question_ids(self.loaded, self.source.title, i.question, self._passage(i))
            for i in self.items
        ]
        golds = [item.answer for item in self.items]
        for name, asked in (("without", prompts), ("opened", opened)):
            self._nll[name] = answer_nll(model, self.loaded, asked, golds, self.turn)
        return self._note(0, self.base["closed"])

    def during(self, model: Any, step: int) -> tuple[PinnedAnswer, ...]:
        return self._note(step, self.hold(model, "closed"))

    def after(self, model: Any, step: int) -> tuple[PinnedAnswer, ...]:
        self.adapter = {name: self.hold(model, name) for name in ("closed", "truncated")}
        prompts = [question_ids(self.loaded, self.source.title, i.question) for i in self.items]
        golds = [item.answer for item in self.items]
        self._nll["adapted"] = answer_nll(model, self.loaded, prompts, golds, self.turn)
        return self._note(step, self.adapter["closed"])

    def compare(self, model: Any, name: str) -> None:
        """The control: what another document's adapter knows of this one."""
        self.control = (name, self.hold(model, "closed").f1)

    @property
    def waited(self) -> int:
        """Sittings since the last gain, those before and after training left out."""
        scores = [point["closed"] for point in self.history if point["step"]]
        return len(scores) - 1 - scores.index(max(scores)) if scores else 0

    @property
    def absorption(self) -> float | None:
        if "adapted" not in self._nll:
            return None
        return absorption(self._nll["without"], self._nll["adapted"], self._nll["opened"])

    def report(self) -> dict[str, Any] | None:
        """JSON values; None where there were no questions to hold out."""
        if not self.items or not self.adapter:
            return None
        return {
            "questions": len(self.items),
            "base": {name: sitting.f1 for name, sitting in self.base.items()},
            "adapter": {name: sitting.f1 for name, sitting in self.adapter.items()},
            "control": self.control and {"name": self.control[0], "closed": self.control[1]},
            "history": self.history,
            "answers": [
                {
                    "question": item.question,
                    "gold": item.answer,
                    **{
                        f"{who}_{window}": sittings[window].answers[i]
                        for who, sittings in (("base", self.base), ("adapter", self.adapter))
                        for window in ("closed", "truncated")
                    },
                }
                for i, item in enumerate(self.items)
            ],
        }

    def state(self) -> dict[str, Any]:
        """What a resumed run needs of the sittings so far, JSON values."""
        return {
            "base": {name: [list(s.answers), s.f1] for name, s in self.base.items()},
            "nll": self._nll,
            "history": self.history,
            "pinned": self.pinned,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.base = {name: Sitting(tuple(a), f1) for name, (a, f1) in state["base"].items()}
        self._nll = dict(state["nll"])
        self.history, self.pinned = list(state["history"]), list(state["pinned"])

    def _note(self, step: int, sitting: Sitting) -> tuple[PinnedAnswer, ...]:
        """Adds a point to the history and an answer to each pinned question."""
        self.history = [point for point in self.history if point["step"] < step]
        self.history.append({"step": step, "closed": sitting.f1})
        told = []
        for i in self._pinned_places():
            item = self.items[i]
            told.append(PinnedAnswer(item.question, item.answer, sitting.answers[i]))
        self.pinned = with_answers(self.pinned, told, step)
        return tuple(told)

    def _pinned_places(self) -> list[int]:
        """A few questions from the beginning, the middle and the end."""
        count = min(PINNED, len(self.items))
        return [i * (len(self.items) - 1) // max(count - 1, 1) for i in range(count)]

    def _passage(self, item: StudyItem) -> str:
        return self.text[item.start : item.end].strip()

    def _prompt(self, question: str, window: str) -> list[int]:
        if window == "closed":
            return question_ids(self.loaded, self.source.title, question)
        settings = ChatSettings(context="truncated", max_new_tokens=ANSWER_TOKENS)
        return assemble(self.loaded, self.source, [Message("user", question)], settings).ids
