"""One measurement from the words of a command line to its reports on disk.

Puts collection, recipes, windows and base together and runs them; knows nothing of terminals. What
is in the folder afterwards: `answers.jsonl`, one line per document and arm, from which a later run
goes on, and for each collection `NAME.json`, `NAME.md` and `NAME.svg`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lift_chat import __version__, base_model
from lift_chat.documents import read
from lift_chat.evaluation.arms import Room, check_windows
from lift_chat.evaluation.chart import chart
from lift_chat.evaluation.judge import Judge
from lift_chat.evaluation.ledger import Ledger, Line
from lift_chat.evaluation.markdown import markdown
from lift_chat.evaluation.needle import Grid, documents
from lift_chat.evaluation.questions import EvalDocument
from lift_chat.evaluation.recipes import recipes_of
from lift_chat.evaluation.report import Report, report
from lift_chat.evaluation.sets import Selection, open_set, place_of
from lift_chat.evaluation.trial import Course, Sign, Trial
from lift_chat.lift.study.endpoint import EndpointWriter
from lift_chat.models.catalog import choose
from lift_chat.models.device import pick_device
from lift_chat.models.loading import LoadedModel
from lift_chat.settings import Settings

ANSWERS = "answers.jsonl"
NEEDLE = "needle"


@dataclass(frozen=True)
class Measurement:
    """What is asked for, as a command line says it. Raises `InvalidConfig` when it is wrong.

    `home` holds collections that are named without a place. The collection "needle:FILE" is made
    of any text, by `grid`.
    """

    collection: str
    recipes: Sequence[str]
    windows: Sequence[str]
    selection: Selection = field(default_factory=Selection)
    room: Room = field(default_factory=Room)
    gold_nll: bool = True
    home: Path | None = None
    grid: Grid = field(default_factory=Grid)

    def __post_init__(self) -> None:
        recipes_of(self.recipes)
        check_windows(self.windows)

    @property
    def name(self) -> str:
        """Of its files."""
        return re.sub(r"[^\w-]+", "-", self.collection.partition(":")[0])


def load_base(settings: Settings) -> LoadedModel:
    """The base model of these settings, without a library. Raises `ModelUnavailable`."""
    import torch

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    device = pick_device(settings.device)
    return base_model.load_base(settings, choose(settings.base_model, device).name, device)


def course_of(measurement: Measurement, loaded: LoadedModel, settings: Settings) -> Course:
    """The documents that are read for it, and the arms."""

    def writer() -> EndpointWriter:
        return EndpointWriter(settings.writer_url, settings.writer_model, settings.writer_key)

    def tokens(text: str) -> int:
        return len(loaded.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    return Course(
        collection=measurement.name,
        documents=measurement.selection.of(_documents(measurement, loaded), tokens),
        recipes=recipes_of(measurement.recipes),
        windows=check_windows(measurement.windows),
        room=measurement.room,
        gold_nll=measurement.gold_nll,
        writer=writer,
    )


def _documents(measurement: Measurement, loaded: LoadedModel) -> Iterator[EvalDocument]:
    name, home = measurement.collection, measurement.home
    if measurement.name != NEEDLE:
        return open_set(name, measurement.selection.split, home)
    hay = read(place_of(name, home))
    return documents(loaded.tokenizer, hay.title, hay.text, measurement.grid)


def measure(course: Course, loaded: LoadedModel, folder: Path) -> Generator[Sign, None, None]:
    """Yields signs of life; every finished arm is on the disk before the next begins."""
    yield from Trial(loaded, course, Ledger(folder / ANSWERS), nullcontext).run()


def finished(course: Course, loaded: LoadedModel, folder: Path) -> list[Line]:
    """What of the course is in the folder."""
    return Trial(loaded, course, Ledger(folder / ANSWERS), nullcontext).lines()


def judged(
    lines: Sequence[Line], model: str, settings: Settings, folder: Path
) -> Generator[Line, None, None]:
    """The lines, one by one, with the verdicts of `model` at the settings' endpoint.

    Raises `InvalidConfig` without an endpoint, `ModelUnavailable` when it does not answer.
    """
    with Judge(settings.writer_url, model, settings.writer_key, folder) as judge:
        yield from judge.judged(lines)


def reported(
    course: Course, loaded: LoadedModel, lines: Sequence[Line], folder: Path, *, judge: str = ""
) -> Report:
    """The report on the lines, written into `folder`."""
    facts = _facts(course, loaded)
    made = report(lines, {**facts, "judge": judge} if judge else facts)
    path = folder / f"{course.collection}.json"
    path.write_text(json.dumps(made.to_dict(), indent=1, ensure_ascii=False) + "\n", "utf-8")
    path.with_suffix(".md").write_text(markdown(made), "utf-8")
    path.with_suffix(".svg").write_text(chart(made), "utf-8")
    return made


def _facts(course: Course, loaded: LoadedModel) -> dict[str, Any]:
    identity, device = loaded.identity, loaded.device
    window = course.room.prompt_tokens(loaded, "truncated")
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "lift-chat": __version__,
        "base": f"{identity.name} {identity.revision}".strip(),
        "base fingerprint": identity.fingerprint,
        **({"reader": identity.reader} if identity.reader else {}),
        "device": f"{device.name}, {str(device.dtype).removeprefix('torch.')}"
        + (", base in 4 bits" if loaded.four_bit else ""),
        "collection": f"{course.collection}, {len(course.documents)} documents, "
        f"{sum(len(document.questions) for document in course.documents)} questions",
        "window": f"{window} tokens, answers of at most {course.room.answer}, greedy",
        **{
            f"recipe {name}": json.dumps(config.to_dict())
            for name, config in course.recipes.items()
        },
    }
