from __future__ import annotations

import pytest
import torch

from lift_chat.lift.absorption import absorption, answer_nll, row_sums, sample_losses
from lift_chat.lift.losses import CHUNK, IGNORE, FrozenHead
from lift_chat.lift.samples import Sample, answer_ids, window
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import question_ids
from tests.conftest import TALE, no_turn

ASKED = [
    ("Who kept the lamp?", "Sable Quist"),
    ("How many steps were there, and when were they climbed?", "Two hundred and eleven, daily"),
    ("What froze?", "Oil"),
]


def by_hand(tiny: LoadedModel, prompt: list[int], told: list[int]) -> float:
    """Alone in its batch, from the full logits of the model's own forward."""
    with torch.no_grad():
        logits = tiny.model(input_ids=torch.tensor([[*prompt, *told]])).logits[0].float()
    chances = logits.log_softmax(-1)
    places = range(len(prompt) - 1, len(prompt) + len(told) - 1)
    return -sum(float(chances[p, t]) for p, t in zip(places, told, strict=True)) / len(told)


@pytest.mark.parametrize("excerpt", ["", TALE])
def test_answers_cost_what_a_plain_forward_says_in_the_order_asked(
    tiny: LoadedModel, excerpt: str
) -> None:
    prompts = [question_ids(tiny, "Orrin Vale", question, excerpt) for question, _ in ASKED]
    measured = answer_nll(tiny.model, tiny, prompts, [gold for _, gold in ASKED], no_turn)
    plain = [
        by_hand(tiny, prompt, answer_ids(tiny, gold))
        for prompt, (_, gold) in zip(prompts, ASKED, strict=True)
    ]
    assert measured == pytest.approx(plain, rel=1e-4)
    assert len({round(loss, 3) for loss in measured}) == 3


def test_only_labelled_tokens_count(tiny: LoadedModel) -> None:
    ids = tuple(tiny.tokenizer(TALE, add_special_tokens=False)["input_ids"][:40])
    masked = Sample(ids, (*[IGNORE] * 30, *ids[30:]))
    losses = dict(sample_losses(tiny.model, tiny, [window(ids), masked], no_turn))
    assert losses[0] == pytest.approx(by_hand(tiny, list(ids[:1]), list(ids[1:])), rel=1e-4)
    assert losses[1] == pytest.approx(by_hand(tiny, list(ids[:30]), list(ids[30:])), rel=1e-4)


def test_rows_keep_their_sums_apart_across_chunks(tiny: LoadedModel) -> None:
    torch.manual_seed(2)
    hidden, labels = torch.randn(3, CHUNK["cpu"], 32), torch.randint(0, 300, (3, CHUNK["cpu"]))
    labels[1, ::2] = IGNORE
    labels[2] = IGNORE
    head = FrozenHead(tiny.model)
    alone = [float(head.nll(hidden[i : i + 1], labels[i : i + 1])) for i in range(3)]
    assert row_sums(head, hidden, labels) == pytest.approx(alone, rel=1e-5)
    assert alone[2] == 0 < alone[1] < alone[0]


def test_absorption_is_the_share_of_the_open_passages_gain() -> None:
    without, open_passage = [3.0, 5.0], [1.0, 1.0]
    assert absorption(without, without, open_passage) == 0
    assert absorption(without, open_passage, open_passage) == 1
    assert absorption(without, [2.0, 3.0], open_passage) == pytest.approx(0.5)
    assert absorption(without, [4.0, 7.0], open_passage) == pytest.approx(-0.5)


def test_a_passage_that_brings_nothing_leaves_absorption_open() -> None:
    assert absorption([2.0], [1.0], [1.96]) is None
    assert absorption([2.0], [1.0], [2.5]) is None
    assert absorption([2.0], [1.9], [1.9]) == pytest.approx(1)
    assert absorption([], [], []) is None
