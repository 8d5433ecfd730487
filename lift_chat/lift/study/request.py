"""What a writer is asked for: one prompt each, with the passages that its questions are about.

The three base studies: passages, runs of 16 sentences with evidence (LIFT, arXiv 2502.14644, and
its code), and each sentence behind its context (LIFT's later code). Which one is right for whom is
the recipe's matter; how a request is answered and what is kept of the reply is not known here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lift_chat.lift.passages import Span, passages, sentences
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.study.checks import LEAST_QUESTION_WORDS, content, terms
from lift_chat.lift.study.parsing import Pair
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import (
    write_about_end,
    write_questions,
    write_with_evidence,
)

RUN = 16
"""Sentences of a run (LIFT)."""

LEAST_WANTED = 10
"""Questions with evidence per document, however short (LIFT: 10)."""

CONTEXT_CHARACTERS = 2048
"""Of a sentence and what stands before it (LIFT's later code: characters, not tokens)."""

MOST_CHARACTERS = 8
"""Per token of a passage's wanted length; above that it is cut inside its sentences."""

TOKENS_PER_QUESTION = 48
"""Room for a question with its answer; a reply ends by itself when it is done."""

TOKENS_OF_EVIDENCE = 160

SPARE_TOKENS = 96
"""For one answer of several sentences."""

SPARE_WHEN_BEGUN = 24
"""A small model goes on to questions that nobody asked for; one long answer still fits."""


def suits_any(pair: Pair) -> bool:
    return True


@dataclass(frozen=True)
class Request:
    """One prompt. `spans` are the passages it shows, in order of the text.

    `suits` is what its kind asks of a pair beyond the rules that hold for all; `proof` is where
    inside the passages answers stand, if that is known beforehand; `question` replaces the
    writer's own where only the answer is wanted; `ground` is what answers have to stand on where
    that is not the passages; `room` limits the open text when the writer's answer is checked, in
    tokens; `opening` is how the reply begins, for a writer that can be begun for.
    """

    prompt: str
    spans: tuple[Span, ...]
    kind: str
    count: int = 1
    with_evidence: bool = False
    suits: Callable[[Pair], bool] = suits_any
    proof: Span | None = None
    question: str = ""
    ground: str = ""
    room: int | None = None
    opening: str = ""

    @property
    def start(self) -> int:
        return self.spans[0].start

    @property
    def end(self) -> int:
        return self.spans[-1].end

    @property
    def max_new_tokens(self) -> int:
        evidence = TOKENS_OF_EVIDENCE if self.with_evidence else 0
        spare = SPARE_WHEN_BEGUN if self.opening else SPARE_TOKENS
        return spare + self.count * TOKENS_PER_QUESTION + evidence

    def passage(self, text: str) -> str:
        return self.ground or "\n".join(span.of(text) for span in self.spans)


def passage_tokens(loaded: LoadedModel, config: LiftConfig) -> int:
    """Length of a passage; half the window stays free for prompt and reply."""
    return min(config.passage_tokens, loaded.window // 2)


def about_passages(
    loaded: LoadedModel, text: str, config: LiftConfig, language: str
) -> list[Request]:
    """Each passage once, `config.questions` questions each."""
    return [
        Request(write_questions(span.of(text), config.questions), (span,), "fact", config.questions)
        for span in _asked_about(loaded, text, config, language)
    ]


def by_opening(
    loaded: LoadedModel, text: str, config: LiftConfig, language: str, openings: Sequence[str]
) -> list[Request]:
    """Each passage once per question, the first of `openings` first; at most as many as there are
    openings."""
    return [
        Request(write_questions(span.of(text), 1), (span,), "fact", opening=f"Question: {opening}")
        for span in _asked_about(loaded, text, config, language)
        for opening in openings[: config.questions]
    ]


def _asked_about(
    loaded: LoadedModel, text: str, config: LiftConfig, language: str
) -> Iterator[Span]:
    tokens = passage_tokens(loaded, config)
    for long in passages(loaded.tokenizer, text, tokens, language):
        for span in _pieces(text, long, MOST_CHARACTERS * tokens):
            if speaks(span.of(text)):
                yield span


def _pieces(text: str, span: Span, most: int) -> list[Span]:
    """`span`, cut between words to at most `most` characters: a table or a list of names is one
    sentence without end."""
    pieces, start = [], span.start
    while span.end - start > most:
        cut = max(text.rfind(blank, start + most // 2, start + most) for blank in " \n") + 1
        cut = cut or start + most
        pieces.append(Span(start, cut))
        start = cut
    return [*pieces, Span(start, span.end)]


def about_sentences(text: str, config: LiftConfig, language: str) -> list[Request]:
    """Each sentence once, in order, `config.questions` questions each."""
    spans = sentences(text, language)
    requests = []
    for index, span in enumerate(spans):
        sentence = " ".join(span.of(text).split())
        if not speaks(sentence):
            continue
        shown = Span(_context_start(spans, index), span.end)
        before = text[shown.start : span.start].strip()
        prompt = write_about_end(before, sentence, config.questions)
        suits = _touching(sentence)
        requests.append(
            Request(prompt, (shown,), "sentence", config.questions, suits=suits, proof=span)
        )
    return requests


def _touching(sentence: str) -> Callable[[Pair], bool]:
    """Whether a pair is about the sentence: has a content word in common with it."""
    held = content(sentence)
    return lambda pair: bool(held & content(f"{pair.question} {pair.answer}"))


def _context_start(spans: Sequence[Span], index: int) -> int:
    """Where the whole sentences begin that fit with this one into the context."""
    end, first = spans[index].end, index
    while first and end - spans[first - 1].start <= CONTEXT_CHARACTERS:
        first -= 1
    return spans[first].start


@dataclass(frozen=True)
class Runs:
    """Runs of consecutive sentences in random order, none twice: a retry of the same prompt by
    greedy decoding would repeat its failure. A text of less than 16 sentences has runs of half its
    sentences."""

    wanted: int
    """Questions to end up with: one per 16 sentences, at least 10, at most one per run."""

    requests: Iterator[Request]

    @classmethod
    def of(cls, text: str, config: LiftConfig, language: str) -> Runs:
        spans = [span for span in sentences(text, language) if span.of(text)]
        length = RUN if len(spans) >= RUN else (len(spans) + 1) // 2
        starts = list(range(len(spans) - length + 1)) if spans else []
        random.Random(f"evidence {config.seed}").shuffle(starts)
        runs = (Span(spans[i].start, spans[i + length - 1].end) for i in starts)
        requests = (
            Request(write_with_evidence(run.of(text)), (run,), "evidence", with_evidence=True)
            for run in runs
        )
        return cls(min(max(LEAST_WANTED, len(spans) // RUN), len(starts)), requests)


def speaks(passage: str) -> bool:
    """Whether there is enough in a passage to ask about: a page number or a rule is not."""
    return len(terms(passage)) >= LEAST_QUESTION_WORDS
