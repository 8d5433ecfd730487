from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from lift_chat.lift.samples import answer_ids
from lift_chat.lift.study import teacher
from lift_chat.lift.study.teacher import AGREEMENT, TOP, Checked, ask_back, open_passage
from lift_chat.models.batch import generate
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import MARKER, UNANSWERABLE, question_ids
from storage.records import StudyItem
from tests.conftest import TALE, no_turn

LONG = TALE + "".join(f"On day {day} nothing moved but the sea. " for day in range(60))
ITEMS = [
    StudyItem("Who lit the lamp?", "Sable Quist", 0, 200),
    StudyItem("What did the captain send every winter?", "a cask of honey", 200, len(TALE)),
    StudyItem("What froze?", "the oil", 130, 260),
    StudyItem("Who was Bram Oster?", UNANSWERABLE, 0, 90, kind="unanswerable"),
]


def heard(loaded: LoadedModel, items: list[StudyItem], text: str = TALE) -> list[Checked]:
    asked = ask_back(loaded.model, loaded, "A Tale", text, items, no_turn)
    return sorted(asked, key=lambda checked: checked.index)


@torch.no_grad()
def alone(loaded: LoadedModel, item: StudyItem, text: str = TALE) -> torch.Tensor:
    """(answer tokens, vocabulary) log-probabilities, from a plain pass over one item."""
    passage = text[item.start : item.end].strip()
    prompt = question_ids(loaded, "A Tale", item.question, passage)
    told = answer_ids(loaded, item.answer)
    logits = loaded.model(input_ids=torch.tensor([prompt + told])).logits[0]
    return logits[len(prompt) - 1 : -1].float().log_softmax(-1)


def test_a_padded_batch_hears_what_a_plain_pass_over_each_item_hears(tiny: LoadedModel) -> None:
    for item, checked in zip(ITEMS, heard(tiny, ITEMS), strict=True):
        expected = alone(tiny, item)
        told = torch.tensor(answer_ids(tiny, item.answer))
        nll = -expected.gather(-1, told[:, None]).mean()
        agreement = (expected.argmax(-1) == told).float().mean()
        assert checked.item is item
        assert checked.nll == pytest.approx(float(nll), abs=1e-4)
        assert checked.agreement == pytest.approx(float(agreement))
        if checked.soft is not None:
            top = expected.topk(TOP)
            assert checked.soft.tokens.dtype == torch.int64
            assert torch.equal(checked.soft.tokens, top.indices)
            assert torch.allclose(checked.soft.logprobs, top.values, atol=1e-4)


def test_batches_do_not_change_what_is_heard(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = heard(tiny, ITEMS)
    monkeypatch.setattr(teacher, "BATCH_TOKENS", 1)
    turns = 0

    @contextmanager
    def counted() -> Iterator[None]:
        nonlocal turns
        turns += 1
        yield

    apart = list(ask_back(tiny.model, tiny, "A Tale", TALE, ITEMS, counted))
    assert turns == len(ITEMS)
    for one in apart:
        assert one.nll == pytest.approx(together[one.index].nll, abs=1e-4)
        assert one.item is ITEMS[one.index]


def test_what_the_reader_says_itself_passes_and_what_it_would_not_say_fails(
    tiny: LoadedModel,
) -> None:
    questions = [f"What was burned on day {day}?" for day in range(40)]
    prompts = [question_ids(tiny, "A Tale", asked, TALE[:200].strip()) for asked in questions]
    replies = generate(tiny.model, tiny, prompts, max_new_tokens=2, turn=no_turn)
    # A random model says any bytes; its own words are those that survive as text.
    question, said = next(
        (questions[index], reply)
        for index, reply in replies
        if reply.isascii() and len(answer_ids(tiny, reply)) == 3
    )
    own, other = heard(
        tiny,
        [StudyItem(question, said, 0, 200), StudyItem(question, "zebra crossing", 0, 200)],
    )
    assert own.agreement >= AGREEMENT > other.agreement
    assert (own.passed, other.passed) == (True, False)
    assert own.nll < other.nll


def test_an_unanswerable_item_passes_and_teaches_nothing(tiny: LoadedModel) -> None:
    checked = heard(tiny, ITEMS)[3]
    assert checked.agreement < AGREEMENT
    assert checked.passed
    assert checked.soft is None


def test_a_stop_token_is_any_stop_token(tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    (before,) = heard(tiny, ITEMS[:1])
    last = int(alone(tiny, ITEMS[0])[-1].argmax())
    assert last not in tiny.ends.stop
    config = tiny.model.generation_config
    monkeypatch.setattr(config, "eos_token_id", [config.eos_token_id, last])
    (after,) = heard(replace(tiny), ITEMS[:1])
    tokens = len(answer_ids(tiny, ITEMS[0].answer))
    assert after.agreement == pytest.approx(before.agreement + 1 / tokens)


def test_a_passage_that_fits_is_open_whole(tiny: LoadedModel) -> None:
    item = StudyItem("?", "!", 3, len(TALE))
    assert open_passage(tiny, TALE, item, 400) == TALE[3:].strip()


def test_a_passage_that_is_too_long_loses_its_middle(tiny: LoadedModel) -> None:
    item = StudyItem("?", "!", 0, len(LONG))
    for room in (40, 41, 200):
        opened = open_passage(tiny, LONG, item, room)
        head, tail = opened.split(MARKER)
        assert LONG.startswith(head)
        assert LONG.strip().endswith(tail)
        tokens = [len(tiny.tokenizer(part)["input_ids"]) for part in (head, tail)]
        assert room - 4 <= sum(tokens) <= room
        assert abs(tokens[0] - tokens[1]) <= 3


def test_what_is_open_follows_the_window(tiny: LoadedModel) -> None:
    lengths: list[int] = []

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(tiny.model, name)

        def get_decoder(self) -> object:
            return self

        def __call__(self, **inputs: torch.Tensor) -> object:
            lengths.append(inputs["attention_mask"].shape[1])
            return tiny.model.get_decoder()(**inputs)

    item = StudyItem("Who lit the lamp?", "Sable Quist", 0, len(LONG))
    for room in (None, 100):
        list(ask_back(Watched(), tiny, "A Tale", LONG, [item], no_turn, room=room))
    (_, whole, _, part) = lengths  # each time the prompt but its end, then all
    assert 900 < whole <= tiny.window
    assert 100 < part < 250
