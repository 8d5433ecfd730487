"""What is measured before and after a run, beside the exam: loss, pages, general knowledge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from lift_chat.lift.forgetting import Forgetting, General, probe
from lift_chat.lift.memory_map import PageLoss, combine, page_losses
from lift_chat.lift.notes import NO_NOTES, Notes, key
from lift_chat.lift.train import mean_loss
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from storage.records import Page

CPU_MAP_PAGES = 32
"""Fewer than elsewhere: a measurement must not take longer than the lesson."""

MAP_PAGES = 64


def map_pages(loaded: LoadedModel) -> int:
    """How many pages are on the map at most."""
    return CPU_MAP_PAGES if loaded.device.kind == "cpu" else MAP_PAGES


@dataclass
class Measures:
    """One side of the comparison. `loss` in nats per token of the document's probe windows."""

    loss: float = float("nan")
    pages: list[PageLoss] = field(default_factory=list)
    general: General | None = None
    notes: Notes = field(default=NO_NOTES, repr=False, compare=False)

    def take(
        self,
        model: Any,
        loaded: LoadedModel,
        windows: Sequence[torch.Tensor],
        pages: Sequence[Page],
        turn: Turn,
    ) -> Iterator[float]:
        """Measures everything; yields the running loss after each window."""
        notes = self.notes
        who = notes.who(loaded, model)
        read = notes.recall(key(who, "loss")) or []
        yield from read
        if not read:
            for loss in mean_loss(model, windows, turn):
                read.append(loss)
                yield loss
            notes.note(key(who, "loss"), read)
        self.loss = read[-1]
        most = map_pages(loaded)

        def losses() -> list[dict[str, Any]]:
            found = page_losses(model, loaded, pages, turn, most_pages=most)
            return [asdict(page) for page in found]

        self.pages = [PageLoss(**page) for page in notes.once(key(who, "pages"), losses)]
        general = notes.once(key(who, "general"), lambda: asdict(probe(model, loaded, turn)))
        self.general = General(**general)

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "loss": self.loss,
            "pages": [asdict(page) for page in self.pages],
            "general": self.general and asdict(self.general),
        }

    @classmethod
    def of(cls, state: dict[str, Any]) -> Measures:
        """Inverse of `state`."""
        pages = [PageLoss(**page) for page in state["pages"]]
        return cls(state["loss"], pages, General(**state["general"]) if state["general"] else None)


def compared(before: Measures, after: Measures) -> dict[str, Any]:
    """What is kept with the adapter, JSON values."""
    found: dict[str, Any] = {"loss_before": before.loss, "loss_after": after.loss}
    if before.pages and after.pages:
        found["memory_map"] = combine(before.pages, after.pages)
    if before.general and after.general:
        found["forgetting"] = Forgetting(before.general, after.general).to_json()
    return found
