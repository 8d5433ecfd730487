from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
from peft.utils import get_peft_model_state_dict

from lift_chat.errors import InvalidConfig
from lift_chat.lift.progress import ProgressEvent
from lift_chat.models.loading import LoadedModel
from lift_chat.reader import warmup
from lift_chat.reader.lessons import Asked, ReadingDocument, Section
from lift_chat.reader.warmup import SAID, Reader, WarmupConfig, warm_up
from tests.conftest import drained, no_turn
from tests.reader.conftest import DOCUMENTS

CONFIG = WarmupConfig(
    rank=8,
    alpha=16,
    learning_rate=5e-3,
    warmup_steps=2,
    passes=8,
    units_per_step=4,
    checkpoint_seconds=0.0,
)

Events = Generator[ProgressEvent, None, Reader]

pytestmark = pytest.mark.usefixtures("few_requests")


def begin(tiny: LoadedModel, folder: Path, **changes: Any) -> Events:
    config = replace(CONFIG, **changes)
    return warm_up(tiny, DOCUMENTS, config, turn=no_turn, folder=folder)


def finish(events: Events) -> tuple[list[ProgressEvent], Reader]:
    return drained(events)


def killed_after(events: Events, step: int) -> None:
    """Leaves the run as a kill does: nothing of it runs any more."""
    for event in events:
        if event.stage == "training" and event.step == step:
            break
    events.close()


def weights(reader: Reader) -> dict[str, torch.Tensor]:
    return get_peft_model_state_dict(reader.adapted)


def same(first: Reader, second: Reader) -> bool:
    left, right = weights(first), weights(second)
    return set(left) == set(right) and all(torch.equal(left[n], right[n]) for n in left)


def test_the_base_speaks_first_and_then_is_trained(
    tiny: LoadedModel, tmp_path: Path, few_requests: list[str]
) -> None:
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    events, reader = finish(begin(tiny, tmp_path))
    said = [event for event in events if event.stage == "writing"]
    trained = [event for event in events if event.stage == "training"]
    assert events == said + trained
    assert {event.total for event in said} == {len(few_requests)}
    assert [event.step for event in trained] == list(range(1, reader.steps + 1))
    assert reader.tokens == trained[-1].tokens > 0
    losses = [event.loss or 0.0 for event in trained]
    assert fmean(losses[-3:]) < fmean(losses[:3]) - 0.5
    assert all(torch.equal(before[n], t) for n, t in tiny.model.state_dict().items())


def test_a_killed_run_goes_on_to_the_same_adapter(tiny: LoadedModel, tmp_path: Path) -> None:
    _, whole = finish(begin(tiny, tmp_path / "whole"))
    for step in (1, 5):
        killed_after(begin(tiny, tmp_path / "killed"), step)
    events, resumed = finish(begin(tiny, tmp_path / "killed"))
    assert resumed.resumed_from == 5
    assert events[0].message == f"Going on after step 5 of {whole.steps}."
    assert {event.stage for event in events} == {"training"}
    assert same(whole, resumed)
    assert (resumed.steps, resumed.tokens) == (whole.steps, whole.tokens)


def test_a_finished_run_is_not_trained_again(tiny: LoadedModel, tmp_path: Path) -> None:
    _, first = finish(begin(tiny, tmp_path, checkpoint_seconds=1000.0))
    events, second = finish(begin(tiny, tmp_path, checkpoint_seconds=1000.0))
    assert [event.loss for event in events] == [None]
    assert same(first, second)


def test_without_what_was_said_the_base_speaks_again(tiny: LoadedModel, tmp_path: Path) -> None:
    killed_after(begin(tiny, tmp_path), 2)
    kept = (tmp_path / SAID).read_bytes()
    for spoiled in (None, b"{", b'{"base": "other", "said": []}', b'{"base": "", "said": [{}]}'):
        (tmp_path / SAID).unlink()
        if spoiled is not None:
            (tmp_path / SAID).write_bytes(spoiled)
        assert next(begin(tiny, tmp_path)).stage == "writing"
        killed_after(begin(tiny, tmp_path), 3)
        assert (tmp_path / SAID).read_bytes() == kept


@pytest.mark.parametrize("changes", [{"seed": 1}, {"passes": 6}, {"rank": 16}])
def test_another_recipe_starts_over(
    tiny: LoadedModel, tmp_path: Path, changes: dict[str, Any]
) -> None:
    killed_after(begin(tiny, tmp_path), 3)
    trained = (e for e in begin(tiny, tmp_path, **changes) if e.stage == "training")
    assert next(trained).step == 1


def test_other_documents_start_over(tiny: LoadedModel, tmp_path: Path) -> None:
    killed_after(begin(tiny, tmp_path), 3)
    renamed = [replace(DOCUMENTS[0], title="Another"), *DOCUMENTS[1:]]
    events = warm_up(tiny, renamed, CONFIG, turn=no_turn, folder=tmp_path)
    assert next(event for event in events if event.stage == "training").step == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rank": 12}, "rank must be one of"),
        ({"alpha": 0}, "alpha must lie"),
        ({"learning_rate": 0.5}, "learning_rate must lie"),
        ({"warmup_steps": -1}, "warmup_steps must lie"),
        ({"passes": 0}, "passes must lie"),
        ({"passes": float("nan")}, "passes must lie"),
        ({"units_per_step": 0}, "units_per_step must lie"),
        ({"most_tokens": 16}, "most_tokens must lie"),
        ({"seed": -1}, "seed must lie"),
        ({"checkpoint_seconds": -1.0}, "checkpoint_seconds must not"),
    ],
)
def test_a_recipe_out_of_range_is_refused(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidConfig, match=problem):
        WarmupConfig(**changes)


@pytest.mark.parametrize(
    "sections",
    [(), (Section("One.", ()),), (Section("It rained. " * 200, (Asked("Why?", "So"),)),)],
)
def test_documents_without_a_lesson_are_refused(
    tiny: LoadedModel, tmp_path: Path, sections: tuple[Section, ...]
) -> None:
    documents = [ReadingDocument("Nothing", sections)]
    with pytest.raises(InvalidConfig, match="nothing to train on"):
        next(warm_up(tiny, documents, CONFIG, turn=no_turn, folder=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_base_with_a_reader_gets_no_second_one(tiny: LoadedModel, tmp_path: Path) -> None:
    read = replace(tiny, identity=replace(tiny.identity, reader="tales"))
    with pytest.raises(InvalidConfig, match="a reader already"):
        next(warm_up(read, DOCUMENTS, CONFIG, turn=no_turn, folder=tmp_path))


def test_the_defaults_fill_the_device_as_absorbing_does() -> None:
    recipe = WarmupConfig().optimizing()
    assert recipe.segment_tokens * warmup.WINDOWS == WarmupConfig().most_tokens
    assert (recipe.rank, recipe.alpha, recipe.learning_rate) == (32, 64, 8e-4)
