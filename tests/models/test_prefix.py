from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from lift_chat.models.context import ChatSettings
from lift_chat.models.engine import Engine, at_strength
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prefix import CPU_PIECE, LEAST_PIECE, Prefix, cuts
from lift_chat.models.prompts import assistant, prompt_ids, user
from lift_chat.models.reply import decode
from tests.adapters.architectures import NAMES, build
from tests.conftest import TALE, no_turn
from tests.models.test_engine import adapter

SHORT = ChatSettings(max_new_tokens=8, repetition_penalty=1.0)
TREES = ("base", "lora", "gated-memory")
SLIDING = ("gemma2", "gemma3")

Turns = Sequence[tuple[str, str]]
"""What was asked and answered; the last question has no answer yet."""

CONVERSATION: list[Turns] = [
    [("Who lit the lamp?", "")],
    [("Who lit the lamp?", "Sable Quist lit it. " * 12), ("When did the oil freeze?", "")],
    [("Who lit the lamp?", "Sable Quist lit it. " * 12), ("When did the oil freeze?", "")],  # retry
    [("Who lit the lamp?", "Sable Quist lit it. " * 12), ("Who was Ilse Tarn?", "")],  # edit
    [("Who lit the lamp?", "Sable Quist."), ("And who was Ilse Tarn?", "")],  # an answer rewritten
    [("Who saw the light?", "")],  # begun anew
    [("Who lit the lamp?", "It was she. " * 25), ("When?", "On the ninth."), ("Why?", "")],
]


def prompt(tiny: LoadedModel, turns: Turns, document: str = TALE * 2) -> list[int]:
    """The document stands in the first user turn, as in a chat."""
    told = []
    for number, (question, answer) in enumerate(turns):
        told.append(user(f"{document}\n\n{question}" if number == 0 else question))
        told += [assistant(answer)] if answer else []
    return prompt_ids(tiny, told)


class Watched:
    """A tree that notes which places of the text it is given, and the logits it gives."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree
        self.read: list[range] = []
        self.logits: list[torch.Tensor] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tree, name)

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        start = inputs["past_key_values"].get_seq_length()
        output = self.tree(*args, **inputs)
        self.read.append(range(start, start + inputs["input_ids"].shape[1]))
        self.logits.append(output.logits)
        return output


@dataclass(frozen=True)
class Answer:
    text: str
    read: int
    """Tokens of the prompt that the model was given."""

    logits: list[torch.Tensor]
    """Those that the answer's tokens were chosen by."""


def ask(
    tree: Any,
    loaded: LoadedModel,
    ids: Sequence[int],
    prefix: Prefix | None = None,
    settings: ChatSettings = SHORT,
) -> Answer:
    watched = Watched(tree)
    text = "".join(decode(watched, loaded, ids, settings, no_turn, prefix))
    answering = [place.stop >= len(ids) for place in watched.read].index(True)
    read = sum(len(place) for place in watched.read if place.stop <= len(ids))
    return Answer(text, read, watched.logits[answering:])


def same(one: Answer, other: Answer) -> bool:
    """Bit for bit."""
    pairs = zip(one.logits, other.logits, strict=True)
    return one.text == other.text and all(torch.equal(a, b) for a, b in pairs)


def tree_of(tiny: LoadedModel, kind: Any, folder: Path) -> Any:
    if kind == "base":
        return tiny.model
    return Engine(lambda: tiny).adapted(
        adapter(tiny, folder / kind, kind=kind), lambda: folder / kind
    )


