"""An assignment as a folder of plain files, for a machine that has no library.

`order.json` holds the text, the pages, the questions and the recipe, beside it lie adapters of
other documents that may serve as the control. Whoever reads an order needs the same lift-chat and
a way to the base model, nothing else.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from lift_chat import __version__
from lift_chat.adapters.folder import copy_adapter
from lift_chat.assignment import Assignment, strangers
from lift_chat.errors import AdapterDamaged, InvalidConfig
from lift_chat.settings import Settings
from storage.library import Library
from storage.records import Job, Page, StudyItem
from storage.values import is_id

log = logging.getLogger(__name__)

ORDER = "order.json"


@dataclass(frozen=True, kw_only=True)
class Means:
    """With what to absorb: the base model and the device, as the settings name them."""

    base_model: str
    revision: str | None
    load_in_4bit: bool
    reader: str
    device: str
    threads: int | None

    @classmethod
    def of(cls, settings: Settings, base_model: str) -> Self:
        """`base_model` is what the settings' “auto” came to, so that all machines take the same."""
        names = ("revision", "load_in_4bit", "reader", "device", "threads")
        return cls(base_model=base_model, **{name: getattr(settings, name) for name in names})

    def settings(self) -> Settings:
        """Those of the machine that asks, with these means. Nothing is served there."""
        return Settings(**asdict(self), host="127.0.0.1", share=False)


@dataclass(frozen=True)
class Control:
    """Another document's adapter, of a base with this fingerprint."""

    fingerprint: str
    name: str
    folder: Path


@dataclass(frozen=True)
class Order:
    """What one task is about. The assignment has no control yet: which one fits is known only where
    the base model is loaded (`for_base`)."""

    assignment: Assignment
    means: Means
    controls: tuple[Control, ...]

    @classmethod
    def of(cls, library: Library, job: Job, means: Means) -> Self:
        """Raises what `Assignment.of` raises."""
        assignment = Assignment.of(library, job, "")
        config = assignment.config
        examined = config.study != "none" and config.exam_questions
        controls = _controls(library, job) if examined else ()
        return cls(replace(assignment, control=None), means, controls)

    def for_base(self, fingerprint: str) -> Assignment:
        fitting = [one for one in self.controls if one.fingerprint == fingerprint]
        control = (fitting[0].name, fitting[0].folder) if fitting else None
        return replace(self.assignment, control=control)

    def write(self, folder: Path) -> None:
        """Replaces `folder`. Raises OSError."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        plain = asdict(replace(self.assignment, control=None))
        told: dict[str, Any] = {
            **{name: plain[name] for name in _PLAIN},
            "lift_chat": __version__,
            "means": asdict(self.means),
            "controls": [],
        }
        for number, control in enumerate(self.controls):
            place = folder / f"control-{number}"
            place.mkdir()
            copy_adapter(control.folder, place)
            told["controls"].append({**vars(control), "folder": place.name})
        (folder / ORDER).write_text(json.dumps(told), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises `InvalidConfig` for an order of another version, or none at all."""
        try:
            told: Mapping[str, Any] = json.loads((folder / ORDER).read_bytes())
            _require_version(told["lift_chat"])
            job = Job(**told["job"])
            if not is_id(job.id):
                raise ValueError("its job has no id")
            plain = {name: told[name] for name in ("title", "text", "language")}
            assignment = Assignment(
                job=job,
                pages=tuple(Page(**page) for page in told["pages"]),
                given=tuple(StudyItem(**item) for item in told["given"]),
                control=None,
                **plain,
            )
            controls = tuple(
                Control(one["fingerprint"], one["name"], folder / Path(one["folder"]).name)
                for one in told["controls"]
            )
            return cls(assignment, Means(**told["means"]), controls)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidConfig(f"There is no order in {folder.name}: {error!r:.200}.") from error


_PLAIN = ("job", "title", "text", "language", "pages", "given")


def _require_version(version: str) -> None:
    if version != __version__:
        raise InvalidConfig(
            f"The library is that of lift-chat {version}, the machine that was to absorb has "
            f"{__version__}: install the same on both."
        )


def _controls(library: Library, job: Job) -> tuple[Control, ...]:
    """The strangers whose files are whole; a damaged one may be of quite another base."""
    found = []
    for fingerprint, adapter in strangers(library, job).items():
        try:
            folder = library.verified_folder(adapter.id, job.owner)
        except AdapterDamaged as error:
            log.warning("no control for job %s: %s", job.id, error.code)
            continue
        found.append(Control(fingerprint, adapter.name, folder))
    return tuple(found)
