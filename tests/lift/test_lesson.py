from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from lift_chat.adapters import lora
from lift_chat.errors import InvalidConfig
from lift_chat.lift.checkpoint import COMPLETE, FACTS, STATE
from lift_chat.lift.lesson import Lesson, probe_windows, tokenize
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.loading import LoadedModel
from tests.conftest import TALE, no_turn

CONFIG = LiftConfig(
    segment_tokens=64,
    stride_tokens=24,
    epochs=3,
    rank=8,
    alpha=16,
    learning_rate=5e-3,
    checkpoint_seconds=0.0,
)


def lesson(tiny: LoadedModel, folder: Path, config: LiftConfig = CONFIG, **more: Any) -> Lesson:
    folder.mkdir(exist_ok=True)
    return Lesson(tiny, TALE, config, folder=folder, turn=no_turn, **more)


def finished(run: Lesson) -> list[torch.Tensor]:
    for _ in run.run():
        pass
    return [master.clone() for master in run.state.optimizer.masters]


def run_until(run: Lesson, step: int) -> None:
    """Leaves the run without a word, as a kill does, after the checkpoint of `step`."""
    events = run.run()
    for event in events:
        if event.stage == "training" and event.step == step + 1:
            break


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(left, right) for left, right in zip(a, b, strict=True))


def test_a_run_measures_trains_and_measures_again(tiny: LoadedModel, tmp_path: Path) -> None:
    run = lesson(tiny, tmp_path / "run")
    stages = [event.stage for event in run.run()]
    assert list(dict.fromkeys(stages)) == ["before", "training", "after"]
    assert run.loss_after < run.loss_before - 0.5
    metrics = run.metrics()
    assert metrics["steps"] == metrics["planned_steps"] == run.state.total
    assert metrics["trained_tokens"] == 3 * 64 * len(run.state.windows)


@pytest.mark.parametrize("killed_at", [1, 5, 9])
def test_a_killed_run_goes_on_and_gives_the_very_same_adapter(
    tiny: LoadedModel, tmp_path: Path, killed_at: int
) -> None:
    undisturbed = finished(lesson(tiny, tmp_path / "calm"))
    run_until(lesson(tiny, tmp_path / "run"), killed_at)
    resumed = lesson(tiny, tmp_path / "run")
    assert same(finished(resumed), undisturbed)
    assert resumed.resumed_from == killed_at
    assert math.isfinite(resumed.loss_before)


@pytest.mark.parametrize("name", [STATE, FACTS, COMPLETE])
@pytest.mark.parametrize("how", ["truncated", "flipped", "gone"])
def test_a_damaged_newest_checkpoint_gives_way_to_the_one_before(
    tiny: LoadedModel, tmp_path: Path, name: str, how: str
) -> None:
    undisturbed = finished(lesson(tiny, tmp_path / "calm"))
    run_until(lesson(tiny, tmp_path / "run"), 5)
    path = tmp_path / "run" / "checkpoint-00000005" / name
    data = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data if how == "flipped" else data[: len(data) // 2])
    resumed = lesson(tiny, tmp_path / "run")
    assert same(finished(resumed), undisturbed)
    assert resumed.resumed_from == 4


def test_a_checkpoint_that_a_kill_left_half_written_does_not_count(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    run_until(lesson(tiny, tmp_path / "run"), 3)
    half = tmp_path / "run" / "checkpoint-00000099"
    half.mkdir()
    (half / STATE).write_bytes(b"half of it")
    resumed = lesson(tiny, tmp_path / "run")
    next(resumed.run())
    assert resumed.resumed_from == 3


@pytest.mark.parametrize("changed", [{"seed": 1}, {"epochs": 4}, {"learning_rate": 1e-3}])
def test_a_checkpoint_of_another_recipe_is_not_taken(
    tiny: LoadedModel, tmp_path: Path, changed: dict[str, Any]
) -> None:
    run_until(lesson(tiny, tmp_path / "run"), 3)
    other = lesson(tiny, tmp_path / "run", CONFIG.with_changes(**changed))
    next(other.run())
    assert other.resumed_from == 0


def test_two_checkpoints_are_kept(tiny: LoadedModel, tmp_path: Path) -> None:
    run_until(lesson(tiny, tmp_path / "run"), 6)
    kept = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert kept == ["checkpoint-00000005", "checkpoint-00000006"]


def test_each_checkpoint_is_reported(tiny: LoadedModel, tmp_path: Path) -> None:
    reports: list[int] = []
    run = lesson(tiny, tmp_path / "run", on_checkpoint=lambda: reports.append(1))
    finished(run)
    assert len(reports) == run.state.total


def test_the_published_files_answer_as_the_run_did(tiny: LoadedModel, tmp_path: Path) -> None:
    run = lesson(tiny, tmp_path / "run")
    finished(run)
    folder = tmp_path / "adapter"
    folder.mkdir()
    lora.save(run.adapted, folder, tiny.identity)
    ids = tokenize(tiny, TALE)[:, :50]
    with torch.no_grad():
        assert torch.equal(
            lora.load(tiny.twin(), folder)(ids).logits, run.adapted.eval()(ids).logits
        )


@pytest.mark.parametrize("text", ["", "."])
def test_a_text_of_less_than_two_tokens_is_refused(
    tiny: LoadedModel, tmp_path: Path, text: str
) -> None:
    with pytest.raises(InvalidConfig, match="too little text"):
        Lesson(tiny, text, CONFIG, folder=tmp_path, turn=no_turn)


def test_the_loss_is_probed_over_the_whole_length_with_bounded_work(tiny: LoadedModel) -> None:
    ids = torch.arange(64 * 100)[None]
    windows = probe_windows(ids, CONFIG)
    assert len(windows) == 8
    assert windows[0][0, 0] == 0 and windows[-1][0, -1] > 64 * 85
    assert len(probe_windows(ids[:, :100], CONFIG)) == 2
