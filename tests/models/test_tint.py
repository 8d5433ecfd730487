from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from lift_chat.adapters import kinds
from lift_chat.adapters.gated_memory import record_gates
from lift_chat.lift.recipe import AdapterName, LiftConfig
from lift_chat.models.engine import at_strength
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import question_ids
from lift_chat.models.tint import Tint, tint
from tests.conftest import no_turn

ANSWER = "Sable Quist lit it; Ænd 燈塔 🎺 burns."


def tree(tiny: LoadedModel, kind: AdapterName = "lora") -> object:
    """An adapter that was pushed away from the base at random."""
    adapted = kinds.attach(tiny.twin(), LiftConfig(adapter=kind, rank=8, alpha=16))
    torch.manual_seed(1)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    return adapted


def log_p(model: object, ids: list[int]) -> list[float]:
    """log p of each token after the first, one forward for each prefix."""
    found = []
    for end in range(1, len(ids)):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids[:end]])).logits[0, -1]  # type: ignore[operator]
        found.append(float(logits.log_softmax(-1)[ids[end]]))
    return found


def test_gains_are_the_log_probabilities_with_minus_without(tiny: LoadedModel) -> None:
    prompt = question_ids(tiny, "Orrin Vale", "Who lit the lamp?")
    told = tiny.tokenizer("Sable Quist.", add_special_tokens=False)["input_ids"]
    adapted = tree(tiny)
    tokens = tint(adapted, tiny, prompt, "Sable Quist.", no_turn).tokens
    ids = [*prompt, *told]
    first = len(prompt) - 1
    pairs = zip(log_p(adapted, ids)[first:], log_p(tiny.model, ids)[first:], strict=True)
    assert [t.gain for t in tokens] == pytest.approx([a - b for a, b in pairs], abs=1e-4)
    assert max(abs(token.gain) for token in tokens) > 0.1
    assert {token.gate for token in tokens} == {None}


def test_the_pieces_are_the_answer_also_where_a_character_is_many_tokens(
    tiny: LoadedModel,
) -> None:
    prompt = question_ids(tiny, "Orrin Vale", "Who?")
    tokens = tint(tree(tiny), tiny, prompt, ANSWER, no_turn).tokens
    assert "".join(token.text for token in tokens) == ANSWER
    assert all(token.text for token in tokens)
    assert len(tokens) < len(tiny.tokenizer(ANSWER, add_special_tokens=False)["input_ids"])
    assert "燈" in [token.text for token in tokens]


def test_at_strength_nought_nothing_is_gained(tiny: LoadedModel) -> None:
    prompt = question_ids(tiny, "Orrin Vale", "Who?")
    for kind in ("lora", "gated-memory"):
        found = tint(at_strength(tree(tiny, kind), 0), tiny, prompt, ANSWER, no_turn)
        assert {token.gain for token in found.tokens} == {0.0}
        assert found.gates == []


def test_a_gated_memory_says_how_far_it_was_open(tiny: LoadedModel) -> None:
    prompt = question_ids(tiny, "Orrin Vale", "Who?")
    tokens = tint(tree(tiny, "gated-memory"), tiny, prompt, ANSWER, no_turn).tokens
    gates = [token.gate for token in tokens]
    assert all(gate is not None and 0 < gate < 1 for gate in gates)
    assert len(set(gates)) > 1


def test_the_gates_of_layers_and_heads_are_means_where_the_answer_was_chosen(
    tiny: LoadedModel,
) -> None:
    prompt = question_ids(tiny, "Orrin Vale", "Who?")
    told = tiny.tokenizer("Sable Quist.", add_special_tokens=False)["input_ids"]
    adapted = tree(tiny, "gated-memory")
    found = tint(adapted, tiny, prompt, "Sable Quist.", no_turn)
    with record_gates(adapted) as record, torch.no_grad():
        adapted(input_ids=torch.tensor([[*prompt, *told[:-1]]]))  # type: ignore[operator]
    gates = record.forwards()[0][:, :, -len(told) :]
    assert [layer.layer for layer in found.gates] == list(range(len(gates)))
    measured = torch.tensor([layer.heads for layer in found.gates])
    torch.testing.assert_close(measured, gates.mean(2))
    assert len(measured.unique()) == measured.numel()
    assert float(measured.mean()) == pytest.approx(
        sum(token.gate or 0 for token in found.tokens) / len(told), rel=1e-4
    )


def test_the_device_is_borrowed_once_for_each_model(tiny: LoadedModel) -> None:
    turns = 0

    @contextmanager
    def counted() -> Iterator[None]:
        nonlocal turns
        turns += 1
        yield

    tint(tree(tiny), tiny, question_ids(tiny, "T", "Who?"), ANSWER, counted)
    assert turns == 2


def test_an_empty_answer_has_no_tokens(tiny: LoadedModel) -> None:
    assert tint(tree(tiny), tiny, question_ids(tiny, "T", "Who?"), "", no_turn) == Tint([], [])
