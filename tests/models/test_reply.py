from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from transformers import GenerationConfig

from lift_chat.models.context import ChatSettings
from lift_chat.models.loading import LoadedModel
from lift_chat.models.reply import decode
from tests.conftest import TALE, no_turn

GREEDY = ChatSettings(max_new_tokens=24, repetition_penalty=1.0)


def ids_of(tiny: LoadedModel, text: str = TALE) -> list[int]:
    ids: list[int] = tiny.tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def answer(tiny: LoadedModel, settings: ChatSettings = GREEDY) -> str:
    return "".join(decode(tiny.model, tiny, ids_of(tiny), settings, no_turn))


def test_greedy_decoding_equals_the_models_own_generate(tiny: LoadedModel) -> None:
    prompt = torch.tensor([ids_of(tiny)])
    config = GenerationConfig(max_new_tokens=24, do_sample=False, pad_token_id=0, eos_token_id=0)
    theirs = tiny.model.generate(
        prompt, attention_mask=torch.ones_like(prompt), generation_config=config
    )
    expected = tiny.tokenizer.decode(theirs[0, prompt.shape[1] :], skip_special_tokens=True)
    assert answer(tiny) == expected.rstrip("\ufffd")


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(tiny: LoadedModel) -> None:
    hot = ChatSettings(max_new_tokens=24, temperature=1.5, top_p=0.95, seed=1)
    again = ChatSettings(max_new_tokens=24, temperature=1.5, top_p=0.95, seed=2)
    assert answer(tiny, hot) == answer(tiny, hot) != answer(tiny, again)


def test_closing_the_generator_stops_the_device(tiny: LoadedModel) -> None:
    turns = 0

    @contextmanager
    def counted() -> Iterator[None]:
        nonlocal turns
        turns += 1
        yield

    pieces = decode(tiny.model, tiny, ids_of(tiny), ChatSettings(max_new_tokens=500), counted)
    next(pieces)
    pieces.close()
    assert turns < 20
    at_close = turns
    with pytest.raises(StopIteration):
        next(pieces)
    assert turns == at_close


def test_an_unfinished_character_is_held_back(tiny: LoadedModel) -> None:
    pieces = list(decode(tiny.model, tiny, ids_of(tiny), ChatSettings(max_new_tokens=80), no_turn))
    assert pieces and all(pieces)
    assert not any(piece.endswith("\ufffd") for piece in pieces)
