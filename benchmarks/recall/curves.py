"""One run over one document, asked again and again: what it knows after how many seconds.

A run is the reference recipe (arm A of `benchmarks.speed`, over transformers' Trainer) or a preset
of ours with everything that it does: measuring, writing questions, training, exams, checkpoints.
The clock stands while the experts' questions are asked. Knows nothing of tables.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.speed.arms import reference
from benchmarks.speed.bases import Base
from lift_chat.evaluation.answering import answer_all
from lift_chat.evaluation.arms import Room
from lift_chat.evaluation.questions import EvalDocument
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.surroundings import Surroundings
from lift_chat.lift.tokens import tokenize
from lift_chat.models.loading import LoadedModel
from storage.records import Page

PASSES = 8
"""Of the reference (LIFT 2502.14644 v1 to v3: eight epochs)."""

SCORES = ("recall", "f1", "nll")


@dataclass(frozen=True)
class Point:
    """A run after `steps` optimizer steps: its own seconds, and its closed-book scores. Recall and
    F1 are shares, `nll` is nats per token of the gold answers."""

    steps: int
    cpu: float
    wall: float
    recall: float
    f1: float
    nll: float


@dataclass
class Curve:
    """The points of a run that begins now."""

    loaded: LoadedModel
    document: EvalDocument
    points: list[Point] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.monotonic()

    def ask(self, model: Any, steps: int) -> None:
        """Adds a point; the seconds that it takes are not counted."""
        cpu, wall = time.process_time() - self._cpu, time.monotonic() - self._wall
        rows = answer_all(model, self.loaded, self.document, "closed", Room(), nullcontext)
        scores = {name: mean(row["scores"][name] for row in rows) for name in SCORES}
        self.points.append(Point(steps, cpu, wall, **scores))
        self._cpu, self._wall = time.process_time() - cpu, time.monotonic() - wall


@dataclass
class _AtSteps:
    """Counts steps and asks after some of them."""

    curve: Curve
    model: Any
    steps: frozenset[int]
    done: int = 0

    def tick(self) -> None:
        self.done += 1
        if self.done in self.steps:
            self.curve.ask(self.model, self.done)


Run = Callable[[LoadedModel, EvalDocument], list[Point]]


def theirs(window_tokens: int, learning_rate: float, seed: int = 0) -> Run:
    """The reference, asked after each pass."""

    def run(loaded: LoadedModel, document: EvalDocument) -> list[Point]:
        curve = Curve(loaded, document)
        arm = reference(window_tokens, seed, learning_rate=learning_rate)
        base = Base.of(loaded.identity.name, loaded)
        epoch = arm.epoch(base, tokenize(loaded, document.text)[0].tolist())
        draw = random.Random(seed)
        passes = [draw.sample(epoch, len(epoch)) for _ in range(PASSES)]
        adapted = arm.attach(base)
        curve.ask(adapted, 0)
        ends = frozenset(len(epoch) * number for number in range(1, PASSES + 1))
        arm.train(base, adapted, list(chain(*passes)), _AtSteps(curve, adapted, ends))
        return curve.points

    return run


def ours(config: LiftConfig) -> Run:
    """A preset as it is used, asked in the middle and at the end of each pass, and once more when
    it is over: what is kept may be the weights of an earlier exam."""

    def run(loaded: LoadedModel, document: EvalDocument) -> list[Point]:
        curve = Curve(loaded, document)
        curve.ask(loaded.model, 0)
        text = document.text
        whole = Page(number=1, label="1", start=0, end=len(text), text=text)
        with tempfile.TemporaryDirectory() as folder:
            lesson = Lesson(
                loaded,
                text,
                config,
                folder=Path(folder),
                turn=nullcontext,
                title=document.title,
                around=Surroundings(pages=[whole]),
            )
            with closing(lesson.run()) as events:
                for event in events:
                    plan = lesson.state.plan if lesson.state is not None else None
                    if event.stage != "training" or not isinstance(plan, Curriculum):
                        continue
                    if event.step in halves(plan):
                        curve.ask(lesson.adapted, event.step)
            curve.ask(lesson.adapted, lesson.step)
        return curve.points

    return run


def halves(plan: Curriculum) -> frozenset[int]:
    """The steps that end the first or the second half of a pass."""
    last = plan.steps
    ends = [s for s in range(1, last) if plan.epoch_of(s) > plan.epoch_of(s - 1)] + [last]
    middles = [(a + b) // 2 for a, b in zip([0, *ends], ends, strict=False)]
    return frozenset(middles + ends) - {0}


def pooled(curves: Sequence[Sequence[Point]]) -> list[Point]:
    """One curve of several documents: mean scores after the sum of the seconds, point by point."""
    return [
        Point(
            steps=sum(point.steps for point in points),
            cpu=sum(point.cpu for point in points),
            wall=sum(point.wall for point in points),
            **{name: mean(getattr(point, name) for point in points) for name in SCORES},
        )
        for points in zip(*curves, strict=True)
    ]
