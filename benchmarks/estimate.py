"""What was estimated before the start against what a run took: ten jobs of different kinds.

    python -m benchmarks.estimate [--job NAME ...] [--text FILE] [--out FILE]

Each job is a process of its own: it loads the base, measures its warm-up, estimates, runs the whole
lesson (writing, training, exams, measuring), and warms up once more, which shows how far the
machine itself drifted meanwhile. Seconds are the process's CPU time on one thread, so that a
neighbour's work is not counted; wall time stands beside them.

Memory is what the run allocates on top of the base at its highest, and beside it the peak of the
process's resident memory over the whole run (`allocation`).

The text is the shipped example, or that of `--text` (UTF-8): its beginning, said again where it is
too short.

FILE.md and FILE.json are written after each job.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.allocation import allocated, resident, resident_peak
from benchmarks.command import command
from lift_chat import LiftConfig
from lift_chat.base_model import load_base
from lift_chat.costs import Found, estimate, fit
from lift_chat.examples import EXAMPLE
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.surroundings import Surroundings
from lift_chat.models.catalog import EMBEDDED
from lift_chat.models.device import Device, pick_device
from lift_chat.models.loading import LoadedModel
from lift_chat.probe import measure
from lift_chat.reader.sources import title_of
from lift_chat.settings import Settings
from storage.records import Page

PAGE = 2500
"""Characters of a page."""


@dataclass(frozen=True)
class Written:
    title: str
    text: str


@dataclass(frozen=True)
class Work:
    """A document's length and a recipe; `tight` leaves so little memory that activations are
    recomputed."""

    tokens: int
    config: LiftConfig
    tight: bool = False


def _text_only(**changes: Any) -> LiftConfig:
    return LiftConfig.preset("skim", **{"epochs": 1, **changes})


def _asked(**changes: Any) -> LiftConfig:
    return LiftConfig.preset("read", **{"segment_epochs": 1, "epochs": 1, **changes})


JOBS = {
    "skim": Work(1000, LiftConfig.preset("skim", epochs=2)),
    "long": Work(8000, _text_only(segments="random", segment_tokens=1024, rank=64, alpha=128)),
    "overlapping": Work(3000, _text_only(segment_tokens=2048, stride_tokens=768, rank=16)),
    "short windows": Work(1500, _text_only(segment_tokens=128, stride_tokens=128, rank=128)),
    "contextualized": Work(1500, _text_only(segments="random", context_tokens=1024)),
    "gated memory": Work(2000, _text_only(adapter="gated-memory", segments="random")),
    "recomputed": Work(2000, _text_only(segments="random", segment_tokens=1024), tight=True),
    "read, no exam": Work(500, _asked(exam_questions=0)),
    "read": Work(500, _asked()),
    "questions alone": Work(
        1000, _asked(segments="none", segment_epochs=0, study="passages", passage_tokens=160)
    ),
}


class Tight(Device):
    """A device with hardly any memory left, by its own account."""

    def free_memory(self) -> int:
        return 400_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", action="append", choices=JOBS, help="this one; default: all")
    parser.add_argument("--text", type=Path, help="what is absorbed; default: the example")
    parser.add_argument("--out", type=Path, help="results without ending")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    written = read_text(arguments.text or EXAMPLE.markdown)
    if arguments.alone:
        print(json.dumps(row(arguments.job[0], written)))
        return
    rows: list[dict[str, Any]] = []
    for name in arguments.job or JOBS:
        rows.append(_in_a_process(name, arguments.text))
        if arguments.out:
            _write(arguments.out, rows)
        print(f"{name}: {rows[-1]}", file=sys.stderr, flush=True)
    print(table(rows))


def read_text(file: Path) -> Written:
    """Title and text. Leaves with one sentence where there is no text."""
    title = EXAMPLE.title if file == EXAMPLE.markdown else title_of(file.stem)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{file} cannot be read: {error}.") from error
    if not text.strip():
        raise SystemExit(f"There is no text in {file}.")
    return Written(title, text)


def _in_a_process(name: str, text: Path | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.estimate", "--alone", "--job", name]
    command += ["--text", str(text)] if text is not None else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(name: str, written: Written) -> dict[str, Any]:
    """Everything about one job, JSON values. Seconds, bytes."""
    torch.set_num_threads(1)
    loaded = load_base(Settings(), EMBEDDED, pick_device("cpu"))
    work = JOBS[name]
    if work.tight:
        device = loaded.device
        loaded = replace(loaded, device=Tight(device.kind, device.name, device.dtype))
    text = beginning(loaded, written.text, work.tokens)
    probe = measure(loaded, work.config, nullcontext, clock=time.process_time)
    expected = estimate(loaded, text, work.config, probe, Found(pages=len(_pages(text))))
    before = resident()
    with tempfile.TemporaryDirectory() as folder:
        lesson = Lesson(
            loaded,
            text,
            work.config,
            folder=Path(folder),
            turn=nullcontext,
            title=written.title,
            around=Surroundings(fit=fit(loaded, work.config, probe), pages=_pages(text)),
        )
        wall = time.monotonic()
        stages = _stages(lesson)
        wall = time.monotonic() - wall
    peak = resident_peak() - before
    again = measure(loaded, work.config, nullcontext, clock=time.process_time)
    return {
        "job": name,
        "document_tokens": expected.document_tokens,
        "seconds": {"estimated": round(expected.seconds, 2), "cpu": round(sum(stages.values()), 2)},
        "wall_seconds": round(wall, 2),
        "drift": round(again.operation_seconds / probe.operation_seconds - 1, 3),
        "stages": {stage: round(seconds, 2) for stage, seconds in stages.items()},
        "trained_tokens": {"estimated": expected.trained_tokens, "trained": lesson.trained_tokens},
        "memory": {"estimated": expected.memory_bytes, "allocated": allocated(lesson.state)},
        "resident": peak,
    }


def beginning(loaded: LoadedModel, text: str, tokens: int) -> str:
    """So many tokens of a text, said again where it is too short."""
    whole = text
    while True:
        places = loaded.tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
        ends = places["offset_mapping"]
        if len(ends) >= tokens:
            return whole[: ends[tokens - 1][1]]
        whole += text


def _pages(text: str) -> list[Page]:
    starts = range(0, len(text), PAGE)
    return [
        Page(number, str(number), start, min(start + PAGE, len(text)), text[start : start + PAGE])
        for number, start in enumerate(starts, 1)
    ]


def _stages(lesson: Lesson) -> dict[str, float]:
    """CPU seconds of each stage of the run."""
    spent: dict[str, float] = defaultdict(float)
    last = time.process_time()
    for event in lesson.run():
        now = time.process_time()
        spent[event.stage] += now - last
        last = now
    spent["end"] = time.process_time() - last
    return dict(spent)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "# What was estimated against what a run took",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `{command('benchmarks.estimate')}`, "
        f"{platform.machine()}, {os.cpu_count()} CPU cores, one thread, the embedded model.",
        "",
        "| job | document tokens | estimated s | CPU s | error | drift of the machine | wall s "
        "| estimated MB | allocated MB | error | resident MB |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for found in rows:
        seconds, memory = found["seconds"], found["memory"]
        lines.append(
            f"| {found['job']} | {found['document_tokens']:,} "
            f"| {seconds['estimated']:.1f} | {seconds['cpu']:.1f} "
            f"| {seconds['estimated'] / seconds['cpu'] - 1:+.0%} | {found['drift']:+.0%} "
            f"| {found['wall_seconds']:.1f} | {memory['estimated'] / 1e6:,.0f} "
            f"| {memory['allocated'] / 1e6:,.0f} "
            f"| {memory['estimated'] / memory['allocated'] - 1:+.0%} "
            f"| {found['resident'] / 1e6:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
