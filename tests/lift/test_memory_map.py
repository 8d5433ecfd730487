from __future__ import annotations

import pytest
import torch

from lift_chat.lift.memory_map import PageLoss, combine, page_losses
from lift_chat.models.loading import LoadedModel
from storage.records import Page
from tests.conftest import TALE, no_turn


def pages(*texts: str) -> list[Page]:
    return [Page(i, f"p. {i}", 0, len(text), text) for i, text in enumerate(texts, 1)]


def plain(tiny: LoadedModel, text: str, most: int = 192) -> float:
    ids = torch.tensor([tiny.tokenizer(text, add_special_tokens=False)["input_ids"][:most]])
    with torch.no_grad():
        return float(tiny.model(input_ids=ids, labels=ids).loss)


def test_a_page_costs_what_a_plain_forward_says_however_it_is_batched(tiny: LoadedModel) -> None:
    texts = [TALE, TALE[:60], TALE[100:230]]
    losses = list(page_losses(tiny.model, tiny, pages(*texts), no_turn))
    assert {loss.label for loss in losses} == {"p. 1", "p. 2", "p. 3"}
    for loss in losses:
        assert loss.nats == pytest.approx(plain(tiny, texts[loss.page - 1]), rel=1e-4)


def test_a_long_page_is_represented_by_its_beginning(tiny: LoadedModel) -> None:
    book = pages(TALE * 50)
    (loss,) = page_losses(tiny.model, tiny, book, no_turn, most_tokens=48)
    assert loss.nats == pytest.approx(plain(tiny, TALE, 48), rel=1e-4)


def test_pages_without_anything_to_predict_are_skipped(tiny: LoadedModel) -> None:
    book = pages("", "  \n ", "q", TALE)
    assert [loss.page for loss in page_losses(tiny.model, tiny, book, no_turn)] == [4]
    assert not list(page_losses(tiny.model, tiny, book[:3], no_turn))


@pytest.mark.parametrize(
    ("most", "chosen"), [(5, [1, 3, 6, 9, 11]), (2, [1, 11]), (1, [1]), (11, list(range(1, 12)))]
)
def test_pages_are_chosen_evenly_from_first_to_last(
    tiny: LoadedModel, most: int, chosen: list[int]
) -> None:
    book = pages(*[TALE[i : i + 40] for i in range(11)])
    losses = page_losses(tiny.model, tiny, book, no_turn, most_pages=most)
    assert sorted(loss.page for loss in losses) == chosen


def test_both_sides_meet_page_by_page_in_the_books_order() -> None:
    before = [PageLoss(2, "ii", 3.21049), PageLoss(1, "i", 4.0), PageLoss(3, "iii", 1.0)]
    after = [PageLoss(1, "i", 2.0), PageLoss(2, "ii", 0.5)]
    assert combine(before, after) == [
        {"page": 1, "label": "i", "before": 4.0, "after": 2.0},
        {"page": 2, "label": "ii", "before": 3.21, "after": 0.5},
    ]
