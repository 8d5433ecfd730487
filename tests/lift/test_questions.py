from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
import torch

from lift_chat.lift.batching import Unit
from lift_chat.lift.losses import IGNORE, Soft
from lift_chat.lift.passages import passages, sentences
from lift_chat.lift.questions import (
    BEHIND_ONE,
    ENDS_TOKENS,
    LARGEST_UNIT,
    MOST_OPEN,
    OTHERS,
    QuestionSamples,
    Taught,
    places_of,
    units_of,
)
from lift_chat.lift.samples import Sample, answer_ids
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import MARKER, question_ids
from storage.records import StudyItem
from tests.conftest import TALE, facts

TITLE = "Orrin Vale"
PLACES = sentences(TALE)


def soft(tiny: LoadedModel, item: StudyItem) -> Soft:
    """A teacher whose first choice at each position is the answer's own token."""
    ids = torch.tensor(answer_ids(tiny, item.answer))
    return Soft(torch.stack([ids, (ids + 1) % 300], dim=1), torch.zeros(len(ids), 2))


def questions(
    tiny: LoadedModel, items: list[StudyItem] | None = None, *, taught: bool = False
) -> QuestionSamples:
    items = facts() if items is None else items
    told = [Taught(item, soft(tiny, item) if taught else None) for item in items]
    spans = passages(tiny.tokenizer, TALE, 40)
    assert len(spans) == 4
    return QuestionSamples(tiny, TITLE, TALE, spans, told)


def units(made: QuestionSamples, share: float, seed: int = 0) -> list[Unit]:
    bundles = made.openings(share, random.Random(seed))
    return [made.opened(bundle, seed + number) for number, bundle in enumerate(bundles)]


def opened(made: QuestionSamples, share: float, seed: int = 0) -> list[Sample]:
    return [sample for unit in units(made, share, seed) for sample in unit]


def told(tiny: LoadedModel, sample: Sample) -> list[str]:
    """The answers that a sample teaches."""
    ids = [label for label in sample.labels if label != IGNORE]
    return str(tiny.tokenizer.decode(ids)).split("<end>")[:-1]


def shown(tiny: LoadedModel, sample: Sample) -> str:
    return str(tiny.tokenizer.decode(sample.ids)).split("\n\n")[0].removeprefix("<user>")


def test_no_number_of_questions_makes_a_unit_larger_than_the_largest() -> None:
    """Nor one that is less than half of another."""
    sizes = [[len(unit) for unit in units_of(range(count))] for count in range(1, 200)]
    assert max(map(max, sizes)) == LARGEST_UNIT
    assert all(max(found) - min(found) <= 1 for found in sizes)
    assert [sum(found) for found in sizes] == list(range(1, 200))


def test_closed_questions_are_asked_in_the_prompt_of_chat_and_teach_the_answer(
    tiny: LoadedModel,
) -> None:
    made = questions(tiny)
    for index, item in enumerate(facts()):
        sample = made.closed(index)
        prompt = question_ids(tiny, TITLE, item.question)
        assert list(sample.ids[: len(prompt)]) == prompt
        assert told(tiny, sample) == [item.answer] and sample.soft is None


def test_all_questions_come_once_in_the_order_of_the_document(tiny: LoadedModel) -> None:
    answers = [told(tiny, s) for unit in questions(tiny).in_order() for s in unit]
    assert answers == [[item.answer] for item in facts()]


def test_a_share_of_zero_opens_nothing(tiny: LoadedModel) -> None:
    assert opened(questions(tiny), 0.0) == []


