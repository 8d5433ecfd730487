"""How well each page of a document is known, before and after: the losses behind the page map.

A long page is represented by its beginning, read with nothing before it: what the map shows is
how expected the page's opening is to the model, not whether its facts can be told. The same
tokens are measured before and after, so the two are comparable on a page; pages among themselves
are not, as a table costs more than prose. Knows nothing of adapters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lift_chat.lift.absorption import sample_losses
from lift_chat.lift.samples import window
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from storage.records import Page

MOST_TOKENS = 192
"""Of a page that are read."""

MOST_CHARACTERS_PER_TOKEN = 32
"""A page is cut to this much text before it is tokenised: an unpaged document may be one page."""


@dataclass(frozen=True)
class PageLoss:
    """`nats` per token of the page's beginning; `page` is its number."""

    page: int
    label: str
    nats: float


def page_losses(
    model: Any,
    loaded: LoadedModel,
    pages: Sequence[Page],
    turn: Turn,
    *,
    most_pages: int = 64,
    most_tokens: int = MOST_TOKENS,
) -> Iterator[PageLoss]:
    """Yields the losses of at most `most_pages` evenly chosen pages, in no particular order.

    Of each page the first `most_tokens` tokens are read. Pages of fewer than two tokens have
    nothing to predict and are not chosen from. `model` is the base or a tree with an adapter.
    """
    read = [(page, _opening(loaded, page.text, most_tokens)) for page in pages]
    chosen = _evenly([(page, ids) for page, ids in read if len(ids) > 1], most_pages)
    samples = [window(ids) for _, ids in chosen]
    for index, nats in sample_losses(model, loaded, samples, turn):
        page = chosen[index][0]
        yield PageLoss(page.number, page.label, nats)


def combine(before: Iterable[PageLoss], after: Iterable[PageLoss]) -> list[dict[str, Any]]:
    """[{"page", "label", "before", "after"}] in the order of the pages; nats per token.

    A page that only one of the two sides has is left out.
    """
    later = {loss.page: loss.nats for loss in after}
    return [
        {
            "page": loss.page,
            "label": loss.label,
            "before": round(loss.nats, 3),
            "after": round(later[loss.page], 3),
        }
        for loss in sorted(before, key=lambda loss: loss.page)
        if loss.page in later
    ]


def _opening(loaded: LoadedModel, text: str, most: int) -> list[int]:
    start = text.lstrip()[: most * MOST_CHARACTERS_PER_TOKEN]
    ids: list[int] = loaded.tokenizer(start, add_special_tokens=False, verbose=False)["input_ids"]
    return ids[:most]


def _evenly(read: list[tuple[Page, list[int]]], most: int) -> list[tuple[Page, list[int]]]:
    """At most `most` of them at equal distances, the first and the last among them."""
    if len(read) <= most:
        return read
    step = (len(read) - 1) / max(1, most - 1)
    return [read[round(place * step)] for place in range(most)]
