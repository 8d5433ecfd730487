"""What one document's run trains on, epoch by epoch: a `Plan` that is the same at every call.

First epochs hold the raw windows alone, the others windows and study questions (two stages, LIFT
2502.14644). Everything random (offsets, pieces of head and tail, which passages are open, the
order) is drawn anew for every epoch from the seed and the epoch's number, so that a resumed run
goes on with the very same steps. Knows token ids and study items, nothing of files or devices.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from lift_chat.lift.batching import Unit
from lift_chat.lift.questions import QuestionSamples, units_of
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.rehearsal import beside_a_window
from lift_chat.lift.samples import Sample, behind, window
from lift_chat.lift.segments import Segment, cut, cut_at
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import prompt_ids, recite, user

Draft = Callable[[], Unit]
"""A unit that is made when its step comes: samples of all epochs at once would fill the memory."""


@dataclass
class Curriculum:
    """`ids` are the document's tokens; `questions` makes study samples, or there are none;
    `rehearsed` are texts of the base's own, of which some go beside each window."""

    loaded: LoadedModel
    title: str
    ids: Sequence[int]
    config: LiftConfig
    questions: QuestionSamples | None = None
    rehearsed: Sequence[Sample] = ()
    skip: int = 0
    """Epochs that were trained already, beside the plan."""
    _kept: tuple[int, list[Draft]] = field(default=(-1, []), repr=False)

    def __post_init__(self) -> None:
        self._ends = list(accumulate(self._steps_of(epoch) for epoch in range(self.epochs))) or [0]

    @property
    def epochs(self) -> int:
        return self.config.segment_epochs + self.config.epochs - self.skip

    @property
    def steps(self) -> int:
        return self._ends[-1]

    def epoch_of(self, step: int) -> int:
        return bisect_right(self._ends, step)

    def units(self, step: int) -> list[Unit]:
        epoch = self.epoch_of(step)
        if self._kept[0] != epoch:
            self._kept = (epoch, self._drafts(epoch))
        drafts = self._kept[1]
        place = step - (self._ends[epoch - 1] if epoch else 0)
        size = len(drafts) if self.config.one_step_per_epoch else self.config.batch_segments
        return [draft() for draft in drafts[place * size : (place + 1) * size]]

    def _steps_of(self, epoch: int) -> int:
        units = len(self._drafts(epoch))
        size = units if self.config.one_step_per_epoch else self.config.batch_segments
        return -(-units // size) if units else 0

    def _drafts(self, epoch: int) -> list[Draft]:
        drafts = self._windows(epoch)
        if epoch >= self.config.segment_epochs and self.questions is not None:
            drafts += self._studies(self.questions, epoch)
        self._random(epoch, "order").shuffle(drafts)
        return drafts

    def _random(self, epoch: int, purpose: str, index: int = 0) -> random.Random:
        return random.Random(f"{self.config.seed} {epoch} {purpose} {index}")

    def _windows(self, epoch: int) -> list[Draft]:
        return [
            lambda segment=segment: (  # type: ignore[misc]
                self._window(segment, epoch),
                *self._beside(segment, epoch),
            )
            for segment in self._segments(epoch)
        ]

    def _beside(self, segment: Segment, epoch: int) -> list[Sample]:
        count = min(beside_a_window(self.config), len(self.rehearsed))
        return self._random(epoch, "rehearsal", segment.start).sample(self.rehearsed, count)

    def _segments(self, epoch: int) -> list[Segment]:
        """Overlapping windows, or windows side by side from a random offset."""
        if self.config.segments == "none":
            return []
        length = self.config.segment_tokens
        if self.config.segments == "overlapping":
            return cut(len(self.ids), length=length, stride=self.config.stride_tokens)
        offset = self._random(epoch, "offset").randrange(length)
        return cut_at(len(self.ids), length=length, offset=offset)

    def _window(self, segment: Segment, epoch: int) -> Sample:
        ids = self.ids[segment.start : segment.end]
        if not self.config.context_tokens:
            return window(ids)
        return behind(self._pieces(segment, epoch), ids, is_text=True)

    def _pieces(self, segment: Segment, epoch: int) -> list[int]:
        """Head and tail of the document before a window (contextualized training).

        How much is head and how much tail is drawn for each window and epoch; a piece ends where
        the window begins, so that reciting is never copying.
        """
        total = self.config.context_tokens
        share = self._random(epoch, "pieces", segment.start).randint(0, total)
        head = self.ids[: min(share, segment.start)]
        tail = self.ids[max(segment.end, len(self.ids) - (total - share)) :]
        decode = self.loaded.tokenizer.decode
        told = recite(self.title, decode(list(head)), decode(list(tail)))
        return prompt_ids(self.loaded, [user(told)])

    def _studies(self, questions: QuestionSamples, epoch: int) -> list[Draft]:
        """Every question from weights alone; a share of them again with text open: half of it
        behind passages that answer, half behind head and tail of the document."""
        draw = self._random(epoch, "questions")
        order = draw.sample(range(len(questions)), len(questions))
        drafts: list[Draft] = [
            lambda group=group: tuple(questions.closed(i) for i in group)  # type: ignore[misc]
            for group in units_of(order)
        ]
        half = self.config.open_share / 2
        for number, bundle in enumerate(questions.openings(half, draw)):
            seed = self._random(epoch, "open", number).getrandbits(64)
            drafts.append(lambda b=bundle, s=seed: questions.opened(b, s))  # type: ignore[misc]
        for number, ends in enumerate(questions.endings(half, draw)):
            seed = self._random(epoch, "ends", number).getrandbits(64)
            drafts.append(lambda e=ends, s=seed: questions.behind_ends(e, s))  # type: ignore[misc]
        return drafts