@pytest.mark.parametrize(("share", "often"), [(0.5, 4), (1.0, 8), (1.5, 12), (2.0, 16)])
def test_the_share_says_how_many_questions_are_asked_behind_a_text(
    tiny: LoadedModel, share: float, often: int
) -> None:
    answers = Counter(a for s in opened(questions(tiny), share) for a in told(tiny, s))
    assert answers.total() == often
    assert max(answers.values()) == -(-often // 8)


def test_which_questions_are_opened_is_drawn(tiny: LoadedModel) -> None:
    made = questions(tiny)
    drawn = {
        tuple(sorted(a for s in opened(made, 0.5, seed) for a in told(tiny, s)))
        for seed in range(6)
    }
    assert len(drawn) > 1


@pytest.mark.parametrize("kind", ["fact", "sentence"])
def test_a_question_is_opened_behind_the_passage_that_answers_it(
    tiny: LoadedModel, kind: str
) -> None:
    """A question about a sentence carries the text before it, which answers nothing."""
    items = facts()
    if kind == "sentence":
        items = [
            replace(item, start=0, kind=kind, evidence=TALE[item.start : item.end].strip())
            for item in items
        ]
    places = {item.answer: TALE[item.start : item.end].strip() for item in facts()}
    numbers = Counter[int]()
    for seed in range(8):
        for sample in opened(questions(tiny, items), 1.0, seed):
            excerpt = shown(tiny, sample)
            for text in told(tiny, sample):
                assert places[text] in excerpt
            pieces = excerpt.split(MARKER)
            assert all(piece in places.values() for piece in pieces)
            numbers[len(pieces)] += 1
    assert set(numbers) == {1, 2, 1 + OTHERS}


def test_a_question_over_two_passages_is_opened_behind_both(tiny: LoadedModel) -> None:
    item = StudyItem("Who burned what?", "Sable letters", 0, PLACES[3].end, kind="two-passages")
    for seed in range(4):
        (sample,) = opened(questions(tiny, [item]), 1.0, seed)
        assert PLACES[0].of(TALE) in shown(tiny, sample)
        assert PLACES[3].of(TALE) in shown(tiny, sample)
    assert places_of(item, TALE, PLACES) == (0, 3)
    assert places_of(replace(item, kind="summary"), TALE, PLACES) == (0, 1, 2, 3)


def test_a_question_about_the_whole_document_is_opened_behind_its_ends(tiny: LoadedModel) -> None:
    text = "".join(f"The keeper lit lamp {n} at dusk. " for n in range(30))
    spans = sentences(text)
    item = StudyItem("What is it about?", "Lamps lit at dusk", 0, len(text), kind="summary")
    made = QuestionSamples(tiny, TITLE, text, spans, [Taught(item)])
    for seed in range(4):
        (sample,) = opened(made, 1.0, seed)
        pieces = shown(tiny, sample).split(MARKER)
        assert MOST_OPEN <= len(pieces) <= MOST_OPEN + OTHERS
        assert "lamp 0 " in pieces[0] and "lamp 29 " in pieces[-1]


@pytest.mark.parametrize("taught", [True, False])
def test_any_question_is_asked_behind_head_and_tail_of_the_document(
    tiny: LoadedModel, taught: bool
) -> None:
    text = TALE + "".join(f"The keeper lit lamp {n} at dusk. " for n in range(60))
    told_by = [Taught(item, soft(tiny, item) if taught else None) for item in facts()]
    made = QuestionSamples(tiny, TITLE, text, sentences(text), told_by)
    heads = set()
    for seed in range(6):
        (group,) = made.endings(1.0, random.Random(seed))
        (sample,) = made.behind_ends(group, seed)
        assert sorted(told(tiny, sample)) == sorted(item.answer for item in facts())
        head, tail = shown(tiny, sample).split(MARKER)
        assert text.startswith(head) and text.rstrip().endswith(tail.rstrip())
        size = sum(len(tiny.tokenizer(part)["input_ids"]) for part in (head, tail))
        assert ENDS_TOKENS - 4 <= size <= ENDS_TOKENS
        heads.add(len(head))
        if taught:
            labels = [label for label in sample.labels if label != IGNORE]
            assert sample.soft is not None and sample.soft.tokens[:, 0].tolist() == labels
    assert len(heads) > 3 and made.endings(0.0, random.Random(0)) == []


def test_of_a_short_document_head_and_tail_show_each_word_once(tiny: LoadedModel) -> None:
    made = questions(tiny)
    for seed in range(6):
        (sample,) = made.behind_ends([0, 1], seed)
        whole = shown(tiny, sample).replace(MARKER, " ")
        assert "".join(whole.split()) == "".join(TALE.split())


def test_questions_about_one_passage_share_one_reading_of_it(tiny: LoadedModel) -> None:
    first = facts()[0]
    items = [replace(first, question=f"What is number {n}?", answer=f"No. {n}") for n in range(9)]
    samples = opened(questions(tiny, items), 1.0)
    sizes = sorted(len(told(tiny, sample)) for sample in samples)
    assert sizes == [1, BEHIND_ONE, BEHIND_ONE]
    for sample in samples:
        assert tiny.tokenizer.decode(sample.ids).count(PLACES[0].of(TALE)) == 1


def test_each_teachers_row_stands_at_the_position_that_it_speaks_of(tiny: LoadedModel) -> None:
    made = questions(tiny, taught=True)
    samples = [made.closed(index) for index in range(len(made))]
    samples += [sample for seed in range(3) for sample in opened(made, 1.0, seed)]
    assert max(len(told(tiny, sample)) for sample in samples) > 1
    for sample in samples:
        assert sample.soft is not None
        labels = [label for label in sample.labels if label != IGNORE]
        assert sample.soft.tokens[:, 0].tolist() == labels
        assert len(sample.soft.logprobs) == sample.labelled


def test_one_without_a_teacher_leaves_the_others_of_its_group_theirs(tiny: LoadedModel) -> None:
    first = facts()[0]
    items = [replace(first, question=f"What is number {n}?", answer=f"No. {n}") for n in range(4)]
    taught = [Taught(item, soft(tiny, item) if n != 2 else None) for n, item in enumerate(items)]
    made = QuestionSamples(tiny, TITLE, TALE, PLACES, taught)
    (with_teacher, without) = opened(made, 1.0)
    assert sorted(told(tiny, with_teacher)) == ["No. 0", "No. 1", "No. 3"]
    assert with_teacher.soft is not None
    assert len(with_teacher.soft.tokens) == with_teacher.labelled
    assert told(tiny, without) == ["No. 2"] and without.soft is None
    (_, alone) = made.behind_ends([0, 1, 2], 0)
    assert told(tiny, alone) == ["No. 2"] and alone.soft is None


def test_a_teacher_that_does_not_fit_its_answer_gives_way_to_the_answers_words(
    tiny: LoadedModel,
) -> None:
    items = facts()[:2]
    short = Soft(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2))
    taught = [Taught(items[0], soft(tiny, items[0])), Taught(items[1], short)]
    made = QuestionSamples(tiny, TITLE, TALE, PLACES, taught)
    assert made.closed(0).soft is not None and made.closed(1).soft is None
    for sample in opened(made, 1.0):
        rows = None if sample.soft is None else len(sample.soft.tokens)
        assert rows in (None, sample.labelled)
        assert set(told(tiny, sample)) <= {items[0].answer, items[1].answer}


def test_the_same_draw_gives_the_same_samples_again(tiny: LoadedModel) -> None:
    first, again = questions(tiny), questions(tiny)
    assert opened(first, 1.0, 5) == opened(again, 1.0, 5)
    assert opened(first, 1.0, 5) != opened(first, 1.0, 6)
