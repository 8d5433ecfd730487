"""From a document to what is studied: items written or taken over, split, and taught; and what is
rehearsed beside it.

What was written is kept in the run's folder at once, so that a resumed run studies the very same
questions; what the teacher says to them is a note of the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lift_chat.lift.holdout import split
from lift_chat.lift.notes import NO_NOTES, Notes
from lift_chat.lift.own_exam import apart
from lift_chat.lift.passages import Span, passages
from lift_chat.lift.progress import ProgressEvent
from lift_chat.lift.questions import QuestionSamples, Taught
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.rehearsal import TOKENS, beside_a_window, remembered
from lift_chat.lift.samples import Sample
from lift_chat.lift.study.teacher import Checked, ask_back
from lift_chat.lift.study.writer import Writer
from lift_chat.lift.study.writing import WritingProgress, Written, write_items
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.steps import retold
from storage.files import write_file
from storage.records import StudyItem

STUDY = "study.json"


@dataclass(frozen=True)
class Text:
    """A document as it is studied."""

    title: str
    text: str
    language: str = "en"


@dataclass
class Studies:
    """Items of one document, in two heaps. `counts` is what is kept as “study” with the adapter.

    `own` are the document's own exam questions: in the exam as far as it has room, in no training.
    """

    exam: list[StudyItem] = field(default_factory=list)
    training: list[Checked] = field(default_factory=list)
    own: list[StudyItem] = field(default_factory=list)
    checked: list[Checked] = field(default_factory=list)
    """All others, in the order in which they were written."""
    spans: list[Span] = field(default_factory=list)
    counts: dict[str, Any] | None = None
    fresh: bool = False
    """Whether the items were written by this run."""

    @property
    def items(self) -> list[StudyItem]:
        return [*self.own, *(checked.item for checked in self.checked)]

    def samples(
        self, loaded: LoadedModel, text: Text, config: LiftConfig
    ) -> QuestionSamples | None:
        """None where there is nothing to ask.

        What a person wrote is learned as it stands: the base may know the passage worse than its
        reader does.
        """
        if not self.training:
            return None
        taught = [
            Taught(one.item, one.soft if config.distill and one.item.origin != "person" else None)
            for one in self.training
        ]
        return QuestionSamples(loaded, text.title, text.text, self.spans, taught)


@dataclass(frozen=True)
class Sources:
    """Where items come from, and who gets them at once.

    `given` are those already kept with the document. Where there are any to learn, they are used
    as they are and nothing is written anew; what a person wrote is never dropped. `writer` is None
    for the base itself.
    `first_epoch` is given fresh items as they come. `notes` know what was asked before.
    """

    given: Sequence[StudyItem] = ()
    writer: Writer | None = None
    first_epoch: Callable[[Sequence[Checked]], None] | None = None
    notes: Notes = NO_NOTES


def prepare(
    loaded: LoadedModel,
    text: Text,
    config: LiftConfig,
    *,
    sources: Sources,
    folder: Path,
    turn: Turn,
) -> Generator[ProgressEvent, None, Studies]:
    """Yields events of stage “writing”; returns the studies (empty with `study="none"`).

    What was written counts as kept only after `keep`. Own exam questions have no teacher: nobody
    learns from what it would say.
    """
    if config.study == "none":
        return Studies()
    studies = Studies(
        spans=passages(loaded.tokenizer, text.text, config.passage_tokens, text.language)
    )
    kept = _read(folder)
    studies.own, known = apart(kept[0] if kept is not None else sources.given)
    if kept is not None or known:
        checked = yield from _heard(loaded, text, known, turn, sources.notes)
        taken = {"asked": 0, "written": 0, "kept": len(known), "dropped": {}}
        studies.counts = taken if kept is None else kept[1]
    else:
        writing = write_items(
            loaded,
            text.title,
            text.text,
            config,
            language=text.language,
            turn=turn,
            writer=sources.writer,
            notes=sources.notes,
        )
        checked = yield from _written(writing, studies, sources.first_epoch)
        studies.fresh = True
    studies.checked = checked
    by_item = {id(one.item): one for one in checked}
    studies.exam, training = split(studies.items, text.text, studies.spans, config.exam_questions)
    studies.training = [by_item[id(item)] for item in training]
    return studies


def rehearsed(
    loaded: LoadedModel, config: LiftConfig, turn: Turn
) -> Generator[ProgressEvent, None, list[Sample]]:
    """Yields events of stage “rehearsing”; returns texts of the base's own, none where the recipe
    asks for none. Drawn anew when a run is resumed: the same texts, for the same seed."""
    if not beside_a_window(config):
        return []
    drawing = remembered(loaded, config.seed, turn)
    return (yield from retold(drawing, lambda done: ProgressEvent("rehearsing", done, TOKENS)))


def _written(
    writing: Generator[WritingProgress, None, Written],
    studies: Studies,
    first_epoch: Callable[[Sequence[Checked]], None] | None,
) -> Generator[ProgressEvent, None, list[Checked]]:
    found = 0

    def tell(progress: WritingProgress) -> ProgressEvent:
        nonlocal found
        found += len(progress.items)
        if first_epoch is not None and progress.items:
            first_epoch(progress.items)
        note = f"{found} questions so far. {progress.message}".strip()
        return ProgressEvent("writing", progress.done, progress.total, message=note)

    written = yield from retold(writing, tell)
    studies.counts = written.metrics()
    return list(written.checked)


def _heard(
    loaded: LoadedModel, text: Text, items: Sequence[StudyItem], turn: Turn, notes: Notes
) -> Generator[ProgressEvent, None, list[Checked]]:
    """Asks known items back, for what their teacher says; in their order."""
    heard: dict[int, Checked] = {}
    for checked in ask_back(loaded.model, loaded, text.title, text.text, items, turn, notes=notes):
        heard[checked.index] = checked
        if len(heard) % 32 == 0 or len(heard) == len(items):
            yield ProgressEvent("writing", len(heard), len(items))
    return [heard[index] for index in range(len(items))]


def is_written(folder: Path) -> bool:
    """Whether a run that was cut off had all its questions, and had written them itself."""
    return written(folder) is not None


def written(folder: Path) -> list[StudyItem] | None:
    """The questions of a run that wrote them itself, with the document's own exam questions among
    them; None until it has them all."""
    kept = _read(folder)
    return kept[0] if kept is not None and (kept[1] or {}).get("asked") else None


def keep(folder: Path, studies: Studies) -> None:
    """For a resumed run: the very same questions in the same order."""
    items = [asdict(item) for item in studies.items]
    write_file(folder / STUDY, json.dumps({"counts": studies.counts, "items": items}).encode())


def _read(folder: Path) -> tuple[list[StudyItem], dict[str, Any] | None] | None:
    """What this run wrote before it was cut off; None if that is not whole."""
    try:
        content = json.loads((folder / STUDY).read_bytes())
        return [StudyItem(**item) for item in content["items"]], content["counts"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
