"""Writing a document's study questions: asked for, sifted, asked back, as a generator.

Kept items leave as they come, so that training can begin while questions are still being written
(LIFT's later code, whose first epoch runs that way). Given document, recipe and base, the base
model writes the same questions every time. Knows nothing of training or of the library.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from lift_chat.lift.notes import NO_NOTES, Notes
from lift_chat.lift.passages import Span, passages
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study import kinds
from lift_chat.lift.study.openings import OPENINGS
from lift_chat.lift.study.request import (
    Request,
    Runs,
    about_passages,
    about_sentences,
    by_opening,
    passage_tokens,
    speaks,
)
from lift_chat.lift.study.sieve import REASONS, Sieve
from lift_chat.lift.study.teacher import Checked, ask_back
from lift_chat.lift.study.writer import ROUND, BaseWriter, Usage, Writer
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from storage.records import StudyItem

RETRIES = 3
"""Further runs of sentences per question with evidence that could not be used (LIFT: 3 to 5)."""

SECTION_PASSAGES = 4
"""Passages in a section: what order, lists and summaries are asked about."""


@dataclass(frozen=True)
class WritingProgress:
    """`done` of `total` prompts are answered; the total grows by what is asked again or asked
    about earlier questions. `items` are those kept since the last event. `message` is what the
    user has to know: that text leaves the machine, when it does."""

    done: int
    total: int
    items: tuple[Checked, ...] = ()
    message: str = ""


@dataclass(frozen=True)
class Written:
    """All that was kept. `asked` counts questions asked for; `written` what came back, which is
    `kept` and `dropped` together."""

    checked: tuple[Checked, ...]
    asked: int
    written: int
    dropped: dict[str, int]
    message: str = ""
    usage: Usage = field(default_factory=Usage)

    @property
    def items(self) -> list[StudyItem]:
        return [checked.item for checked in self.checked]

    def metrics(self) -> dict[str, Any]:
        """What is kept with the adapter under “study”, JSON values."""
        return {
            "asked": self.asked,
            "written": self.written,
            "kept": len(self.checked),
            "dropped": self.dropped,
        }


def write_items(  # noqa: PLR0913  # a document, how, and who writes
    loaded: LoadedModel,
    title: str,
    text: str,
    config: LiftConfig,
    *,
    language: str = "en",
    turn: Turn,
    writer: Writer | None = None,
    notes: Notes = NO_NOTES,
) -> Generator[WritingProgress, None, Written]:
    """Writes what `config.study` and `config.mixed_kinds` ask for; returns all that was kept.

    `loaded` asks every item back, whoever wrote it. Without a `writer` it writes them too, and
    nothing of the document leaves the machine. A reply that cannot be used costs its place and no
    more. Raises `ModelUnavailable` when a writer cannot be used at all.
    """
    writer = writer or BaseWriter(loaded, turn, notes.generate)
    desk = _Desk(loaded, title, text, turn, writer, notes)
    openings = OPENINGS.get(language, ()) if desk.writer.origin == "model" else ()
    if config.study == "question-words" and openings:
        yield from desk.ask(by_opening(loaded, text, config, language, openings))
    elif config.study in ("passages", "question-words"):
        yield from desk.ask(about_passages(loaded, text, config, language))
    elif config.study == "sentences":
        yield from desk.ask(about_sentences(text, config, language))
    elif config.study == "evidence":
        yield from desk.ask_with_evidence(Runs.of(text, config, language))
    if config.mixed_kinds:
        yield from desk.ask_mixed(config, language)
    return desk.written()


class _Desk:
    """The state of one writing: what was asked and what became of it."""

    def __init__(  # what each question needs
        self,
        loaded: LoadedModel,
        title: str,
        text: str,
        turn: Turn,
        writer: Writer,
        notes: Notes,
    ) -> None:
        self.loaded, self.title, self.text, self.turn = loaded, title, text, turn
        self.notes = notes
        self.writer, self.sieve = writer, Sieve(text, writer.origin)
        self.done = self.total = self.asked = 0

    def ask(self, requests: Sequence[Request]) -> Generator[WritingProgress, None, None]:
        """Replies are taken in the order of the requests, however they come."""
        self.total += len(requests)
        self.asked += sum(request.count for request in requests)
        early: dict[int, str] = {}
        group: list[tuple[Request, str]] = []
        taken = 0
        with closing(self.writer.write(requests)) as replies:
            for index, reply in replies:
                early[index] = reply
                while taken in early:
                    group.append((requests[taken], early.pop(taken)))
                    taken += 1
                    if len(group) == ROUND:
                        yield self._take(group)
                        group = []
        if group:
            yield self._take(group)

    def ask_with_evidence(self, runs: Runs) -> Generator[WritingProgress, None, None]:
        for _ in range(1 + RETRIES):
            missing = runs.wanted - len(self.sieve.kept)
            requests = list(islice(runs.requests, missing))
            if not requests:
                return
            yield from self.ask(requests)

    def ask_mixed(
        self, config: LiftConfig, language: str
    ) -> Generator[WritingProgress, None, None]:
        tokens = passage_tokens(self.loaded, config)
        facts = self.written().items
        room = SECTION_PASSAGES * tokens
        spans = passages(self.loaded.tokenizer, self.text, tokens, language)
        requests = [replace(r, room=room) for r in kinds.across(self.text, spans, config.seed)]
        for section in self._sections(min(room, self.loaded.window // 2), language):
            for kind in (kinds.order, kinds.listing, kinds.summary):
                requests.append(kind(self.text, section))
        yield from self.ask(requests)
        turned = [kinds.turned(self.text, item) for item in facts[::2]]
        summaries = [item for item in self.written().items if item.kind == "summary"]
        last = kinds.digest(self.title, self.text, summaries, self.loaded.window // 2)
        yield from self.ask([*(request for request in turned if request), *last])
        absent = kinds.unanswerable(self.text, facts, config.seed)
        self.asked += len(absent)
        self.sieve.written += len(absent)
        if absent:
            yield self._progress(self._check([(item, None) for item in absent]))

    def _sections(self, tokens: int, language: str) -> list[Span]:
        found = passages(self.loaded.tokenizer, self.text, tokens, language)
        return [span for span in found if speaks(span.of(self.text))]

    def written(self) -> Written:
        usage = self.writer.usage
        failed = f"{usage.failed} of {usage.requests} requests failed." if usage.failed else ""
        return Written(
            checked=tuple(self.sieve.kept),
            asked=self.asked,
            written=self.sieve.written,
            dropped={reason: self.sieve.dropped[reason] for reason in REASONS},
            message=" ".join(filter(None, [self.writer.note, failed])),
            usage=usage,
        )

    def _take(self, group: Sequence[tuple[Request, str]]) -> WritingProgress:
        drafts = [
            (item, request.room)
            for request, reply in group
            for item in self.sieve.sift(request, reply)
        ]
        self.done += len(group)
        return self._progress(self._check(drafts))

    def _check(self, drafts: Sequence[tuple[StudyItem, int | None]]) -> list[Checked]:
        """What of `drafts` (item, room of its open text) is kept, in their order."""
        heard: dict[int, Checked] = {}
        for room in dict.fromkeys(room for _, room in drafts):
            places = [place for place, draft in enumerate(drafts) if draft[1] == room]
            items = [drafts[place][0] for place in places]
            for checked in ask_back(
                self.loaded.model,
                self.loaded,
                self.title,
                self.text,
                items,
                self.turn,
                room=room,
                notes=self.notes,
            ):
                heard[places[checked.index]] = checked
        return [heard[place] for place in range(len(drafts)) if self.sieve.keep(heard[place])]

    def _progress(self, fresh: Sequence[Checked]) -> WritingProgress:
        return WritingProgress(self.done, self.total, tuple(fresh), self.writer.note)
