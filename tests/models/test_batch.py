from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lift_chat.adapters import kinds
from lift_chat.models.batch import MOST_ROWS, batches, generate
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import question_ids
from tests.conftest import ASKED, QUICK, TALE, no_turn

MOST = 16


def prompts(tiny: LoadedModel) -> list[list[int]]:
    """Of very different lengths: some with the tale open, some without."""
    excerpts = ["", TALE, TALE[:90], "", TALE[:200], "", TALE[50:], ""]
    return [
        question_ids(tiny, "Orrin Vale", question, excerpt)
        for (question, _), excerpt in zip(ASKED, excerpts, strict=True)
    ]


def alone(tiny: LoadedModel, model: Any, prompt: list[int]) -> list[int]:
    """Greedy decoding by plain forward calls: no batch, no padding, no cache."""
    ids = list(prompt)
    for _ in range(MOST):
        with torch.no_grad():
            token = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
        if token in tiny.stop_ids():
            break
        ids.append(token)
    return ids[len(prompt) :]


def text(tiny: LoadedModel, ids: list[int]) -> str:
    return str(tiny.tokenizer.decode(ids, skip_special_tokens=True)).strip()


def answers(tiny: LoadedModel, model: Any, **more: Any) -> list[str]:
    asked = prompts(tiny)
    told = dict(generate(model, tiny, asked, max_new_tokens=MOST, turn=no_turn, **more))
    assert sorted(told) == list(range(len(asked)))
    return [told[index] for index in range(len(asked))]


@pytest.mark.parametrize("batch_tokens", [1, 600, 100_000])
def test_batched_answers_are_those_of_each_prompt_alone(
    tiny: LoadedModel, batch_tokens: int
) -> None:
    plain = [text(tiny, alone(tiny, tiny.model, prompt)) for prompt in prompts(tiny)]
    assert answers(tiny, tiny.model, batch_tokens=batch_tokens) == plain
    assert len(set(plain)) > 4


@pytest.mark.parametrize("kind", ["lora", "gated-memory"])
def test_padding_at_the_left_changes_no_answer_of_an_adapted_model(
    tiny: LoadedModel, kind: str
) -> None:
    adapted = kinds.attach(tiny.twin(), QUICK.with_changes(adapter=kind))
    torch.manual_seed(4)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.normal_(std=0.3)
    plain = [text(tiny, alone(tiny, adapted.eval(), prompt)) for prompt in prompts(tiny)]
    assert answers(tiny, adapted) == plain
    assert answers(tiny, tiny.model) != plain


def test_each_answer_ends_at_its_own_stop_token(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [alone(tiny, tiny.model, prompt) for prompt in prompts(tiny)]
    said = {token for ids in whole for token in ids}
    stop = next(t for t in sorted(said) if 0 < sum(t in ids for ids in whole) < len(whole))
    monkeypatch.setattr(tiny.model.generation_config, "eos_token_id", [0, stop])
    cut = [ids[: ids.index(stop)] if stop in ids else ids for ids in whole]
    assert answers(tiny, tiny.model) == [text(tiny, ids) for ids in cut]


@given(lengths=st.lists(st.integers(1, 500), max_size=90), most=st.integers(1, 2000))
def test_batches_hold_each_prompt_once_and_stay_within_their_tokens(
    lengths: list[int], most: int
) -> None:
    groups = batches(lengths, most)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        widest = max(lengths[index] for index in group)
        assert len(group) == 1 or (widest * len(group) <= most and len(group) <= MOST_ROWS)
