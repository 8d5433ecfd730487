"""A job taken out of the library as plain values, so that it can be worked on anywhere.

Whoever works on a job (the local worker, a slice on a hosted Space, another machine) gets an
`Assignment`, runs its `lesson` in a folder for checkpoints, and hands the results to `Delivery`,
which alone writes to the library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from lift_chat.adapters import kinds
from lift_chat.lift import own_exam
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.preparation import STUDY
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study.writer import Writer
from lift_chat.lift.surroundings import Surroundings
from lift_chat.lift.train import Fit
from lift_chat.models.device import Turn
from lift_chat.models.loading import BaseIdentity, LoadedModel
from lift_chat.selection import Selection
from lift_chat.studied import digest, kept_for
from storage.library import Library
from storage.records import Adapter, Job, Page, StudyItem


@dataclass(frozen=True)
class Assignment:
    """What a run needs of the library. `text` is the selected part of the document, and `given`
    are the study items about it, with offsets of it; `control` is the name and the folder of
    another document's adapter for the same base."""

    job: Job
    title: str
    text: str
    language: str
    pages: tuple[Page, ...]
    given: tuple[StudyItem, ...]
    control: tuple[str, Path] | None

    @classmethod
    def of(cls, library: Library, job: Job, fingerprint: str) -> Self:
        """`fingerprint` is that of the base model that will be trained on."""
        config = LiftConfig.from_dict(job.recipe)
        document = library.document(job.document_id, job.owner)
        selection = Selection.of(library, document.id, job.owner, config.chapters)
        return cls(
            job=job,
            title=document.title or document.name,
            text=selection.text,
            language=document.language,
            pages=tuple(selection.pages(library.pages(document.id, job.owner))),
            given=tuple(kept_for(library, document.id, job.owner, config, selection)),
            control=_control(library, job, fingerprint),
        )

    @property
    def config(self) -> LiftConfig:
        return LiftConfig.from_dict(self.job.recipe)

    def lesson(  # noqa: PLR0913  # each is a field of `Surroundings`
        self,
        base: LoadedModel,
        folder: Path,
        turn: Turn,
        *,
        fit: Fit,
        writer: Writer | None = None,
        on_items: Callable[[list[StudyItem]], None] = lambda items: None,
        on_checkpoint: Callable[[], None] = lambda: None,
        enough: bool = False,
    ) -> Lesson:
        """The run, with its checkpoints in `folder`, from which it goes on if there are any.

        The other arguments are as in `Surroundings`.
        """
        around = Surroundings(
            fit=fit,
            language=self.language,
            pages=self.pages,
            given=self.given,
            writer=writer,
            control=lambda: self._other(base),
            enough=enough,
            on_items=on_items,
            on_checkpoint=on_checkpoint,
        )
        return Lesson(
            base, self.text, self.config, title=self.title, folder=folder, turn=turn, around=around
        )

    def _other(self, base: LoadedModel) -> tuple[str, Any] | None:
        """The control on a tree of its own; it may have been deleted since the run began."""
        if self.control is None or not self.control[1].is_dir():
            return None
        name, folder = self.control
        return name, kinds.load(base.twin(), folder)


def _control(library: Library, job: Job, fingerprint: str) -> tuple[str, Path] | None:
    """The newest adapter of another document for the same base: it should know nothing."""
    adapter = strangers(library, job).get(fingerprint)
    if adapter is None:
        return None
    return adapter.name, library.verified_folder(adapter.id, job.owner)


def strangers(library: Library, job: Job) -> dict[str, Adapter]:
    """By the fingerprint of its base, the newest adapter of another document than the job's."""
    found: dict[str, Adapter] = {}
    for adapter in library.adapters(job.owner):
        if adapter.state == "ready" and adapter.document_id != job.document_id:
            found.setdefault(adapter.base_fingerprint, adapter)
    return found


class Delivery:
    """What a run found out and made, on its way into the library."""

    def __init__(self, library: Library, job: Job) -> None:
        self._library, self._job = library, job

    def begin(self, given: Sequence[StudyItem], folder: Path) -> None:
        """Notes what will be studied, unless the run goes on with what it began with."""
        if not (folder / STUDY).exists():
            self.studies(given)

    def studies(self, given: Sequence[StudyItem]) -> None:
        """Notes what is studied."""
        self._library.set_studied(self._job.id, digest(given))

    def keep(self, items: Sequence[StudyItem]) -> None:
        """Questions of the run. What was written about other chapters before stays with the
        document, and what a person wrote, with the document's own exam questions as they are now
        and not as the run found them."""
        library, job = self._library, self._job
        config = LiftConfig.from_dict(job.recipe)
        selection = Selection.of(library, job.document_id, job.owner, config.chapters)
        fresh = selection.outside(items)
        kept = library.study_items(job.document_id, job.owner)
        inside = selection.outside(selection.inside(kept))
        stays = [
            item
            for item in kept
            if item not in inside or item.origin == "person" or item.kind in own_exam.KINDS
        ]
        written = own_exam.apart(fresh)[1]
        library.set_study_items(job.document_id, job.owner, [*stays, *written])
        # So that the same request finds this job, and not one that would study what it wrote.
        library.set_studied(job.id, digest(selection.inside(fresh)))

    def publish(
        self, save: Callable[[Path], None], identity: BaseIdentity, metrics: dict[str, Any]
    ) -> Adapter:
        """The job's adapter, whose two files `save` writes into a folder.

        Raises `IllegalTransition` if the job does not run, or is to be discarded.
        """
        job = self._job
        with self._library.staged_adapter() as staged:
            save(staged.folder)
            return self._library.publish_adapter(
                staged,
                owner=job.owner,
                document_id=job.document_id,
                job_id=job.id,
                name=job.name,
                kind=kinds.kind_of(LiftConfig.from_dict(job.recipe)),
                base_model=identity.name,
                base_revision=identity.revision,
                base_fingerprint=identity.fingerprint,
                recipe=job.recipe,
                metrics=metrics,
            )
