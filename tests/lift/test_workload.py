from __future__ import annotations

from typing import Any

import pytest
import torch

from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.expected import CLOSED_TOKENS, Study
from lift_chat.lift.presets import PRESETS
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.samples import Sample
from lift_chat.lift.workload import RECITE_TOKENS, workload
from lift_chat.models.loading import LoadedModel
from tests.conftest import QUICK

WINDOW = 1024


def plan_of(tiny: LoadedModel, tokens: int, config: LiftConfig) -> Curriculum:
    """Of a document of so many tokens."""
    return Curriculum(tiny, "Orrin Vale", torch.arange(tokens).remainder(290).tolist(), config)


def samples(tiny: LoadedModel, tokens: int, config: LiftConfig) -> list[Sample]:
    """All samples of a run, made."""
    plan = plan_of(tiny, tokens, config)
    return [s for step in range(plan.steps) for unit in plan.units(step) for s in unit]


def run(tiny: LoadedModel, tokens: int, config: LiftConfig) -> tuple[int, int]:
    """(tokens, steps) of a run."""
    found = samples(tiny, tokens, config)
    return sum(len(sample.ids) for sample in found), plan_of(tiny, tokens, config).steps


@pytest.mark.parametrize("tokens", [2, 63, 64, 65, 500, 1111])
@pytest.mark.parametrize(
    "changes",
    [{}, {"segment_epochs": 2}, {"batch_segments": 7}, {"stride_tokens": 13}, {"epochs": 1}],
)
def test_windows_are_counted_exactly(
    tiny: LoadedModel, tokens: int, changes: dict[str, Any]
) -> None:
    config = QUICK.with_changes(**changes)
    counted = workload(tokens, config, WINDOW)
    trained, steps = run(tiny, tokens, config)
    assert counted.trained == trained
    assert abs(counted.steps - steps) <= config.epochs + config.segment_epochs - 1
    assert (counted.read, counted.written) == (0, 0)


def test_steps_are_counted_exactly(tiny: LoadedModel) -> None:
    for tokens in (64, 500, 1111):
        for changes in ({}, {"batch_segments": 7}, {"one_step_per_epoch": True}):
            config = QUICK.with_changes(**changes)
            assert workload(tokens, config, WINDOW).steps == run(tiny, tokens, config)[1]


def test_passes_through_the_device_are_counted(tiny: LoadedModel) -> None:
    """Windows one by one; questions about as many as their batches."""
    for tokens in (64, 500, 1111):
        assert workload(tokens, QUICK, WINDOW).passes == len(samples(tiny, tokens, QUICK))
    asked = LiftConfig.preset("read", exam_questions=0)
    study = Study.of(2000, asked, 0)
    batches = workload(2000, asked, WINDOW).passes - 8 * 4
    assert batches == asked.epochs * study.passes(2000)
    per_pass = study.training(2000).tokens / study.passes(2000)
    assert CLOSED_TOKENS < per_pass <= asked.segment_tokens


def test_windows_from_a_random_offset_read_each_token_once_per_epoch(tiny: LoadedModel) -> None:
    config = QUICK.with_changes(segments="random")
    counted = workload(1111, config, WINDOW)
    trained, steps = run(tiny, 1111, config)
    assert counted.trained == 4 * 1111
    assert 0 <= counted.trained - trained <= 2 * 4  # a token alone at an end is left out
    assert abs(counted.steps - steps) <= 4


def test_pieces_of_context_are_counted_with_each_window(tiny: LoadedModel) -> None:
    config = QUICK.with_changes(context_tokens=200)
    counted, bare = workload(1111, config, WINDOW), workload(1111, QUICK, WINDOW)
    trained, _ = run(tiny, 1111, config)
    assert trained > 2 * bare.trained
    assert counted.longest == 64 + 200 + RECITE_TOKENS
    assert counted.trained == pytest.approx(trained, rel=0.5)


@pytest.mark.parametrize("study", ["passages", "question-words", "evidence", "sentences"])
def test_a_study_is_written_read_and_trained(study: Any) -> None:
    plain = workload(5000, QUICK, WINDOW)
    found = workload(5000, QUICK.with_changes(study=study), WINDOW)
    assert found.trained > plain.trained and found.steps > plain.steps
    assert found.written > 0 and found.read > 0
    longer = workload(50_000, QUICK.with_changes(study=study), WINDOW)
    for name in ("trained", "written", "steps"):
        assert getattr(longer, name) > 8 * getattr(found, name)


def test_more_questions_cost_more_and_an_exam_reads_the_window() -> None:
    study = QUICK.with_changes(study="passages", questions=2, exam_questions=0)
    base = workload(5000, study, WINDOW)
    more = workload(5000, study.with_changes(questions=8), WINDOW)
    assert more.written == pytest.approx(4 * base.written, rel=0.01)
    assert more.trained > base.trained
    opened = workload(5000, study.with_changes(open_share=0.0), WINDOW)
    assert opened.trained < base.trained
    base = workload(50_000, study, WINDOW)
    examined = workload(50_000, study.with_changes(exam_questions=16), WINDOW)
    assert examined.read > base.read + 2 * 16 * WINDOW
    assert examined.trained < base.trained  # those that are held out
    asked = study.with_changes(exam_questions=16)
    own = workload(50_000, asked, WINDOW, own=40)
    assert (own.read, own.trained) == (examined.read, base.trained)  # sixteen, none held out
    some = workload(50_000, asked, WINDOW, own=10)
    assert some.read == examined.read and examined.trained < some.trained < base.trained
    assert workload(50_000, study, WINDOW, own=40) == base


@pytest.mark.parametrize("name", PRESETS)
def test_work_grows_in_proportion_to_the_document(name: str) -> None:
    config = LiftConfig.preset(name, exam_questions=0)
    short, long = (workload(tokens, config, WINDOW) for tokens in (50_000, 500_000))
    assert long.trained == pytest.approx(10 * short.trained, rel=0.03)
    assert long.steps == pytest.approx(10 * short.steps, rel=0.03)
    assert long.longest == short.longest
