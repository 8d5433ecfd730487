from __future__ import annotations

from typing import Any

import pytest

from benchmarks.recall.curves import PASSES, Point, halves, ours, pooled, theirs
from benchmarks.recall.table import ALL, curves, figures, markdown
from lift_chat.evaluation.questions import EvalDocument, EvalQuestion
from lift_chat.lift.curriculum import Curriculum
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.tokens import tokenize
from lift_chat.models.loading import LoadedModel
from tests.conftest import ASKED, TALE

TALES = EvalDocument(
    id="tale",
    title="The Lamp",
    text=TALE * 2,
    questions=tuple(EvalQuestion(question, (answer,)) for question, answer in ASKED[:3]),
)

CONFIG = LiftConfig.preset("skim", segment_tokens=64, stride_tokens=48, epochs=2, rank=8, alpha=16)


def curve(*scores: float, every: float = 10.0, untrained: float = 0.0) -> list[dict[str, float]]:
    """Recall and F1 as given, after `every` CPU seconds each; nats fall as they rise."""
    values = [untrained, *scores]
    return [
        {"steps": n, "cpu": n * every, "wall": 2 * n * every, "recall": v, "f1": v, "nll": 1 - v}
        for n, v in enumerate(values)
    ]


def report(**arms: list[dict[str, float]]) -> dict[str, Any]:
    """One run of each arm over one document; `with_reader` is the reference on our base."""
    names = {"with_reader": "reference+reader"}
    return {
        "date": "2026-11-26",
        "command": "python",
        "about": {"device": "cpu", "dtype": "bfloat16", "cores": 1, "torch": "2"},
        "beside": "",
        "window_tokens": 512,
        "documents": [{"id": "tale", "tokens": 600, "questions": 3}],
        "runs": [
            {"arm": names.get(arm, arm), "document": "tale", "points": points}
            for arm, points in arms.items()
        ],
    }


def row(made: dict[str, Any], score: str, goal: str = "end") -> dict[str, Any]:
    (found,) = [
        row
        for row in figures(curves(made))
        if (row["document"], row["score"], row["goal"]) == ("tale", score, goal)
    ]
    return found


@pytest.mark.parametrize("score", ["recall", "f1", "nll"])
def test_times_sooner_are_of_the_whole_run_and_of_the_first_time_that_each_has_the_score(
    score: str,
) -> None:
    made = report(with_reader=curve(0.2, 0.5, 0.4, 0.4), skim=curve(0.1, 0.4, 0.3, every=2.0))

    found = row(made, score)

    # At its end, after 40 s, the reference has 0.4, which it had overshot after 20 s already.
    assert found["whole"] == {"cpu": 40, "wall": 80}
    assert found["own"] == {"cpu": 20, "wall": 40}
    assert found["skim"]["times"] == pytest.approx({"cpu": 40 / 4, "wall": 80 / 8})
    assert found["skim"]["times_own"] == pytest.approx({"cpu": 20 / 4, "wall": 40 / 8})
    assert row(made, score, "best")["skim"] == {"reached": False, "untrained": False}


def test_what_the_untrained_base_has_already_is_marked_and_not_counted_as_no_time() -> None:
    made = report(reference=curve(0.1, 0.2), read=curve(0.5, untrained=0.3))

    assert row(made, "recall")["read"]["untrained"]
    assert row(made, "recall")["read"]["times"]["cpu"] == pytest.approx(20 / 10)
    assert "10 (20)*" in markdown(made)


def test_a_score_that_ours_never_has_misses_the_target() -> None:
    page = markdown(report(with_reader=curve(0.2), skim=curve(0.1, 0.1, every=0.1)))

    assert "MISSED: skim, recall at the end of the reference+reader" in page
    assert "tale never" in page


def test_documents_are_pooled_by_the_points_of_their_runs() -> None:
    one, other = (
        [Point(**values) for values in made] for made in (curve(0.2, 0.4), curve(0.4, 0.4, every=5))
    )

    joined = pooled([one, other])

    assert [point.cpu for point in joined] == [0, 15, 30]
    assert [point.recall for point in joined] == pytest.approx([0, 0.3, 0.4])


def test_an_arm_that_has_not_run_on_all_documents_is_not_pooled() -> None:
    made = report(skim=curve(0.2), read=curve(0.2))
    made["documents"].append({"id": "other", "tokens": 600, "questions": 3})
    made["runs"].append({"arm": "skim", "document": "other", "points": curve(0.4)})

    assert ("skim", ALL) in curves(made)
    assert ("read", ALL) not in curves(made)


def test_the_reference_is_asked_untrained_and_after_each_of_its_passes(tiny: LoadedModel) -> None:
    points = theirs(64, 1e-2)(tiny, TALES)

    tokens = tokenize(tiny, TALES.text).shape[1]
    windows = len(range(0, tokens - 1, 24))
    assert [point.steps for point in points] == [windows * n for n in range(PASSES + 1)]
    assert points[-1].nll < points[0].nll


def test_ours_is_asked_twice_a_pass_and_when_it_is_over(tiny: LoadedModel) -> None:
    points = ours(CONFIG)(tiny, TALES)

    plan = Curriculum(tiny, "", tokenize(tiny, TALES.text)[0].tolist(), CONFIG)
    asked = sorted(halves(plan))
    assert len(asked) == 2 * CONFIG.epochs
    assert asked[-1] == plan.steps
    assert [point.steps for point in points] == [0, *asked, plan.steps]
    assert points[-1] != points[0]
