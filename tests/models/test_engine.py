from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lift_chat.adapters import lora
from lift_chat.errors import AdapterMismatch
from lift_chat.lift.lesson import tokenize
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.engine import Engine, FairLock
from lift_chat.models.loading import LoadedModel
from storage.records import Adapter
from tests.conftest import TALE

CONFIG = LiftConfig(rank=8, alpha=16)


def test_turns_are_granted_in_the_order_of_asking() -> None:
    lock, order, threads = FairLock(), [], []
    asked = [threading.Event() for _ in range(6)]

    def ask(number: int) -> None:
        asked[number].set()
        with lock.turn():
            order.append(number)

    with lock.turn():
        for number in range(6):
            thread = threading.Thread(target=ask, args=(number,))
            thread.start()
            asked[number].wait()
            while len(lock._waiting) <= number:  # until it really stands in line
                pass
            threads.append(thread)
    for thread in threads:
        thread.join()
    assert order == list(range(6))


def test_a_chat_gets_in_between_two_steps_of_a_loop_that_never_rests() -> None:
    lock, stop, steps, seen = FairLock(), threading.Event(), [0], []

    def train() -> None:
        while not stop.is_set():
            with lock.turn():
                steps[0] += 1

    thread = threading.Thread(target=train)
    thread.start()
    for _ in range(50):
        with lock.turn():
            seen.append(steps[0])
    stop.set()
    thread.join()
    assert len(seen) == 50


def test_an_error_in_a_turn_frees_the_device() -> None:
    lock = FairLock()
    with pytest.raises(ValueError), lock.turn():
        raise ValueError
    with lock.turn():
        pass


def adapter(tiny: LoadedModel, folder: Path, name: str = "a") -> Adapter:
    folder.mkdir(parents=True)
    adapted = lora.attach(tiny.twin(), CONFIG)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    lora.save(adapted, folder, tiny.identity)
    identity = tiny.identity
    return Adapter(
        id=name,
        owner="local",
        document_id="d",
        name=name,
        kind="lora",
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