@pytest.mark.parametrize("kind", TREES)
def test_each_turn_is_answered_bit_for_bit_as_if_nothing_had_been_kept(
    tiny: LoadedModel, tmp_path: Path, kind: str
) -> None:
    tree, prefix = tree_of(tiny, kind, tmp_path), Prefix(tiny)
    prompts = [prompt(tiny, turns) for turns in CONVERSATION]
    kept = [ask(tree, tiny, ids, prefix) for ids in prompts]
    anew = [ask(tree, tiny, ids) for ids in prompts]
    assert all(map(same, kept, anew))
    assert [answer.read for answer in anew] == [len(ids) for ids in prompts]
    assert kept[0].read == len(prompts[0])
    assert all(
        answer.read <= len(ids) - CPU_PIECE
        for answer, ids in zip(kept[1:], prompts[1:], strict=True)
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_a_window_that_slides_keeps_nothing_and_every_other_decoder_the_same_bits(
    tiny: LoadedModel, name: str, dtype: torch.dtype
) -> None:
    loaded = replace(build(name, dtype), tokenizer=tiny.tokenizer)
    prefix = Prefix(loaded)
    for turns in CONVERSATION[:3]:
        ids = prompt(tiny, turns)
        kept = ask(loaded.model, loaded, ids, prefix)
        assert same(kept, ask(loaded.model, loaded, ids))
    assert (kept.read == len(ids)) == (name in SLIDING)


def test_a_sliding_window_that_is_not_full_yet_is_kept(tiny: LoadedModel) -> None:
    loaded = replace(build("gemma3"), tokenizer=tiny.tokenizer)
    loaded.model.config.sliding_window = 1000
    prefix = Prefix(loaded)
    ids = prompt(tiny, CONVERSATION[0])
    ask(loaded.model, loaded, ids, prefix)
    kept = ask(loaded.model, loaded, ids, prefix)
    assert kept.read < 64 and same(kept, ask(loaded.model, loaded, ids))


@pytest.mark.parametrize("kind", TREES)
def test_pieces_choose_the_tokens_that_reading_at_once_chooses(
    tiny: LoadedModel, tmp_path: Path, kind: str
) -> None:
    tree = tree_of(tiny, kind, tmp_path)
    settings = replace(SHORT, max_new_tokens=24)
    for turns in CONVERSATION:
        ids = torch.tensor([prompt(tiny, turns)])
        config = GenerationConfig(
            max_new_tokens=24, do_sample=False, pad_token_id=0, eos_token_id=0
        )
        whole = tree.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
        expected = tiny.tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)
        pieces = ask(tree, tiny, ids[0].tolist(), settings=settings)
        assert pieces.text == expected.rstrip("\ufffd")
        with torch.no_grad():
            at_once = tree(ids, logits_to_keep=1).logits
        # A matrix product of other shapes adds up in another order.
        torch.testing.assert_close(pieces.logits[0], at_once, rtol=1e-4, atol=1e-4)


def test_a_sample_with_the_same_seed_is_the_same_again(tiny: LoadedModel) -> None:
    hot, prefix = ChatSettings(max_new_tokens=12, temperature=1.5, seed=3), Prefix(tiny)
    ids = prompt(tiny, CONVERSATION[1])
    first, again = (ask(tiny.model, tiny, ids, prefix, hot) for _ in range(2))
    assert same(first, again) and again.read < first.read


def test_a_closed_reader_leaves_what_it_has_read(tiny: LoadedModel) -> None:
    prefix, ids = Prefix(tiny), prompt(tiny, CONVERSATION[1])
    pieces = decode(tiny.model, tiny, ids, SHORT, no_turn, prefix)
    next(pieces)
    pieces.close()
    kept = ask(tiny.model, tiny, ids, prefix)
    assert kept.read < LEAST_PIECE and same(kept, ask(tiny.model, tiny, ids))


class Failing(Watched):
    """Fails within a layer of its last piece, after the layers before it have written theirs."""

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        if self.read:
            layers = inputs["past_key_values"].layers
            layers[0].update(layers[0].keys[:, :, :5], layers[0].values[:, :, :5])
            raise MemoryError
        return super().__call__(*args, **inputs)


def test_after_an_error_nothing_half_written_is_kept(tiny: LoadedModel) -> None:
    prefix, ids = Prefix(tiny), prompt(tiny, CONVERSATION[1])
    with pytest.raises(MemoryError):
        list(decode(Failing(tiny.model), tiny, ids, SHORT, no_turn, prefix))
    kept = ask(tiny.model, tiny, ids, prefix)
    assert kept.read == len(ids) and same(kept, ask(tiny.model, tiny, ids))


