"""How many tokens a run sends through the model, before anything of it exists.

Windows are counted exactly. Questions are not written yet, so their number and length are
expected ones (measured on children's tales with the embedded model; a larger model's differ by
less than what a document's own density of facts does). Pure arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.segments import cut, cut_at
from lift_chat.lift.study.openings import OPENINGS

KEPT = {"passages": 0.4, "question-words": 0.65, "evidence": 0.4, "sentences": 0.4, "none": 0.0}
"""Share of the questions asked for that come back and pass all checks, by way of asking."""

CLOSED_TOKENS = 75
"""A question from weights alone, with frame and answer."""

TURN_TOKENS = 35
"""A further question behind the same open text."""

BEHIND_ONE = 3
PASSAGES_OPEN = 1.75
ENDS_TOKENS = 384
"""Head and tail of the document, read once for so many questions:"""
BEHIND_ENDS = 8

WRITTEN_TOKENS = 22
"""Question and answer as the model writes them."""

SENTENCE_TOKENS = 22
EXAM_TOKENS = 3
"""How many times the truncated window is read for each exam question, all sittings together."""


@dataclass(frozen=True)
class Workload:
    """Tokens: `trained` forward and backward, `read` forward alone, `written` one by one."""

    trained: int
    read: int
    written: int
    longest: int
    steps: int


def workload(tokens: int, config: LiftConfig, window: int) -> Workload:
    """Of a document of `tokens` tokens; `window` is the chat's prompt length."""
    per_epoch, count, longest = _windows(tokens, config)
    epochs = config.segment_epochs + config.epochs
    trained = per_epoch * epochs
    places = _places(tokens, config)
    asked = places * _questions(config)
    items = asked * KEPT[config.study]
    closed = items * CLOSED_TOKENS
    ends = min(ENDS_TOKENS, tokens)
    text = (PASSAGES_OPEN * config.passage_tokens / BEHIND_ONE + ends / BEHIND_ENDS) / 2
    opened = items * config.open_share * (TURN_TOKENS + text)
    trained += int((closed + opened) * config.epochs)
    studied = count + int(items / 8 * (1 + config.open_share))
    prompts = asked if config.study == "question-words" else places
    read = prompts * (config.passage_tokens + 50)
    read += asked * (config.passage_tokens + CLOSED_TOKENS)
    if items and config.exam_questions:
        read += config.exam_questions * EXAM_TOKENS * window
    first, later = (-(-units // config.batch_segments) for units in (count, studied))
    steps = config.segment_epochs * first + config.epochs * later
    steps = epochs if config.one_step_per_epoch else steps
    written = int(asked * WRITTEN_TOKENS)
    if items:
        longest = max(longest, CLOSED_TOKENS)
    if items and config.open_share:
        behind = 3 * config.passage_tokens + 4 * TURN_TOKENS
        longest = max(longest, behind, ends + BEHIND_ENDS * TURN_TOKENS)
    return Workload(trained, int(read), written, max(longest, 1), max(steps, 1))


def _windows(tokens: int, config: LiftConfig) -> tuple[int, int, int]:
    """(tokens of one pass over the windows, number of windows, the longest one)."""
    if config.segments == "none":
        return 0, 0, 0
    if config.segments == "overlapping":
        found = cut(tokens, length=config.segment_tokens, stride=config.stride_tokens)
    else:
        found = cut_at(tokens, length=config.segment_tokens, offset=config.segment_tokens)
    context = min(config.context_tokens, tokens)
    lengths = [segment.tokens + context for segment in found]
    return sum(lengths), len(lengths), max(lengths, default=0)


def _questions(config: LiftConfig) -> int:
    """How many are asked for at each place."""
    if config.study == "question-words":
        return min(config.questions, len(OPENINGS["en"]))
    return 1 if config.study == "evidence" else config.questions


def _places(tokens: int, config: LiftConfig) -> float:
    """How many times questions are asked for."""
    if config.study in ("passages", "question-words"):
        return -(-tokens // config.passage_tokens)
    if config.study == "sentences":
        return tokens / SENTENCE_TOKENS
    return max(10.0, tokens / 250) if config.study == "evidence" else 0.0
