from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch

from benchmarks.command import command
from benchmarks.speed.arms import Arm, all_arms
from benchmarks.speed.bases import Base
from benchmarks.speed.growth import Growth
from benchmarks.speed.rounds import Plan, Runner
from benchmarks.speed.table import growth_verdicts, markdown
from benchmarks.speed.trainers import joined
from lift_chat.models.loading import LoadedModel

WINDOW, BATCH = 16, 2
WINDOWS = [[(7 * row + place) % 250 + 3 for place in range(WINDOW)] for row in range(5)]


def arm(name: str) -> Arm:
    (found,) = [arm for arm in all_arms(WINDOW, 0, BATCH) if arm.name == name]
    return found


class Steps:
    """Counts the steps that it is told of."""

    count = 0

    def tick(self) -> None:
        self.count += 1


def trained(name: str, base: Base, windows: list[list[int]]) -> tuple[int, list[torch.Tensor]]:
    """Steps of an arm, and its adapter's weights after them."""
    steps, adapted = Steps(), arm(name).attach(base)
    arm(name).train(base, adapted, windows, steps)
    weights = [weight.detach() for weight in adapted.parameters() if weight.requires_grad]
    return steps.count, weights


@pytest.mark.parametrize("name", ["A", "B", "D", "D ckpt", "E"])
def test_every_arm_takes_as_many_windows_a_step(tiny: LoadedModel, name: str) -> None:
    steps, _ = trained(name, Base.of("tiny", tiny), WINDOWS)

    assert steps == 3


def test_a_batch_teaches_the_trainer_and_ours_the_same(tiny: LoadedModel) -> None:
    base = Base.of("tiny", tiny)
    _, untrained = trained("D", base, [])

    (_, theirs), (_, ours) = (trained(name, base, WINDOWS[:4]) for name in ("B", "D"))

    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-3, atol=1e-5)
    assert not any(map(torch.equal, ours, untrained))


def test_ours_goes_through_the_device_a_whole_step_at_a_time(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    decoder = type(tiny.model.get_decoder())
    forward = decoder.forward

    def watched(self: Any, input_ids: torch.Tensor, **options: Any) -> Any:
        rows.append(len(input_ids))
        return forward(self, input_ids=input_ids, **options)

    monkeypatch.setattr(decoder, "forward", watched)

    trained("D", Base.of("tiny", tiny), WINDOWS)

    assert rows == [2, 2, 1]


def test_a_turn_counts_the_tokens_of_its_measured_steps(tiny: LoadedModel) -> None:
    base = Base.of("tiny", tiny)
    plan = Plan(rounds=1, steps=2, batch=BATCH)
    asked: list[list[list[int]]] = []

    def train(_: Base, __: Any, windows: list[list[int]], watch: Any) -> None:
        asked.append(windows)
        for _ in range(plan.a_turn):
            watch.tick()

    idle = Arm("D", "", lambda _: None, train, lambda _, __: WINDOWS)
    runner = Runner(idle, 1.0, WINDOWS, None)
    runner.turn(base, plan, 0, 1.0)

    assert asked == [[*WINDOWS, WINDOWS[0]]]  # three steps of two; five windows begin again


def test_only_windows_of_unlike_length_are_padded_and_masked() -> None:
    like = joined([{"input_ids": [1, 2], "labels": [1, 2]}] * 2)
    unlike = joined([{"input_ids": ids, "labels": ids} for ids in ([1, 2, 3], [4])])

    assert set(like) == {"input_ids", "labels"}
    assert unlike["labels"].tolist() == [[1, 2, 3], [4, -100, -100]]
    assert unlike["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_report_of_the_growth_alone_judges_it_and_has_no_arms() -> None:
    grown = Growth(
        lengths=[2048, 8192, 32768],
        seconds=[2.0, 8.0, 34.0],
        memory=[100.0, 101.0, 103.0],
        a=0.0,
        b=1e-3,
        residual=4.5,
        spread=3.0,
    )
    report = {
        "date": "2026-11-26",
        "command": "python -m benchmarks.speed --only growth",
        "about": {
            "device": "a CPU",
            "device_kind": "cpu",
            "dtype": "bfloat16",
            "cores": 1,
            "threads": 1,
            "torch": torch.__version__,
        },
        "load": {"start": "0.1", "end": "0.2"},
        "beside": "",
        "seconds": {"wall": 1.0, "cpu": 1.0},
        "bases": [
            {
                "base": "toy",
                "parameters": {"layers": 1, "head": 1},
                "batch_windows": 8,
                "growth": asdict(grown),
                "verdicts": growth_verdicts(grown),
            }
        ],
    }

    page = markdown(report)

    assert "8 windows a step, all at once" in page
    assert "| 32768 | 34.00 | 103.0 |" in page
    assert "- reached: 4.50 % off a line (at most 5)" in page
    assert "- MISSED: 3.00 % between peaks of memory (at most 2)" in page
    assert "| arm |" not in page


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--out", "/srv/made/speed.json"], "python -m x --out speed.json"),
        (["data/tales", "--beside", "a test"], "python -m x data/tales --beside 'a test'"),
    ],
)
def test_a_result_names_no_folder_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, words: list[str], shown: str
) -> None:
    monkeypatch.setattr("sys.argv", ["x.py", *words])

    assert command("x") == shown