def test_chats_at_once_do_not_disturb_each_other(tiny: LoadedModel) -> None:
    prefix = Prefix(tiny)
    prompts = [prompt(tiny, turns) for turns in CONVERSATION]
    alone = [ask(tiny.model, tiny, ids).text for ids in prompts]
    for _ in range(2):
        talks = [decode(tiny.model, tiny, ids, SHORT, no_turn, prefix) for ids in prompts]
        rounds = zip_longest(*talks, fillvalue="")
        assert ["".join(pieces) for pieces in zip(*rounds, strict=True)] == alone


def test_chats_in_threads_do_not_disturb_each_other(tiny: LoadedModel) -> None:
    engine = Engine(lambda: tiny)
    prompts = [prompt(tiny, turns) for turns in CONVERSATION]
    alone = [ask(tiny.model, tiny, ids).text for ids in prompts]
    heard: dict[int, list[str]] = {}

    def talk(number: int) -> None:
        order = prompts[number:] + prompts[:number]
        prefix = engine.prefix(engine.base.model)
        heard[number] = [
            "".join(decode(tiny.model, tiny, ids, SHORT, engine.turn, prefix)) for ids in order
        ]

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {n: alone[n:] + alone[:n] for n in range(3)}


def test_what_was_read_at_one_strength_is_not_used_at_another(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    tree, prefix = tree_of(tiny, "lora", tmp_path), Prefix(tiny)
    ids = prompt(tiny, CONVERSATION[0])
    for strength in (1.0, 0.5, 0.5, 1.0):
        settings, chosen = replace(SHORT, strength=strength), at_strength(tree, strength)
        kept = ask(chosen, tiny, ids, prefix, settings)
        assert same(kept, ask(chosen, tiny, ids, None, settings))


def test_where_memory_is_short_nothing_is_kept(tiny: LoadedModel) -> None:
    class Full(type(tiny.device)):  # type: ignore[misc]
        def free_memory(self) -> int:
            return 1000

    device = Full(tiny.device.kind, tiny.device.name, tiny.device.dtype)
    prefix, ids = Prefix(replace(tiny, device=device)), prompt(tiny, CONVERSATION[0])
    assert [ask(tiny.model, tiny, ids, prefix).read for _ in range(2)] == [len(ids)] * 2


@pytest.mark.parametrize("how", ["switched", "deleted", "forked"])
def test_what_was_read_goes_with_its_adapter(tiny: LoadedModel, tmp_path: Path, how: str) -> None:
    engine, ids = Engine(lambda: tiny), prompt(tiny, CONVERSATION[0])
    one, other = (adapter(tiny, tmp_path / name, name) for name in ("a", "b"))

    def read(made: Any) -> int:
        tree = engine.adapted(made, lambda: tmp_path / made.id)
        return ask(tree, tiny, ids, engine.prefix(tree)).read

    assert [read(one), read(one) < LEAST_PIECE] == [len(ids), True]
    before = engine.prefix(engine.adapted(one, lambda: tmp_path))
    if how == "switched":
        assert read(other) == len(ids)
    elif how == "deleted":
        engine.forget("a")
    else:
        engine.forked()
    assert read(one) == len(ids)
    if how != "forked":  # a chat that was under way ends without leaving anything behind
        assert [ask(tiny.model, tiny, ids, before).read for _ in range(2)] == [len(ids)] * 2


def test_where_a_piece_ends_is_decided_by_what_stands_before_it() -> None:
    draw = random.Random(0)
    for _ in range(50):
        ids = [draw.choice([0, *range(1, 40)]) for _ in range(draw.randint(2, 900))]
        length = draw.randint(1, len(ids) - 1)
        whole, part = cuts(ids, {0}, 256), cuts(ids[:length], {0}, 256)
        assert [end for end in whole if end < length] == part[:-1]
        assert (whole[-1], part[-1]) == (len(ids), length)
        sizes = [end - start for start, end in zip([0, *whole], whole, strict=False)]
        assert max(sizes) <= 256 and min(sizes) >= 1
