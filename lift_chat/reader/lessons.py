"""What a reader is trained on: documents in sections with questions, as samples of seven kinds.

Warm start before absorbing (LIFT, arXiv 2412.13626, "pre-LIFT SFT"): the base learns once, on many
documents, what absorbing and answering will ask of it: answer questions about open passages, from a
truncated document, and from weights alone; write questions itself; keep reading; keep chatting.
Prompts are those of absorbing and chat (`models.prompts`), word for word.

Knows nothing of files or of the training loop.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lift_chat.lift.batching import Unit
from lift_chat.lift.passages import sentences
from lift_chat.lift.samples import Sample, conversation, one_turn, window
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import (
    MARKER,
    assistant,
    frame,
    user,
    write_questions,
    write_with_evidence,
)

MOST_CHARACTERS = 1200
"""Longer sections get no turn of their own: they cost much reading for each answer."""

MOST_QUESTIONS = 6
"""Questions behind one passage in a sample: the passage is read once for all of them."""

_INSIDE = r"[^\W\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
"""A character that a word goes on with; there is none in scripts written without spaces."""

SHARES = {
    "passage": 0.42,
    "among others": 0.15,
    "truncated": 0.05,
    "write": 0.22,
    "evidence": 0.04,
    "raw": 0.04,
    "chat": 0.08,
}
"""Of a pass over all sections, by kind of sample; answering weighs most because all else is asked
for its sake. Questions from weights alone come beside them, one for every section."""


@dataclass(frozen=True)
class Asked:
    question: str
    answer: str


@dataclass(frozen=True)
class Section:
    """A passage of a document and the questions that it answers."""

    text: str
    questions: tuple[Asked, ...]


@dataclass(frozen=True)
class ReadingDocument:
    title: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Said:
    """Something general that the base said itself: what the reader must not forget."""

    prompt: str
    reply: str


class ReaderPlan:
    """A `Plan`: `passes` over all sections that have questions, in a fresh order each."""

    def __init__(
        self,
        loaded: LoadedModel,
        documents: Sequence[ReadingDocument],
        said: Sequence[Said],
        *,
        passes: float,
        units_per_step: int,
        seed: int,
    ) -> None:
        self._loaded, self._documents, self._said = loaded, documents, said
        self._places = [
            (d, s)
            for d, document in enumerate(documents)
            for s, section in enumerate(document.sections)
            if section.questions and len(section.text) <= MOST_CHARACTERS
        ]
        self._per_step, self._seed = units_per_step, seed
        self.steps = max(1, int(passes * len(self._places) / units_per_step))

    def units(self, step: int) -> list[Unit]:
        first = step * self._per_step
        return [self._unit(place) for place in range(first, first + self._per_step)]

    def _unit(self, place: int) -> Unit:
        """The `place`-th draw of all passes: a section's turn, in one of the kinds."""
        turn, position = divmod(place, len(self._places))
        order = random.Random(f"{self._seed} {turn}").sample(self._places, len(self._places))
        draw = random.Random(f"{self._seed} {turn} {position}")
        document, index = order[position]
        kind = draw.choices(list(SHARES), list(SHARES.values()))[0]
        lesson = _Lesson(self._loaded, self._documents[document], index, draw)
        if kind == "chat" and self._said:
            said = draw.choice(self._said)
            return (one_turn(self._loaded, user(said.prompt), said.reply),)
        made = lesson.make(kind)
        return (made,) if draw.random() < 0.5 else (made, lesson.closed_book())


@dataclass(frozen=True)
class _Lesson:
    """The samples that one section can become."""

    loaded: LoadedModel
    document: ReadingDocument
    index: int
    draw: random.Random

    @property
    def section(self) -> Section:
        return self.document.sections[self.index]

    def make(self, kind: str) -> Sample:
        makers: dict[str, Callable[[], Sample]] = {
            "passage": lambda: self._read(self.section.text),
            "among others": lambda: self._read(self._among_others()),
            "truncated": lambda: self._read(self._truncated()),
            "write": self._write,
            "evidence": self._evidence,
        }
        return makers.get(kind, self._raw)()

    def _questions(self) -> list[Asked]:
        asked = list(self.section.questions)
        return self.draw.sample(asked, min(len(asked), MOST_QUESTIONS))

    def _read(self, excerpt: str) -> Sample:
        """Several questions behind one excerpt, as a conversation."""
        turns = []
        for number, asked in enumerate(self._questions()):
            text = asked.question if number else frame(self.document.title, asked.question, excerpt)
            turns += [user(text), assistant(asked.answer)]
        return conversation(self.loaded, turns) or one_turn(
            self.loaded, turns[0], turns[1]["content"]
        )

    def closed_book(self) -> Sample:
        asked = self.draw.choice(self.section.questions)
        return one_turn(self.loaded, user(frame(self.document.title, asked.question)), asked.answer)

    def _among_others(self) -> str:
        """The right passage among one or two others of the document, in reading order."""
        others = [i for i in self._short() if i != self.index]
        chosen = self.draw.sample(others, min(len(others), self.draw.randint(1, 2)))
        return MARKER.join(self.document.sections[i].text for i in sorted([*chosen, self.index]))

    def _truncated(self) -> str:
        """The first and the last section: what a short window shows of a long document."""
        short = self._short()
        ends = dict.fromkeys((short[0], short[-1]))
        return MARKER.join(self.document.sections[i].text for i in ends)

    def _short(self) -> list[int]:
        """The sections that are not too long to be read for an answer; this one is among them."""
        sections = self.document.sections
        return [i for i, one in enumerate(sections) if len(one.text) <= MOST_CHARACTERS]

    def _write(self) -> Sample:
        asked = self._questions()
        told = "\n".join(f"Question: {one.question}\nAnswer: {one.answer}" for one in asked)
        return one_turn(self.loaded, user(write_questions(self.section.text, len(asked))), told)

    def _evidence(self) -> Sample:
        """One question with the sentence that holds its answer; else questions without."""
        for asked in self.draw.sample(self.section.questions, len(self.section.questions)):
            evidence = self._proof(asked.answer)
            if evidence:
                told = f"Question: {asked.question}\nAnswer: {asked.answer}\nEvidence: {evidence}"
                return one_turn(self.loaded, user(write_with_evidence(self.section.text)), told)
        return self._write()

    def _proof(self, text: str) -> str:
        """The first sentence that has the words of `text` as whole words, or ""."""
        wanted = text.casefold().strip(" .")
        if not wanted:
            return ""
        words = re.compile(rf"(?<!{_INSIDE}){re.escape(wanted)}(?!{_INSIDE})")
        for span in sentences(self.section.text):
            sentence = span.of(self.section.text)
            if words.search(sentence.casefold()):
                return sentence
        return ""

    def _raw(self) -> Sample:
        text = f"{self.document.title}\n\n{self.section.text}"
        return window(self.loaded.tokenizer(text, add_special_tokens=False)["input_ids"])
