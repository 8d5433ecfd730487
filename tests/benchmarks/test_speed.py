from __future__ import annotations

from dataclasses import asdict

import pytest
import torch

from benchmarks.command import command
from benchmarks.speed.growth import Growth
from benchmarks.speed.table import growth_verdicts, markdown


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
                "growth": asdict(grown),
                "verdicts": growth_verdicts(grown),
            }
        ],
    }

    page = markdown(report)

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
