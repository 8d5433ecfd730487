from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

import pytest
import torch

from lift_chat.adapters import kinds
from lift_chat.errors import AdapterMismatch
from lift_chat.lift.recipe import AdapterName, LiftConfig
from lift_chat.lift.tokens import tokenize
from lift_chat.models.context import ChatSettings
from lift_chat.models.engine import Engine, at_strength
from lift_chat.models.loading import LoadedModel
from lift_chat.models.reply import decode
from storage.records import Adapter
from tests.conftest import TALE

CONFIG = LiftConfig(rank=8, alpha=16)


def adapter(
    tiny: LoadedModel, folder: Path, name: str = "a", kind: AdapterName = "lora"
) -> Adapter:
    folder.mkdir(parents=True)
    adapted = kinds.attach(tiny.twin(), replace(CONFIG, adapter=kind))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    kinds.save(adapted, folder, tiny.identity)
    identity = tiny.identity
    return Adapter(
        id=name,
        owner="local",
        document_id="d",
        name=name,
        kind=kind,
        base_model=identity.name,
        base_revision=identity.revision,
        base_fingerprint=identity.fingerprint,
        recipe={},
        metrics={},
        tags=(),
        note="",
        bytes=0,
        state="ready",
        created_at="",
    )


@torch.no_grad()
def test_the_base_stays_bit_equal_while_adapters_come_and_go(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    engine = Engine(lambda: tiny)
    ids = tokenize(tiny, TALE)[:, :40]
    never_adapted = tiny.twin()(ids).logits
    for name in ("a", "b"):
        made = adapter(tiny, tmp_path / name, name)
        tree = engine.adapted(made, lambda name=name: tmp_path / name)  # type: ignore[misc]
        assert not torch.equal(tree(ids).logits, never_adapted)
        assert torch.equal(engine.base.model(ids).logits, never_adapted)
    engine.forget("b")
    assert torch.equal(engine.base.model(ids).logits, never_adapted)


def test_files_are_read_once_per_switch(tiny: LoadedModel, tmp_path: Path) -> None:
    engine, asked = Engine(lambda: tiny), []
    made = adapter(tiny, tmp_path / "a")

    def folder() -> Path:
        asked.append(1)
        return tmp_path / "a"

    first = engine.adapted(made, folder)
    assert engine.adapted(made, folder) is first and len(asked) == 1


@pytest.mark.parametrize("kind", ["lora", "gated-memory"])
@torch.no_grad()
def test_at_strength_nought_the_tree_is_exactly_the_base(
    tiny: LoadedModel, tmp_path: Path, kind: AdapterName
) -> None:
    made = adapter(tiny, tmp_path / "a", kind=kind)
    tree = Engine(lambda: tiny).adapted(made, lambda: tmp_path / "a")
    ids = tokenize(tiny, TALE)[:, :40]
    base, full = tiny.model(ids).logits, tree(ids).logits
    assert torch.equal(at_strength(tree, 0)(ids).logits, base)
    half, more = at_strength(tree, 0.5)(ids).logits, at_strength(tree, 1.5)(ids).logits
    assert len({tuple(x.flatten().tolist()) for x in (base, half, full, more)}) == 4
    assert at_strength(tree, 1) is tree


def test_chats_at_different_strengths_do_not_disturb_each_other(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    engine = Engine(lambda: tiny)
    tree = engine.adapted(adapter(tiny, tmp_path / "a"), lambda: tmp_path / "a")
    prompt = tokenize(tiny, TALE)[0, :40].tolist()
    settings = [ChatSettings(strength=s, max_new_tokens=12) for s in (0.0, 0.5, 1.0, 1.5)]

    def answering(chosen: ChatSettings) -> Iterator[str]:
        return decode(at_strength(tree, chosen.strength), tiny, prompt, chosen, engine.turn)

    alone = ["".join(answering(chosen)) for chosen in settings]
    rounds = zip_longest(*map(answering, settings), fillvalue="")
    together = ["".join(pieces) for pieces in zip(*rounds, strict=True)]
    assert together == alone
    assert alone[0] == "".join(decode(tiny.model, tiny, prompt, settings[0], engine.turn))
    assert len(set(alone)) > 2


def test_after_an_error_at_another_strength_the_tree_is_as_trained(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    tree = Engine(lambda: tiny).adapted(adapter(tiny, tmp_path / "a"), lambda: tmp_path / "a")
    ids = tokenize(tiny, TALE)[:, :40]
    with torch.no_grad():
        before = tree(ids).logits
        with pytest.raises(IndexError):
            at_strength(tree, 0.5)(ids + 1_000_000)
        assert torch.equal(tree(ids).logits, before)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"base_model": "Other-7B"}, "was made for Other-7B"),
        ({"base_revision": "abc"}, "another version of tiny"),
    ],
)
def test_an_adapter_of_another_base_is_refused_with_one_sentence(
    tiny: LoadedModel, tmp_path: Path, changes: dict[str, str], sentence: str
) -> None:
    made = replace(adapter(tiny, tmp_path / "a"), base_fingerprint="0" * 64, **changes)
    with pytest.raises(AdapterMismatch, match=sentence):
        Engine(lambda: tiny).adapted(made, lambda: tmp_path / "a")
