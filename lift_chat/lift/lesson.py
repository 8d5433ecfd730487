"""One document, one recipe, one run: from text to a trained adapter, as a generator.

Writes the questions, measures, trains in slices with exams and checkpoints between them, measures
again. Knows nothing of the library or of jobs: it is given a folder for its checkpoints, and its
adapter is fetched from `adapted` when it is done (or left early, to keep what was learned).
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from lift_chat.adapters import kinds
from lift_chat.errors import InvalidConfig
from lift_chat.lift.best import Best
from lift_chat.lift.checkpoint import Facts, restore_checkpoint, save_checkpoint
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.exam import Exam, Sitting
from lift_chat.lift.measures import Measures, compared
from lift_chat.lift.notes import Notes
from lift_chat.lift.optimizer import MasterAdamW
from lift_chat.lift.own_exam import apart
from lift_chat.lift.preparation import Sources, Studies, Text, is_written, keep, prepare, rehearsed
from lift_chat.lift.progress import ProgressEvent, Stage
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.regression import fit_memories
from lift_chat.lift.samples import Sample
from lift_chat.lift.sittings import Sittings
from lift_chat.lift.study.teacher import Checked
from lift_chat.lift.surroundings import Surroundings
from lift_chat.lift.tokens import probe_windows, tokenize
from lift_chat.lift.train import NOTHING, TrainState, run_slice, study_once
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from storage.records import StudyItem


class Lesson:
    """A run over `text`. Iterate `run()`; then read `adapted` and `metrics()`.

    Raises `InvalidConfig` when the text has no two tokens to predict.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        text: str,
        config: LiftConfig,
        *,
        folder: Path,
        turn: Turn,
        title: str = "",
        around: Surroundings | None = None,
    ) -> None:
        self.loaded, self.config, self.folder, self.turn = loaded, config, folder, turn
        self.around = around or Surroundings()
        self.text = Text(title or "the document", text, self.around.language)
        self.ids = tokenize(loaded, text)
        self.document_tokens = self.ids.shape[1]
        if self.document_tokens < 2:
            raise InvalidConfig("There is too little text to absorb.")
        self.trained_tokens = self.resumed_from = 0
        self.trained_seconds = self.saving_seconds = 0.0
        self.notes = Notes(folder)
        self.before, self.after = Measures(notes=self.notes), Measures(notes=self.notes)
        self.studies, self.exam, self.best = Studies(), self._exam([]), Best(folder)
        self.adapted: Any = None
        self.state: TrainState | None = None

    @property
    def sittings(self) -> Sittings:
        return Sittings(self.exam, self.best, self.config)

    @property
    def step(self) -> int:
        """Optimizer steps done."""
        return self.state.step if self.state else 0

    def run(self) -> Generator[ProgressEvent, None, None]:
        """Yields events to the end. Closing it leaves the adapter as after the last event."""
        state = self._attach()
        early = self._studies_early()
        whole = not early or is_written(self.folder)
        facts = restore_checkpoint(self.folder, state, **self._guard()) if whole else None
        if facts is not None:
            self._resume(facts)
        else:
            yield from self._measure(self.before, "before")
        first = self._first_epoch if early else None
        self.studies = yield from prepare(
            self.loaded,
            self.text,
            self.config,
            sources=Sources(self.around.given, self.around.writer, first, self.notes),
            folder=self.folder,
            turn=self.turn,
        )
        texts = yield from rehearsed(self.loaded, self.config, self.turn)
        self._plan(state, texts, skip=int(early))
        if facts is not None:
            self.exam.restore(facts.exam)
            self.best.restore(state, facts.step)
        elif self.exam:
            yield self.sittings.first(state)
        if facts is None and self.config.fit_passes:
            yield from self._fit_memories(state)
        yield from self._train(state)
        closed: Sitting | None = None
        if self.sittings.chooses:
            self.save_checkpoint()
            closed = self.sittings.take_best(state)
        yield from self._measure_after(state, closed)

    def _fit_memories(self, state: TrainState) -> Iterator[ProgressEvent]:
        samples = self.studies.samples(self.loaded, self.text, self.config)
        asked = samples.in_order() if samples else []
        passes = self.config.fit_passes
        yield from fit_memories(self.adapted, self.loaded, self.ids, asked, passes, self.turn)
        state.optimizer = MasterAdamW(state.optimizer.parameters)  # from where the fit ended
        self.save_checkpoint()

    def _attach(self) -> TrainState:
        self.adapted = kinds.attach(self.loaded.twin(), self.config)
        self.state = TrainState.start(self.adapted, self.config, NOTHING, self.around.fit)
        return self.state

    def _studies_early(self) -> bool:
        """Whether the first epoch runs while questions are still being written, as they come, in
        the order of the document (LIFT's later code). Not where an exam has to be set aside first.
        """
        own = not apart(self.around.given)[1] or is_written(self.folder)
        written = self.config.study == "sentences" and own
        return written and self.config.segments == "none" and not self.config.exam_questions

    def _first_epoch(self, fresh: Sequence[Checked]) -> None:
        """One pass over fresh questions, at the full rate."""
        if self.state is None:
            return
        samples = Studies(training=list(fresh)).samples(self.loaded, self.text, self.config)
        if samples is not None:
            started = time.monotonic()
            self.trained_tokens += study_once(self.state, samples.in_order(), self.turn)
            self.trained_seconds += time.monotonic() - started

    def _plan(self, state: TrainState, texts: Sequence[Sample], skip: int) -> None:
        """What is trained from here on; the first epoch may have been trained already."""
        if self.studies.fresh:
            self.around.on_items(self.studies.items)
            if skip:
                self.save_checkpoint()
        keep(self.folder, self.studies)
        self.exam = self._exam(self.studies.exam)
        asked = self.studies.samples(self.loaded, self.text, self.config)
        ids = array("i", self.ids[0].tolist())  # a list holds nine times as much
        state.plan = Curriculum(self.loaded, self.text.title, ids, self.config, asked, texts, skip)
        if not state.plan.steps and not (skip and self.studies.training):
            raise InvalidConfig(
                "No question could be written about this text; train on segments too."
            )

    def _exam(self, items: Sequence[StudyItem]) -> Exam:
        return Exam.of(self.loaded, self.text.title, self.text.text, items, self.turn, self.notes)

    def _resume(self, facts: Facts) -> None:
        self.resumed_from = facts.step
        self.trained_tokens, self.trained_seconds = facts.tokens, facts.seconds
        self.before = Measures.of(facts.measured)

    def _train(self, state: TrainState) -> Iterator[ProgressEvent]:
        base_tokens, base_seconds = self.trained_tokens, self.trained_seconds
        if self.sittings.missed(state):
            yield self.sittings.hold(state)
        if self.sittings.enough or self.around.enough:
            return
        saved = time.monotonic()
        with closing(run_slice(state, self.turn)) as events:
            for event in events:
                self.trained_tokens = base_tokens + event.tokens
                self.trained_seconds = base_seconds + event.seconds
                yield event
                if self.sittings.due(state):
                    yield self.sittings.hold(state)
                    if self.sittings.enough:
                        return
                if time.monotonic() - saved >= self.config.checkpoint_seconds:
                    self.save_checkpoint()
                    saved = time.monotonic()

    def _measure_after(
        self, state: TrainState, closed: Sitting | None = None
    ) -> Iterator[ProgressEvent]:
        yield from self._measure(self.after, "after")
        if self.exam:
            yield self.sittings.last(state, self.around.control, closed)

    def measure_after(self) -> None:
        """Measures now; for a run that was stopped and is kept."""
        if self.state is not None:
            for _ in self._measure_after(self.state):
                pass

    def save_checkpoint(self) -> None:
        """Nothing is saved once the best weights were taken: training cannot go on from them; nor
        what was only restored, whose exam may not be known again yet."""
        if self.state is None or self.best.taken or self.resumed_from == self.step > 0:
            return
        facts = Facts(
            step=self.state.step,
            tokens=self.trained_tokens,
            seconds=self.trained_seconds,
            measured=self.before.state(),
            exam=self.exam.state(),
            **self._guard(),
        )
        started = time.monotonic()
        save_checkpoint(self.folder, self.state, facts)
        self.saving_seconds = time.monotonic() - started
        self.around.on_checkpoint()

    def metrics(self) -> dict[str, Any]:
        """What is kept with the adapter, JSON values."""
        found: dict[str, Any] = {
            **compared(self.before, self.after),
            "document_tokens": self.document_tokens,
            "trained_tokens": self.trained_tokens,
            "trained_seconds": round(self.trained_seconds, 3),
            "steps": self.step,
            "planned_steps": self.state.total if self.state else 0,
            "device": self.loaded.device.name,
            "dtype": str(self.loaded.device.dtype).removeprefix("torch."),
        }
        if self.studies.counts is not None:
            found["study"] = self.studies.counts
        return {**found, **self.sittings.report(self.step)}

    def _guard(self) -> dict[str, Any]:
        packing = ":nf4" if self.loaded.four_bit else ""
        identity = f"{self.loaded.identity.fingerprint}:{self.document_tokens}{packing}"
        return {"fingerprint": identity, "config": self.config.to_dict()}

    def _measure(self, measures: Measures, stage: Stage) -> Iterator[ProgressEvent]:
        windows = probe_windows(self.ids, self.config)
        taken = measures.take(self.adapted, self.loaded, windows, self.around.pages, self.turn)
        for done, loss in enumerate(taken, start=1):
            yield ProgressEvent(stage=stage, step=done, total=len(windows), loss=loss)
