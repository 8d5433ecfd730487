"""The exam: questions that training never sees, asked before, during and after.

Asked closed book (title and question alone) and with the document's head and tail in the window,
greedily, in chat's own prompts. Knows models and questions, nothing of how the questions were
chosen or the model was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from lift_chat.evaluation.metrics import token_f1
from lift_chat.lift import own_exam
from lift_chat.lift.absorption import absorption, answer_nll
from lift_chat.lift.notes import NO_NOTES, Notes, key
from lift_chat.lift.progress import PinnedAnswer, with_answers
from lift_chat.lift.study.teacher import asked_open
from lift_chat.models.context import ChatSettings, Source, assemble
from lift_chat.models.device import Turn
from lift_chat.models.excerpt import TokenPlaces
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import question_ids
from storage.records import Message, Page, StudyItem

ANSWER_TOKENS = 32
PINNED = 3
"""Questions whose answers are shown during a run, where none is marked for it."""


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
    notes: Notes = NO_NOTES
    _nll: dict[str, list[float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        title: str,
        text: str,
        items: Sequence[StudyItem],
        turn: Turn,
        notes: Notes = NO_NOTES,
    ) -> Exam:
        """About the whole of `text`, which is tokenised here once for all questions."""
        places = TokenPlaces.of(loaded.tokenizer, text) if items else None
        page = Page(number=1, label="1", start=0, end=len(text), text=text)
        source = Source(title, [page], places=places)
        return cls(loaded, source, text, items, turn, notes=notes)

    def __bool__(self) -> bool:
        return bool(self.items)

    def hold(self, model: Any, window: str) -> Sitting:
        """`window` is "closed" or "truncated"."""
        prompts = [self._prompt(item.question, window) for item in self.items]
        asking = self.notes.generate(
            model, self.loaded, prompts, max_new_tokens=ANSWER_TOKENS, turn=self.turn
        )
        told = dict(asking)
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
        title = self.source.title
        opened = [asked_open(self.loaded, title, self.text, item) for item in self.items]
        for name, asked in (("without", prompts), ("opened", opened)):
            self._nll[name] = self._answer_nll(model, asked)
        return self._note(0, self.base["closed"])

    def during(self, model: Any, step: int) -> tuple[PinnedAnswer, ...]:
        return self._note(step, self.hold(model, "closed"))

    def after(
        self, model: Any, step: int, closed: Sitting | None = None
    ) -> tuple[PinnedAnswer, ...]:
        """`closed` is the model's closed-book sitting, if it was held already."""
        closed = closed or self.hold(model, "closed")
        self.adapter = {"closed": closed, "truncated": self.hold(model, "truncated")}
        prompts = [question_ids(self.loaded, self.source.title, i.question) for i in self.items]
        self._nll["adapted"] = self._answer_nll(model, prompts)
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

    def _answer_nll(self, model: Any, prompts: Sequence[list[int]]) -> list[float]:
        golds = [item.answer for item in self.items]

        def ask() -> list[float]:
            return answer_nll(model, self.loaded, prompts, golds, self.turn)

        who = self.notes.who(self.loaded, model)
        found: list[float] = self.notes.once(key(who, "nll", list(prompts), golds), ask)
        return found

    def _pinned_places(self) -> list[int]:
        """Those that are marked for it, else a few from the beginning, the middle and the end."""
        marked = [i for i, item in enumerate(self.items) if item.kind == own_exam.PINNED]
        if marked:
            return marked
        count = min(PINNED, len(self.items))
        return [i * (len(self.items) - 1) // max(count - 1, 1) for i in range(count)]

    def _prompt(self, question: str, window: str) -> list[int]:
        if window == "closed":
            return question_ids(self.loaded, self.source.title, question)
        settings = ChatSettings(context="truncated", max_new_tokens=ANSWER_TOKENS)
        return assemble(self.loaded, self.source, [Message("user", question)], settings).ids
