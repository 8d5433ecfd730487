"""The study questions and the exam of a run, counted before any of them is written.

Their number and length are expected ones, measured with the embedded model on children's tales and
on the example; a larger model's differ by less than what a document's own density of facts does.
Pure arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lift_chat.lift.holdout import MOST_SHARE
from lift_chat.lift.load import Load
from lift_chat.lift.questions import BEHIND_ONE, ENDS_TOKENS, LARGEST_UNIT, unit_count
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study.openings import OPENINGS
from lift_chat.lift.study.request import SPARE_TOKENS, SPARE_WHEN_BEGUN, TOKENS_PER_QUESTION
from lift_chat.lift.study.writer import ROUND
from lift_chat.models.stems import MOST_KEPT, MOST_ROWS

KEPT = {"passages": 0.25, "question-words": 0.65, "evidence": 0.1, "sentences": 0.2, "none": 0.0}
"""Share of the questions asked for that come back and pass all checks, by way of asking."""

WRITTEN_TOKENS = {"passages": 18, "question-words": 25, "evidence": 40, "sentences": 20, "none": 0}
"""What the model writes for each question asked for; it often stops before the last one."""

FRAME_TOKENS = 37
"""Around a question that is asked as in a chat."""

TURN_TOKENS = 28
"""A question with its answer."""

CLOSED_TOKENS = FRAME_TOKENS + TURN_TOKENS
"""A question from weights alone."""

ANSWER_TOKENS = 8
"""Of an answer, its stop token included: the part of a question that has labels."""

PASSAGES_OPEN = 1.75
"""Mean length of what is open of found passages, in passages."""

ASKING_TOKENS = 62
"""The frame around a passage that questions are to be written about."""

OPENING_TOKENS = 5
"""Of a reply that is begun for its writer: all in which the prompts about a passage differ."""

LONGEST_REPLY = 2
"""A batch is decoded until its longest reply has ended, which has so many times the mean length.
Where many questions are asked for at once, one reply of a batch goes on to its limit."""

SENTENCE_TOKENS = 22
SENTENCE_PROMPT_TOKENS = 480
RUN_SENTENCES = 16
"""What is shown of the text where a question is asked for about a sentence, or with evidence."""

EXAM_ANSWER_TOKENS = 5


def longest_behind_ends(config: LiftConfig) -> int:
    """Tokens of the longest sample with head and tail open that any number of questions makes."""
    if config.study == "none" or not config.open_share:
        return 0
    return FRAME_TOKENS + ENDS_TOKENS + LARGEST_UNIT * TURN_TOKENS


@dataclass(frozen=True)
class Asking:
    """What models are asked beside training."""

    reading: Load
    written: int
    decodings: int


@dataclass(frozen=True)
class Study:
    """Questions of one run: `asked` for in `prompts` prompts, of which `items` are there to learn
    in the end; `held` are in the exam, `own` of them the document's own and none of the `items`."""

    config: LiftConfig
    places: float
    prompts: float
    asked: float
    items: float
    held: int
    own: int
    passage: float
    shown: float
    """Tokens of a passage, and of what a prompt shows of the document."""

    @classmethod
    def of(cls, tokens: int, config: LiftConfig, given: int, own: int = 0) -> Study:
        # Passages are cut between sentences, about evenly.
        passage = tokens / max(-(-tokens // config.passage_tokens), 1)
        places = _places(tokens, config)
        asked = places * _questions(config)
        prompts = asked if config.study == "question-words" else places
        items = asked * KEPT[config.study]
        if given and config.study != "none":
            prompts, asked, items = 0.0, 0.0, float(given)
        own = min(own, config.exam_questions) if config.study != "none" else 0
        held = own + min(config.exam_questions - own, int(MOST_SHARE * items))
        shown = _shown(tokens, config, passage)
        return cls(config, places, prompts, asked, items, held, own, passage, shown)

    @property
    def trained(self) -> float:
        return self.items - (self.held - self.own)

    def training(self, tokens: int) -> Load:
        """Of one epoch: each question from weights alone, a share of them with text open."""
        load = Load.of(self.trained, CLOSED_TOKENS, ANSWER_TOKENS)
        for count, length, behind in self._opened(tokens):
            load += Load.of(count, length, behind * ANSWER_TOKENS)
        return load

    def passes(self, tokens: int) -> float:
        """Of one epoch through the device, each filled with samples up to a window's tokens; of the
        groups behind passages two stand in a unit."""
        most = self.config.segment_tokens
        each = self.trained / max(unit_count(self.trained), 1)
        count = unit_count(self.trained) * math.ceil(each * CLOSED_TOKENS / most)
        (passages, length, _), (ends, _, _) = self._opened(tokens)
        return count + passages / 2 * min(2, math.ceil(2 * length / most)) + ends

    def _opened(self, tokens: int) -> list[tuple[float, float, float]]:
        """Groups of questions behind passages, and behind head and tail: how many of them, the
        tokens of each, and its questions."""
        share = self.trained * self.config.open_share / 2
        passages = min(PASSAGES_OPEN * self.passage, tokens)
        groups = share / self.behind_one, unit_count(share)
        opened = []
        for count, text in zip(groups, (passages, min(ENDS_TOKENS, tokens)), strict=True):
            behind = share / max(count, 1)
            opened.append((count, text + FRAME_TOKENS + behind * TURN_TOKENS, behind))
        return opened

    @property
    def behind_one(self) -> float:
        """Mean number of questions behind one open passage: of those about a passage a share is
        drawn, and where none is drawn, none is opened."""
        drawn = self.trained / max(self.places, 1) * self.config.open_share / 2
        return min(BEHIND_ONE, drawn / -math.expm1(-drawn)) if drawn else 1.0

    @property
    def units(self) -> int:
        """Of one epoch: questions from weights alone, pairs of groups behind passages, and groups
        behind head and tail."""
        if not self.trained:
            return 0
        share = self.trained * self.config.open_share / 2
        opened = math.ceil(share / self.behind_one / 2) + unit_count(share)
        return unit_count(self.trained) + opened

    def longest(self, tokens: int) -> Load:
        """The longest sample that is to be expected: where few groups are drawn, the right passage
        hardly ever stands among as many others as may be."""
        if not self.config.open_share:
            return Load.of(1, CLOSED_TOKENS, ANSWER_TOKENS)
        together = round(self.trained * self.config.open_share / 2)
        one = min(BEHIND_ONE, math.ceil(self.behind_one))
        ends = math.ceil(together / max(unit_count(together), 1))
        drawn = together / self.behind_one * self.config.epochs
        others = 2 - 0.5**drawn - 0.75**drawn
        passages = min((1 + others) * self.passage, tokens) + one * TURN_TOKENS
        both = min(ENDS_TOKENS, tokens) + ends * TURN_TOKENS
        return Load.of(1, FRAME_TOKENS + max(passages, both), ends * ANSWER_TOKENS)

    @property
    def reading(self) -> Load:
        """Prompts for the writer, and what was written asked back with its passage open; passages
        are read once for all that is asked about them."""
        places = min(self.places, self.items)
        asking = Load.of(self.prompts / self.openings, self.shown + ASKING_TOKENS)
        if self.openings > 1:
            asking += Load.of(self.prompts, OPENING_TOKENS)
        back = Load.of(places, self.passage + FRAME_TOKENS)
        return asking + back + Load.of(self.items, TURN_TOKENS, ANSWER_TOKENS)

    @property
    def written(self) -> int:
        return int(self.asked * WRITTEN_TOKENS[self.config.study])

    @property
    def openings(self) -> int:
        """Prompts that share all but their last tokens."""
        begun = self.config.study == "question-words"
        return _questions(self.config) if begun else 1

    def decodings(self, prompt_tokens: int) -> int:
        """Passes of a batch of replies, where prompts of so many tokens are read at once."""
        if not self.prompts:
            return 0
        prompt = self.shown + ASKING_TOKENS
        stems = max(1, int(prompt_tokens // prompt))
        rows = min(ROUND, stems * self.openings, max(1, int(MOST_KEPT // prompt)))
        count = self.asked / self.prompts
        each = count * WRITTEN_TOKENS[self.config.study] * LONGEST_REPLY
        if self.openings > 1:
            each = SPARE_WHEN_BEGUN + TOKENS_PER_QUESTION
        elif count > 1:
            each = SPARE_TOKENS + count * TOKENS_PER_QUESTION
        return int(-(-self.prompts // rows) * each)

    def exam(self, shown: int, prompt_tokens: int) -> Asking:
        """All sittings: closed book before, during and after training, before and after it with
        `shown` tokens in the window, and what answers are worth closed book and with the passage.
        """
        closed = 2 + max(self.config.exams - 1, 0)
        likely = Load.of(2, CLOSED_TOKENS, ANSWER_TOKENS) + Load.of(
            1, self.passage + CLOSED_TOKENS, ANSWER_TOKENS
        )
        each = Load.of(closed, CLOSED_TOKENS) + Load.of(2, shown) + likely
        rows = min(MOST_ROWS, max(1, prompt_tokens // shown))
        batches = closed * -(-self.held // MOST_ROWS) + 2 * -(-self.held // rows)
        return Asking(
            each * self.held,
            self.held * (closed + 2) * EXAM_ANSWER_TOKENS,
            batches * EXAM_ANSWER_TOKENS * LONGEST_REPLY,
        )


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


def _shown(tokens: int, config: LiftConfig, passage: float) -> float:
    if config.study == "sentences":
        return min(SENTENCE_PROMPT_TOKENS, tokens / 2)
    if config.study == "evidence":
        return min(RUN_SENTENCES * SENTENCE_TOKENS, tokens / 2)
    return passage
