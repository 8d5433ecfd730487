"""What a lesson may use beside text and recipe; all of it can be left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lift_chat.lift.sittings import Control
from lift_chat.lift.study.writer import Writer
from lift_chat.lift.train import Fit
from storage.records import Page, StudyItem

ONE_WINDOW = Fit()


@dataclass(frozen=True)
class Surroundings:
    """What a lesson may use beside text and recipe; all of it can be left out.

    `given` are study items kept with the document, `control` another document's adapter (its name
    and the model), for the exam. `enough` keeps what an earlier part of the run has learned as it
    is: nothing more is trained. `on_items` and `on_checkpoint` are told what was reached.
    """

    fit: Fit = ONE_WINDOW
    language: str = "en"
    pages: Sequence[Page] = ()
    given: Sequence[StudyItem] = ()
    writer: Writer | None = None
    control: Control = lambda: None
    enough: bool = False
    on_items: Callable[[list[StudyItem]], None] = lambda items: None
    on_checkpoint: Callable[[], None] = lambda: None
