from __future__ import annotations

from typing import Any

import pytest
import torch
from tokenizers import AddedToken

from lift_chat.lift.samples import answer_ids
from lift_chat.models.batch import generate
from lift_chat.models.context import ChatSettings
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import question_ids
from lift_chat.models.reply import decode
from tests.conftest import no_turn, templated

GREEDY = ChatSettings(max_new_tokens=24, repetition_penalty=1.0)


@pytest.fixture
def prompt(tiny: LoadedModel) -> list[int]:
    return question_ids(tiny, "Orrin Vale", "Who lit the lamp?")


@pytest.fixture
def said(tiny: LoadedModel, prompt: list[int]) -> list[int]:
    """What the base says, by transformers' own decoding."""
    ids = torch.tensor([prompt])
    whole = tiny.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24
    )
    told: list[int] = whole[0, len(prompt) :].tolist()
    return told


@pytest.fixture
def ended(tiny: LoadedModel, said: list[int]) -> LoadedModel:
    """The base with a template that ends turns with a token that the base says in the middle, and
    that none of its own settings knows, as with some of Gemma's copies."""
    token = next(one for one in said[4:] if one not in said[:4])
    name = tiny.tokenizer.convert_ids_to_tokens(token)
    ended = templated(
        tiny,
        "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}" + name + "{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}",
    )
    ended.tokenizer.add_tokens([AddedToken(name, special=True)], special_tokens=True)
    assert ended.tokenizer.convert_tokens_to_ids(name) == token
    return ended


def test_a_reply_ends_where_the_template_ends_a_turn(
    tiny: LoadedModel, ended: LoadedModel, prompt: list[int], said: list[int]
) -> None:
    end = ended.ends.turn
    wanted = tiny.tokenizer.decode(said[: said.index(end)], skip_special_tokens=True)
    streamed = "".join(decode(ended.model, ended, prompt, GREEDY, no_turn))
    assert streamed == wanted.rstrip("\ufffd")  # half a character is not shown
    ((_, text),) = generate(ended.model, ended, [prompt], max_new_tokens=24, turn=no_turn)
    assert text == wanted.strip()
    assert len("".join(decode(tiny.model, tiny, prompt, GREEDY, no_turn))) > len(streamed)


def test_what_a_model_is_set_to_end_at_ends_a_reply_too(
    tiny: LoadedModel, ended: LoadedModel
) -> None:
    assert tiny.ends.stop == {tiny.ends.turn} == {tiny.tokenizer.eos_token_id}
    assert ended.ends.stop == {ended.ends.turn, tiny.tokenizer.eos_token_id}
    assert answer_ids(ended, "Sable Quist")[-1] == ended.ends.turn


def test_where_a_turn_ends_is_read_off_the_template_once(
    tiny: LoadedModel, prompt: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = templated(tiny, tiny.tokenizer.chat_template)
    template, read = loaded.tokenizer.apply_chat_template, []

    def watched(*args: Any, **options: Any) -> Any:
        read.append(options)
        return template(*args, **options)

    monkeypatch.setattr(loaded.tokenizer, "apply_chat_template", watched)
    for _ in range(3):
        list(decode(loaded.model, loaded, prompt, GREEDY, no_turn))
        list(generate(loaded.model, loaded, [prompt], max_new_tokens=4, turn=no_turn))
        answer_ids(loaded, "Sable Quist")
    assert len(read) == 2  # two answers, whose end is the same
