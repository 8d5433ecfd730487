"""Time to the reference's recall: how soon ours knows what the reference recipe ends up knowing.

    OMP_NUM_THREADS=1 python -m benchmarks.recall FAIRYTALEQA [--tale NAME ...] [--arm NAME ...]
        [--tokens 1150] [--window 512] [--questions 16] [--beside "what else ran"] [--out FILE.json]

Of each tale (validation split) the first whole sections within `--tokens` are absorbed by each arm
with the embedded model in one process on one thread, and the experts' questions on them are asked
closed book again and again on the way (`curves`). The reference is given the bare base, as its
recipe knows no reader, and the base with the shipped reader, from which ours starts too. Its
windows are 512 tokens and 192 apart: at its own 2048 such a document would be a single window. It
takes an optimizer step per window, which teaches it more than the one step per pass of its authors.

Runs are added to the file as they come, and what is in it is not run again. `FILE.md` is written
beside it. The default tales are none of those on which presets were chosen or are judged.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.command import command
from benchmarks.recall import table
from benchmarks.recall.curves import Run, ours, theirs
from benchmarks.speed.measuring import matmul_peak
from benchmarks.speed.table import about
from benchmarks.tales import beginnings
from lift_chat.base_model import load_base
from lift_chat.evaluation.questions import EvalDocument
from lift_chat.lift.recipe import LiftConfig
from lift_chat.lift.tokens import tokenize
from lift_chat.models.catalog import EMBEDDED
from lift_chat.models.device import pick_device
from lift_chat.models.loading import LoadedModel
from lift_chat.reader.merge import AUTO, NONE
from lift_chat.settings import Settings

TALES = ("bamboo-cutter-moon-child", "the-battle-of-the-birds", "the-four-gifts")
"""The first three by name of which the beginning has twenty questions."""

RATE = 2e-4
"""Learning rate of the reference (README of 2502.14644 v1 to v3; its scripts keep it constant)."""


def arms(window_tokens: int) -> dict[str, tuple[str, Run]]:
    """By name: which reader the base has, and the run."""
    return {
        "reference+reader": (AUTO, theirs(window_tokens, RATE)),
        "skim": (AUTO, ours(LiftConfig.preset("skim"))),
        "reference": (NONE, theirs(window_tokens, RATE)),
        "read": (AUTO, ours(LiftConfig.preset("read"))),
    }


def main() -> None:
    arguments = _arguments()
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.disable(logging.WARNING)  # the trainers' own reports
    torch.set_num_threads(1)
    device = pick_device("cpu")
    bases = {name: load_base(Settings(reader=name), EMBEDDED, device) for name in (AUTO, NONE)}
    documents = beginnings(
        arguments.folder, arguments.tale, bases[AUTO], arguments.tokens, arguments.questions
    )
    asked = [_facts(bases[AUTO], document) for document in documents]
    if min(facts["tokens"] for facts in asked) <= arguments.window:
        raise SystemExit("A tale's beginning is a single window: give more --tokens.")
    report: dict[str, Any] = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": command("benchmarks.recall"),
        "about": about(device, 1),
        "beside": arguments.beside,
        "window_tokens": arguments.window,
        "documents": asked,
        "runs": _kept(arguments.out, asked),
    }
    known = arms(arguments.window)
    for name in arguments.arm or known:
        reader, run = known[name]
        for document in documents:
            if any((r["arm"], r["document"]) == (name, document.id) for r in report["runs"]):
                continue
            print(f"{name}: {document.id}", file=sys.stderr, flush=True)
            report["runs"].append(_row(name, bases[reader], document, run))
            _write(arguments.out, report)
    _write(arguments.out, report)
    print(table.markdown(report))


def _row(name: str, loaded: LoadedModel, document: EvalDocument, run: Run) -> dict[str, Any]:
    """One run. The rate of matrix products before it and after it tells a machine that drifts."""
    load, before = os.getloadavg(), matmul_peak(loaded.device.torch, loaded.device.dtype)
    points = run(loaded, document)
    after = matmul_peak(loaded.device.torch, loaded.device.dtype)
    gc.collect()
    return {
        "arm": name,
        "document": document.id,
        "matmul_peak": [before, after],
        "load": list(load),
        "points": [asdict(point) for point in points],
    }


def _facts(loaded: LoadedModel, document: EvalDocument) -> dict[str, Any]:
    tokens = tokenize(loaded, document.text).shape[1]
    return {"id": document.id, "tokens": tokens, "questions": len(document.questions)}


def _kept(file: Path | None, asked: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The runs in the file. Those of other documents would not be compared with these."""
    if file is None or not file.exists():
        return []
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if found["documents"] != list(asked):
        raise SystemExit(f"{file} holds runs over other documents.")
    runs: list[dict[str, Any]] = found["runs"]
    return runs


def _write(file: Path | None, report: dict[str, Any]) -> None:
    if file is not None:
        file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        file.with_suffix(".md").write_text(table.markdown(report), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of FairytaleQA")
    parser.add_argument("--tale", action="append", help="default: three tales")
    parser.add_argument("--arm", action="append", choices=list(arms(512)), help="default: all")
    parser.add_argument("--tokens", type=int, default=1150, help="at most, of a beginning")
    parser.add_argument("--window", type=int, default=512, help="tokens of the reference's windows")
    parser.add_argument("--questions", type=int, default=16, help="at most, on a beginning")
    parser.add_argument("--beside", default="", help="what else runs on this machine")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    arguments = parser.parse_args()
    arguments.tale = arguments.tale or list(TALES)
    return arguments


if __name__ == "__main__":
    main()
