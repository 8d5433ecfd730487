from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from lift_chat.adapters import kinds
from lift_chat.models.batch import generate
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
        if token in tiny.ends.stop:
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
    assert answers(replace(tiny), tiny.model) == [text(tiny, ids) for ids in cut]


def test_what_prompts_have_in_common_is_read_once(tiny: LoadedModel) -> None:
    asked = [question_ids(tiny, "Orrin Vale", question, TALE) for question, _ in ASKED]
    watched = Watched(tiny.model)
    told = dict(generate(watched, tiny, asked, max_new_tokens=MOST, turn=no_turn))
    assert [told[index] for index in range(len(asked))] == [
        text(tiny, alone(tiny, tiny.model, prompt)) for prompt in asked
    ]
    stem, rests = watched.shapes[:2]
    assert stem[0] == 1 and stem[1] > 0.8 * len(asked[0])
    assert rests == (len(asked), max(map(len, asked)) - stem[1])


class Watched:
    """A model that notes the shapes of what it is given."""

    def __init__(self, model: Any) -> None:
        self.model, self.shapes = model, list[tuple[int, ...]]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, **inputs: Any) -> Any:
        self.shapes.append(tuple(inputs["input_ids"].shape))
        return self.model(**inputs)
