from __future__ import annotations

from pathlib import Path

import pytest

from lift_chat import LiftChat
from lift_chat.slices.need import FREE_SECONDS, USEFUL, Need, Spent, left
from tests.conftest import QUICK


@pytest.mark.parametrize(
    ("seconds", "slices"), [(0.0, 1), (41.0, 1), (43.0, 2), (419.0, 10), (421.0, 11)]
)
def test_a_slice_gives_less_than_its_seconds_to_the_run(seconds: float, slices: int) -> None:
    need = Need.of(seconds, 60)
    assert need.slices == slices
    assert need.gpu_seconds == pytest.approx(seconds / USEFUL, abs=0.1)


def test_what_is_needed_is_said_beside_what_is_free() -> None:
    assert Need.of(140.0, 60).sentence().startswith("About 4 slices of at most 60 s, about 200 s")
    assert Need.of(10.0, 60).sentence().startswith("One slice of at most 60 s")
    assert f"{FREE_SECONDS} s a day" in Need.of(10.0, 60).sentence()


def test_what_was_spent_counts_against_the_estimate_but_training_knows_better(
    tmp_path: Path,
) -> None:
    assert Spent.of(tmp_path) == Spent()
    for _ in range(2):
        Spent.of(tmp_path).more(tmp_path, 50.0)
    assert Spent.of(tmp_path) == Spent(2, 100.0)
    assert left(300.0, Spent.of(tmp_path), eta=0.0) == 300.0 - 100.0 * USEFUL
    assert left(300.0, Spent.of(tmp_path), eta=250.0) == 250.0
    assert left(50.0, Spent.of(tmp_path), eta=0.0) == 0.0


def test_notes_of_what_was_spent_that_cannot_be_read_count_as_none(tmp_path: Path) -> None:
    (tmp_path / "slices.json").write_text('{"slices": 3')
    assert Spent.of(tmp_path) == Spent()


@pytest.mark.usefixtures("turns")
def test_a_run_needs_fewer_slices_the_further_it_is(lent: LiftChat, tale: Path) -> None:
    document = lent.add_document(tale)
    whole = lent.slices_needed(document.id, QUICK)
    job_id = lent.absorb(document.id, QUICK).id
    assert lent.slices_left(job_id) == whole
    while not lent.job(job_id).job.is_over:
        list(lent.absorb_slice(job_id))
    assert lent.slices_left(job_id) is None
