"""What a run sends through the model, counted before anything of it exists.

Windows are counted exactly; what is expected of questions is `expected`'s. Pure arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lift_chat.lift.expected import ANSWER_TOKENS, CLOSED_TOKENS, Study
from lift_chat.lift.load import Load
from lift_chat.lift.questions import UNIT_ITEMS
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.rehearsal import TEXTS, TOKENS, beside_a_window
from lift_chat.lift.segments import Segment, cut, cut_at
from lift_chat.models.batch import CPU_BATCH_TOKENS

RECITE_TOKENS = 55
"""The frame around a window's context."""


@dataclass(frozen=True)
class Workload:
    """`training` is done forward and backward, in so many `passes` where one window at a time goes
    through the device, `reading` forward alone; `written` tokens come one by one, in `decodings`
    passes of a batch of them.

    Of the samples, `window` is the longest window's length, `questions` a unit of questions from
    weights alone, and `opened` the longest one with text open. A step has at most `units`.
    """

    training: Load
    passes: float
    reading: Load
    written: int
    decodings: int
    steps: int
    units: int
    window: int
    questions: Load
    opened: Load

    def batches(self, config: LiftConfig, windows: int) -> list[Load]:
        """The largest batch of each sort that goes through the device, where `windows` are let in
        at once."""
        most = windows * config.segment_tokens
        rows = min(self.units, max(1, most // max(self.window, 1)))
        unit = max(self.questions.tokens, 1)
        alone = self.questions * (min(most, self.units * unit) / unit)
        return [Load.of(rows, self.window, self.window), alone, self.opened]

    @property
    def longest(self) -> int:
        """Tokens of the longest sample."""
        closed = CLOSED_TOKENS if self.questions.tokens else 0
        return max(self.window, closed, int(self.opened.tokens), 1)

    @property
    def trained(self) -> int:
        return int(self.training.tokens)

    @property
    def read(self) -> int:
        return int(self.reading.tokens)


def workload(
    tokens: int,
    config: LiftConfig,
    window: int,
    *,
    given: int = 0,
    own: int = 0,
    prompt_tokens: int = CPU_BATCH_TOKENS,
) -> Workload:
    """Of a document of `tokens` tokens.

    `window` is the chat's prompt length, `given` the number of questions to learn that are kept
    with the document already, `own` that of its own exam questions, `prompt_tokens` how many tokens
    of prompts are answered at once.
    """
    windows, longest = _windows(tokens, config)
    beside = beside_a_window(config)
    epochs = config.segment_epochs + config.epochs
    training = (sum(windows, Load()) + _rehearsed(len(windows) * beside)) * epochs
    passes = float(len(windows) * (1 + beside) * epochs)
    study = Study.of(tokens, config, given, own)
    training += study.training(tokens) * config.epochs
    passes += study.passes(tokens) * config.epochs
    exam = study.exam(min(window, tokens + CLOSED_TOKENS), prompt_tokens)
    units = len(windows), len(windows) + study.units
    first, later = (-(-count // config.batch_segments) for count in units)
    steps = config.segment_epochs * first + config.epochs * later
    if config.one_step_per_epoch:
        steps = config.segment_epochs + config.epochs
    drawn = TEXTS if beside else 0
    return Workload(
        training,
        passes,
        study.reading + exam.reading + _rehearsed(drawn),
        study.written + exam.written + drawn * TOKENS,
        study.decodings(prompt_tokens) + exam.decodings + (TOKENS if beside else 0),
        max(steps, 1),
        max(units) if config.one_step_per_epoch else min(max(units), config.batch_segments),
        longest,
        Load.of(min(study.trained, UNIT_ITEMS), CLOSED_TOKENS, ANSWER_TOKENS),
        study.longest(tokens) if study.items else Load(),
    )


def _rehearsed(texts: int) -> Load:
    return Load.of(texts, TOKENS + 1, TOKENS)


def _windows(tokens: int, config: LiftConfig) -> tuple[list[Load], int]:
    """Each window of one pass, and the tokens of the longest that may be."""
    if config.segments == "none":
        return [], 0
    if config.segments == "overlapping":
        found = cut(tokens, length=config.segment_tokens, stride=config.stride_tokens)
    else:
        found = cut_at(tokens, length=config.segment_tokens, offset=config.segment_tokens)
    if not config.context_tokens:
        loads = [Load.of(1, segment.tokens, segment.tokens - 1) for segment in found]
        return loads, max((segment.tokens for segment in found), default=0)
    return (
        [
            Load.of(1, context + RECITE_TOKENS + segment.tokens, segment.tokens)
            for segment, context in _with_context(found, tokens, config.context_tokens)
        ],
        max(
            (
                segment.tokens + min(config.context_tokens, tokens - segment.tokens) + RECITE_TOKENS
                for segment in found
            ),
            default=0,
        ),
    )


def _with_context(
    found: list[Segment], tokens: int, context: int
) -> Iterator[tuple[Segment, float]]:
    """Each window with the mean length of the pieces of head and tail that are drawn for it: their
    share is drawn evenly, and a piece ends where the window begins or the document ends."""
    for segment in found:
        before, behind = segment.start, tokens - segment.end
        yield segment, sum(_drawn(there, context) for there in (before, behind))


def _drawn(there: int, most: int) -> float:
    """Mean of min(drawn, there), drawn evenly from 0 to `most`."""
    return there - there**2 / (2 * most) if there < most else most / 2
