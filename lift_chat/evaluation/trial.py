"""Documents x arms: trains, asks, frees, writes down; a generator that can be left and run again.

One adapter is in memory at a time. It answers for its own document in every window, and for the
next document's questions as the control, so the control costs no training. Whatever is in the
ledger already is not done again. Knows nothing of where documents come from and of reports.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lift_chat import __version__
from lift_chat.adapters import kinds
from lift_chat.errors import LiftChatError
from lift_chat.evaluation.answering import answer_all
from lift_chat.evaluation.arms import (
    BASE,
    Arm,
    Room,
    WindowName,
    base_arms,
    fits,
    strength_in,
    trained_arms,
)
from lift_chat.evaluation.ledger import Ledger, Line, key_of
from lift_chat.evaluation.questions import EvalDocument
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study.writer import Writer
from lift_chat.lift.surroundings import Surroundings
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

LABELS = ("based_on", "checkpoint_seconds")
"""Settings that no answer depends on."""

LONG = ("exam", "pinned", "memory_map")
"""What a lesson measures that is too long to keep once per arm."""


@dataclass(frozen=True)
class Sign:
    """A sign of life: which document, which arm, what it is doing, and how far it is (0 to 1).

    `line` is there when the arm is finished, `error` when it cannot be.
    """

    index: int
    document: EvalDocument
    arm: str
    stage: str
    share: float = 0.0
    line: Line | None = None
    error: str = ""


@dataclass(frozen=True)
class Course:
    """What is measured: a collection's documents, recipes by name, windows, room.

    `writer` makes the writer of recipes that want an endpoint.
    """

    collection: str
    documents: Sequence[EvalDocument]
    recipes: Mapping[str, LiftConfig]
    windows: Sequence[WindowName]
    room: Room
    gold_nll: bool = True
    writer: Callable[[], Writer] | None = None


class Trial:
    """Iterate `run()`; then read `lines()`."""

    def __init__(self, loaded: LoadedModel, course: Course, ledger: Ledger, turn: Turn) -> None:
        self._loaded, self._course, self._ledger, self._turn = loaded, course, ledger, turn

    def run(self) -> Iterator[Sign]:
        """Yields signs of life to the end. A recipe that fails on a document is reported with one
        sign and tried again in the next run; the others go on."""
        for index, document in enumerate(self._course.documents):
            for arm in self._base_arms(document):
                if self._key(arm, index) not in self._ledger:
                    yield Sign(index, document, arm.name, "asking")
                    yield self._answered(arm, index, self._loaded.model, {})
            for name, config in self._course.recipes.items():
                yield from self._recipe(index, name, config)

    def lines(self) -> list[Line]:
        """The ledger's lines of this course, document by document."""
        keys = [
            self._key(arm, index)
            for index, document in enumerate(self._course.documents)
            for arm in [*self._base_arms(document), *self._trained_arms(), *self._controls()]
        ]
        return [self._ledger[key] for key in keys if key in self._ledger]

    def _recipe(self, index: int, name: str, config: LiftConfig) -> Iterator[Sign]:
        """Trains this recipe's adapter if anything of it is missing, and asks it."""
        wanted = self._wanted(index, name)
        if not wanted:
            return
        document, lesson = self._course.documents[index], None
        try:
            with tempfile.TemporaryDirectory(prefix="lift-chat-eval-") as folder:
                lesson = self._lesson(document, config, Path(folder))
                started = time.monotonic()
                with closing(lesson.run()) as events:
                    for event in events:
                        share = event.step / event.total if event.total else 0.0
                        yield Sign(index, document, name, event.stage, share)
            seconds = round(time.monotonic() - started, 2)
            facts = {"train_seconds": seconds, "lesson": _facts(lesson)}
            for arm, place in wanted:
                yield Sign(index, document, arm.name, "asking")
                kinds.set_strength(lesson.adapted, strength_in(arm.window))
                yield self._answered(arm, place, lesson.adapted, facts)
        except LiftChatError as error:
            yield Sign(index, document, name, "failed", error=str(error))
        finally:
            lesson = None  # or it would be held while the next one is made
            free()

    def _wanted(self, index: int, name: str) -> list[tuple[Arm, int]]:
        """What this adapter still has to answer: (arm, whose questions)."""
        control = (index + 1) % len(self._course.documents)
        wanted = [
            *((arm, index) for arm in self._trained_arms()),
            *((arm, control) for arm in self._controls()),
        ]
        return [
            (arm, place)
            for arm, place in wanted
            if arm.model == name and self._key(arm, place) not in self._ledger
        ]

    def _lesson(self, document: EvalDocument, config: LiftConfig, folder: Path) -> Lesson:
        return Lesson(
            self._loaded,
            document.text,
            config,
            title=document.title,
            folder=folder,
            turn=self._turn,
            around=Surroundings(writer=self._writer(config)),
        )

    def _writer(self, config: LiftConfig) -> Writer | None:
        make = self._course.writer
        return make() if make is not None and config.writer == "endpoint" else None

    def _answered(self, arm: Arm, index: int, model: Any, facts: Line) -> Sign:
        document = self._course.documents[index]
        started = time.monotonic()
        answers = answer_all(
            model,
            self._loaded,
            document,
            arm.window,
            self._course.room,
            self._turn,
            gold_nll=self._course.gold_nll,
        )
        line = {
            "key": self._key(arm, index),
            "set": self._course.collection,
            "document": document.id,
            "title": document.title,
            "facts": dict(document.facts),
            "arm": arm.name,
            "window_tokens": self._course.room.prompt_tokens(self._loaded, arm.window),
            "answer_seconds": round(time.monotonic() - started, 2),
            **facts,
            "answers": answers,
        }
        self._ledger.append(line)
        return Sign(index, document, arm.name, "done", 1.0, line=line)

    def _base_arms(self, document: EvalDocument) -> list[Arm]:
        arms = base_arms(self._course.windows)
        if any(arm.window == "full" for arm in arms) and not fits(
            self._loaded, document, self._course.room
        ):
            arms = [arm for arm in arms if arm.window != "full"]
        return arms

    def _trained_arms(self) -> list[Arm]:
        return trained_arms(self._course.recipes, self._course.windows)

    def _controls(self) -> list[Arm]:
        """Another document's adapter, where there is another and closed book is asked for."""
        if len(self._course.documents) < 2 or "closed" not in self._course.windows:
            return []
        return [Arm(name, "wrong") for name in self._course.recipes]

    def _key(self, arm: Arm, index: int) -> str:
        """Of everything that the answers depend on."""
        course, identity = self._course, self._loaded.identity
        taught = course.documents[index - 1] if arm.window == "wrong" else course.documents[index]
        config = {} if arm.model == BASE else course.recipes[arm.model].to_dict()
        return key_of(
            {
                "version": __version__,
                "document": course.documents[index].fingerprint,
                "taught": [taught.title, taught.text] if config else [],
                "arm": arm.name,
                "config": {name: config[name] for name in config if name not in LABELS},
                "base": identity.fingerprint,
                "numbers": [str(self._loaded.device.dtype), self._loaded.four_bit],
                "window": course.room.prompt_tokens(self._loaded, arm.window),
                "answer": course.room.answer,
                "gold_nll": course.gold_nll,
            }
        )


def free() -> None:
    """Gives back what the last adapter and its training held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _facts(lesson: Lesson) -> Line:
    return {name: value for name, value in lesson.metrics().items() if name not in LONG}
