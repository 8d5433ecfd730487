from __future__ import annotations

from typing import Any

import pytest
import torch

from lift_chat.adapters import gated_memory
from lift_chat.adapters.gated_memory.fitting import PREFIX, observe
from lift_chat.adapters.gated_memory.injection import memories_of
from lift_chat.errors import InvalidConfig
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.loading import LoadedModel
from tests.adapters.architectures import HEADS, LAYERS, NAMES, WINDOW, build, logits, some_ids
from tests.conftest import no_turn

CONFIG = LiftConfig(adapter="gated-memory")
DOCUMENT, PROBE = some_ids(80, seed=1), some_ids(120, seed=2)


@pytest.fixture(scope="module", params=NAMES)
def base(request: pytest.FixtureRequest) -> LoadedModel:
    return build(request.param)


def distance(base: LoadedModel, adapted: Any) -> float:
    """KL in nats per token from the base with the document to `adapted` without it."""
    ids = torch.cat([PROBE[:, :PREFIX], DOCUMENT, PROBE[:, PREFIX:]], dim=1)
    wanted = logits(base.model, ids)[:, PREFIX + DOCUMENT.shape[1] :].log_softmax(-1)
    found = logits(adapted, PROBE)[:, PREFIX:].log_softmax(-1)
    return float((wanted.exp() * (wanted - found)).sum(-1).mean())


def test_the_split_of_attention_is_the_identity_that_the_memory_imitates(
    base: LoadedModel,
) -> None:
    adapted = gated_memory.attach(base.twin(), CONFIG)
    observed = observe(adapted, DOCUMENT, PROBE)
    assert len(observed) == LAYERS
    for seen in observed:
        assert seen.query.shape[:2] == (HEADS, PROBE.shape[1] - PREFIX)
        mixed = torch.lerp(seen.rest, seen.document, seen.share)
        torch.testing.assert_close(mixed, seen.output, atol=1e-4, rtol=1e-3)
    assert float(observed[-1].share.min()) > 0


def test_the_queries_are_those_that_the_memory_sees_without_the_document(
    base: LoadedModel,
) -> None:
    adapted = gated_memory.attach(base.twin(), CONFIG)
    first = memories_of(adapted)[0]
    seen: list[torch.Tensor] = []
    first.watcher = lambda attend, query, *others: seen.append(query[0])
    logits(adapted, PROBE)
    first.watcher = None
    observed = observe(adapted, DOCUMENT, PROBE)[0]
    torch.testing.assert_close(observed.query, seen[0][:, PREFIX:], atol=1e-4, rtol=1e-3)


def test_a_sliding_window_hides_the_document_from_what_lies_beyond_it() -> None:
    adapted = gated_memory.attach(build("gemma3").twin(), CONFIG)
    sliding, full, _ = observe(adapted, DOCUMENT, PROBE)
    assert bool((sliding.share[:, :8] > 0).all()) and not bool(sliding.share[:, 16:].any())
    assert not bool(sliding.document[:, 16:].any())
    assert bool((full.share > 0).all())


def test_fitting_brings_the_document_into_the_memory(base: LoadedModel) -> None:
    adapted = gated_memory.attach(base.twin(), CONFIG)
    before, told = distance(base, adapted), logits(base.model, PROBE)
    events = list(gated_memory.fit(adapted, DOCUMENT, PROBE, passes=40, turn=no_turn))
    assert [(event.layer, event.done) for event in events] == [
        (layer, done) for layer in range(1, LAYERS + 1) for done in range(1, 41)
    ]
    for layer in range(1, LAYERS + 1):
        losses = [event.loss for event in events if event.layer == layer]
        assert losses[-1] < 0.8 * losses[0]
    assert distance(base, adapted) < 0.7 * before
    assert torch.equal(logits(base.model, PROBE), told)


def test_mini_batches_cover_every_position_and_half_precision_is_fitted_too() -> None:
    base = build("llama", torch.bfloat16)
    adapted = gated_memory.attach(base.twin(), CONFIG)
    before = distance(base, adapted)
    events = gated_memory.fit(adapted, DOCUMENT, PROBE, passes=15, turn=no_turn, positions=50)
    assert len(list(events)) == 15 * LAYERS
    assert distance(base, adapted) < 0.7 * before


def test_closing_the_iterator_leaves_the_memory_as_after_the_last_event() -> None:
    adapted = gated_memory.attach(build("llama").twin(), CONFIG)
    events = gated_memory.fit(adapted, DOCUMENT, PROBE, passes=5, turn=no_turn)
    next(events)
    told = logits(adapted, PROBE)
    events.close()
    assert torch.equal(logits(adapted, PROBE), told)
    first, second, _ = memories_of(adapted)
    assert bool(first.scale.any()) and not bool(second.scale.any())


def test_what_does_not_fit_the_window_is_refused() -> None:
    adapted = gated_memory.attach(build("llama").twin(), CONFIG)
    with pytest.raises(InvalidConfig, match="exceed"):
        observe(adapted, some_ids(WINDOW), PROBE)
    with pytest.raises(InvalidConfig, match="longer than its prefix"):
        observe(adapted, DOCUMENT, PROBE[:, :PREFIX])
