from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from lift_chat.lift.batching import Unit
from lift_chat.lift.losses import IGNORE
from lift_chat.lift.samples import Sample
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import (
    MARKER,
    frame,
    prompt_ids,
    question_ids,
    user,
    write_questions,
    write_with_evidence,
)
from lift_chat.reader import lessons
from lift_chat.reader.lessons import Asked, ReaderPlan, ReadingDocument, Said, Section
from tests.reader.conftest import DOCUMENTS, LAMP, SHIP

OfKind = Callable[..., list[Sample]]

SAID = [Said("Hello!", "Good evening."), Said("What is rain?", "Water that falls.")]
HELD = [section for document in DOCUMENTS for section in document.sections if section.questions]
TITLES = {section.text: d.title for d in DOCUMENTS for section in d.sections}


def plan_of(
    tiny: LoadedModel,
    *,
    documents: list[ReadingDocument] = DOCUMENTS,
    passes: float = 4,
    seed: int = 0,
    said: list[Said] = SAID,
) -> ReaderPlan:
    return ReaderPlan(tiny, documents, said, passes=passes, units_per_step=5, seed=seed)


def units(plan: ReaderPlan) -> list[Unit]:
    return [unit for step in range(plan.steps) for unit in plan.units(step)]


def spoken(tiny: LoadedModel, sample: Sample) -> list[str]:
    """The runs of tokens that are learned, each as text."""
    known = [label != IGNORE for label in sample.labels]
    edges = [0, *(i for i in range(1, len(known)) if known[i] != known[i - 1]), len(known)]
    return [tiny.tokenizer.decode(list(sample.ids[a:b])) for a, b in pairwise(edges) if known[a]]


def prompt_of(tiny: LoadedModel, sample: Sample) -> str:
    """What stands before the first token that is learned."""
    first = next(i for i, label in enumerate(sample.labels) if label != IGNORE)
    return str(tiny.tokenizer.decode(list(sample.ids[:first])))


def text_of(tiny: LoadedModel, ids: list[int]) -> str:
    return str(tiny.tokenizer.decode(ids))


def asked_about(tiny: LoadedModel, sample: Sample, excerpt: str, section: Section) -> bool:
    """Whether the sample asks the section's questions behind `excerpt`, and answers them."""
    answers = {asked.question: asked.answer for asked in section.questions}
    title = TITLES[section.text]
    first = [
        question
        for question in answers
        if prompt_of(tiny, sample)
        == text_of(tiny, prompt_ids(tiny, [user(frame(title, question, excerpt))]))
    ]
    whole = text_of(tiny, list(sample.ids))
    order = sorted((question for question in answers if question in whole), key=whole.index)
    return (
        order[:1] == first
        and len(order) == len(answers)
        and spoken(tiny, sample) == [f"{answers[question]}<end>" for question in order]
    )


@pytest.fixture
def of_kind(tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> OfKind:
    """The first sample of every unit, when all units are of one kind."""

    def made(kind: str, documents: list[ReadingDocument] = DOCUMENTS) -> list[Sample]:
        monkeypatch.setattr(lessons, "SHARES", {kind: 1.0})
        return [unit[0] for unit in units(plan_of(tiny, documents=documents))]

    return made


def test_a_step_is_the_same_at_every_call_and_another_with_another_seed(tiny: LoadedModel) -> None:
    one, same, other = plan_of(tiny), plan_of(tiny), plan_of(tiny, seed=1)
    assert one.steps == 4 * len(HELD) // 5
    late = one.units(one.steps - 1)
    assert [one.units(step) for step in range(one.steps)] == [
        same.units(step) for step in range(one.steps)
    ]
    assert same.units(one.steps - 1) == late
    assert units(other) != units(one)
    assert one.units(0) != one.units(1)


def test_each_section_with_questions_has_one_turn_in_a_pass(
    tiny: LoadedModel, of_kind: OfKind
) -> None:
    samples = of_kind("passage")
    for start in range(0, len(samples) - len(HELD) + 1, len(HELD)):
        turn = samples[start : start + len(HELD)]
        seen = Counter(
            next(s.text for s in HELD if asked_about(tiny, sample, s.text, s)) for sample in turn
        )
        assert seen == Counter(section.text for section in HELD)


def test_passages_are_read_among_others_in_the_order_of_the_document(
    tiny: LoadedModel, of_kind: OfKind
) -> None:
    excerpts = {
        section.text: [
            MARKER.join(s.text for s in chosen)
            for chosen in _runs(document)
            if section in chosen and len(chosen) > 1
        ]
        for document in DOCUMENTS
        for section in document.sections
    }
    for sample in of_kind("among others"):
        assert any(
            asked_about(tiny, sample, excerpt, section)
            for section in HELD
            for excerpt in excerpts[section.text]
        )


def _runs(document: ReadingDocument) -> list[list[Section]]:
    """All choices of one to three sections, each in reading order."""
    count = len(document.sections)
    masks = [[i for i in range(count) if mask >> i & 1] for mask in range(1, 2**count)]
    return [[document.sections[i] for i in places] for places in masks if len(places) <= 3]


def test_a_truncated_document_shows_its_first_and_last_section(
    tiny: LoadedModel, of_kind: OfKind
) -> None:
    ends = {d.title: MARKER.join([d.sections[0].text, d.sections[-1].text]) for d in DOCUMENTS}
    for sample in of_kind("truncated"):
        assert any(
            asked_about(tiny, sample, ends[TITLES[section.text]], section) for section in HELD
        )


def test_questions_are_written_as_absorbing_asks_for_them(
    tiny: LoadedModel, of_kind: OfKind
) -> None:
    for sample in of_kind("write"):
        section = next(s for s in HELD if s.text in prompt_of(tiny, sample))
        request = user(write_questions(section.text, len(section.questions)))
        assert prompt_of(tiny, sample) == text_of(tiny, prompt_ids(tiny, [request]))
        (told,) = spoken(tiny, sample)
        pairs = told.removesuffix("<end>").split("\nQuestion: ")
        assert {pair.removeprefix("Question: ") for pair in pairs} == {
            f"{asked.question}\nAnswer: {asked.answer}" for asked in section.questions
        }


def test_evidence_is_a_sentence_of_the_passage_that_has_the_answer(
    tiny: LoadedModel, of_kind: OfKind
) -> None:
    for sample in of_kind("evidence"):
        section = next(s for s in HELD if s.text in prompt_of(tiny, sample))
        request = prompt_ids(tiny, [user(write_with_evidence(section.text))])
        assert prompt_of(tiny, sample) == text_of(tiny, request)
        (told,) = spoken(tiny, sample)
        question, answer, evidence = told.removesuffix("<end>").splitlines()
        asked = Asked(question.removeprefix("Question: "), answer.removeprefix("Answer: "))
        assert asked in section.questions
        sentence = evidence.removeprefix("Evidence: ")
        assert sentence in section.text and sentence.endswith(".") and asked.answer in sentence
        assert sentence.count(".") == 1


def test_where_nothing_proves_an_answer_questions_are_written_without(
    tiny: LoadedModel, of_kind: OfKind
) -> None:
    section = Section("The oil froze.", (Asked("Was it cold?", "Yes"),))
    (told,) = {
        tuple(spoken(tiny, sample))
        for sample in of_kind("evidence", [ReadingDocument("Frost", (section,))])
    }
    assert told == ("Question: Was it cold?\nAnswer: Yes<end>",)


@pytest.mark.parametrize(
    ("answer", "first", "second"),
    [
        ("ant", "Constant want made him sly.", "The ant, he said, was late."),
        ("An Ant.", "He saw an anthill and an Anton.", "He saw an ant."),
        ("3", "There were 13 or 30 of them.", "Of these 3 were left."),
        ("$5 (gold)", "It was $5 (goldish) at most.", "He paid $5 (gold)."),
        ("king", "The kingdom was large.", "It was the king's."),
        ("渡船", "船在水上。", "他坐渡船来了。"),
    ],
)
def test_an_answer_is_proved_by_its_whole_words(
    tiny: LoadedModel, of_kind: OfKind, answer: str, first: str, second: str
) -> None:
    section = Section(f"{first} {second}", (Asked("Who was it?", answer),))
    (told,) = {
        told
        for sample in of_kind("evidence", [ReadingDocument("Ants", (section,))])
        for told in spoken(tiny, sample)
    }
    assert told == f"Question: Who was it?\nAnswer: {answer}\nEvidence: {second}<end>"


def test_raw_text_is_learned_from_its_first_token(tiny: LoadedModel, of_kind: OfKind) -> None:
    texts = {f"{TITLES[section.text]}\n\n{section.text}" for section in HELD}
    for sample in of_kind("raw"):
        assert sample.labels == sample.ids
        assert text_of(tiny, list(sample.ids)) in texts


def test_what_the_base_said_is_said_again(tiny: LoadedModel, of_kind: OfKind) -> None:
    pairs = {
        (text_of(tiny, prompt_ids(tiny, [user(one.prompt)])), f"{one.reply}<end>") for one in SAID
    }
    samples = of_kind("chat")
    assert {(prompt_of(tiny, s), *spoken(tiny, s)) for s in samples} == pairs


def test_half_of_the_turns_are_followed_by_a_question_from_weights_alone(
    tiny: LoadedModel,
) -> None:
    closed = {
        text_of(tiny, question_ids(tiny, TITLES[section.text], asked.question)): asked.answer
        for section in HELD
        for asked in section.questions
    }
    found = units(plan_of(tiny, passes=40, said=[]))
    pairs = [unit for unit in found if len(unit) == 2]
    assert 0.4 < len(pairs) / len(found) < 0.6
    for _, sample in pairs:
        assert spoken(tiny, sample) == [f"{closed[prompt_of(tiny, sample)]}<end>"]


def test_sections_that_are_too_long_have_no_turn(tiny: LoadedModel, of_kind: OfKind) -> None:
    long = Section("It rained. " * 200, (Asked("Did it rain?", "Yes"),))
    document = ReadingDocument("Rain", (long, SHIP.sections[0]))
    for sample in of_kind("passage", [document]):
        assert SHIP.sections[0].text in prompt_of(tiny, sample)
        assert "It rained." not in prompt_of(tiny, sample)


@pytest.mark.parametrize("kind", ["among others", "truncated"])
def test_sections_that_are_too_long_are_not_opened_beside_others(
    tiny: LoadedModel, of_kind: OfKind, kind: str
) -> None:
    long = Section("It rained. " * 200, ())
    document = ReadingDocument("Rain", (long, *SHIP.sections, long))
    samples = of_kind(kind, [document])
    assert samples
    for sample in samples:
        read = prompt_of(tiny, sample)
        assert "It rained." not in read
        assert all(section.text in read for section in SHIP.sections)


@pytest.mark.parametrize("kind", ["among others", "truncated"])
def test_a_section_that_is_the_only_short_one_is_read_alone(
    tiny: LoadedModel, of_kind: OfKind, kind: str
) -> None:
    long, alone = Section("It rained. " * 200, ()), SHIP.sections[0]
    for sample in of_kind(kind, [ReadingDocument("The Gannet", (long, alone))]):
        assert asked_about(tiny, sample, alone.text, alone)


def test_all_kinds_come_up_in_a_plan(tiny: LoadedModel) -> None:
    samples = [sample for unit in units(plan_of(tiny, passes=40)) for sample in unit]
    prompts = "".join(text_of(tiny, list(sample.ids)) for sample in samples)
    for mark in ("Hello!", "Evidence: ", "questions about this text", MARKER, f"{LAMP.title}\n\n"):
        assert mark in prompts
