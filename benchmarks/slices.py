"""How long a slice really takes against its budget: the example's beginning, absorbed in slices.

    python -m benchmarks.slices [--characters 3000] [--seconds 60] [--preset read] [--out FILE.md]

Each slice is what a ZeroGPU Space does for one click: a forked process restores the run, takes it
forward, saves and leaves, and is killed where it is over its time. Seconds are the visitor's, from
asking to the end. Prints a table.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from lift_chat import LiftChat, LiftConfig
from lift_chat.errors import LiftChatError
from lift_chat.examples import EXAMPLE
from lift_chat.lift.recipe import typed
from lift_chat.settings import Settings
from lift_chat.slices.work import reached
from tests.slices.fake_spaces import Spaces

Row = tuple[float, str, int | str, str]
"""Seconds, the last stage, the step of the checkpoint that is left, and what went wrong."""


def main() -> None:
    arguments = _arguments()
    changes = dict(_setting(text) for text in arguments.set)
    config = LiftConfig.preset(arguments.preset, **changes)
    spaces = Spaces(reuses=not arguments.fresh)
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.from_flags(
            home=Path(home) / "library",
            base_model=arguments.base_model,
            slice_seconds=arguments.seconds,
            threads=arguments.threads,
        )
        text = Path(home) / "beginning.md"
        text.write_text(EXAMPLE.markdown.read_text(encoding="utf-8")[: arguments.characters])
        with LiftChat.open(settings=settings, lend=spaces.GPU) as app:
            started = time.monotonic()
            app.prepare()
            loading = time.monotonic() - started
            lines = [
                *_heading(app, arguments, loading),
                *_absorb(app, text, config, arguments.seconds),
            ]
        spaces.close()
    table = "\n".join(lines) + "\n"
    print(table)
    if arguments.out:
        Path(arguments.out).write_text(table, encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--characters", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--preset", default="read")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--base-model", default="embedded")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="a new process for each slice")
    parser.add_argument("--out", default=None)
    return parser.parse_args()


def _setting(text: str) -> tuple[str, object]:
    key, _, value = text.partition("=")
    return key, typed(value)


def _heading(app: LiftChat, arguments: argparse.Namespace, loading: float) -> list[str]:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return [
        "# The time that a slice takes against its budget",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, `python -m benchmarks.slices {' '.join(sys.argv[1:])}`.",
        f"{app.choice.name}, {platform.machine()}, {os.cpu_count()} CPU cores, "
        f"{arguments.threads} thread(s); load average at the start {load}.",
        f"The base was loaded once, before the first slice, in {loading:.1f} s.",
        "",
    ]


def _absorb(app: LiftChat, text: Path, config: LiftConfig, budget: float) -> list[str]:
    document = app.add_document(text)
    need = app.slices_needed(document.id, config)
    job_id = app.absorb(document.id, config).id
    rows: list[Row] = []
    while not app.job(job_id).job.is_over:
        rows.append(_slice(app, job_id))
        print(f"slice {len(rows)}: {rows[-1]}", file=sys.stderr, flush=True)
    taken = [row[0] for row in rows]
    job = app.job(job_id).job
    over = sum(seconds > budget for seconds in taken)
    table = [
        f"| {number} | {seconds:.1f} | {100 * seconds / budget:.0f} % | {stage} | {step} | {note} |"
        for number, (seconds, stage, step, note) in enumerate(rows, start=1)
    ]
    return [
        f"{document.characters} characters; estimated before the start: {need.sentence()}",
        f"{len(rows)} slices, {sum(taken):.0f} s in all, the longest {max(taken):.1f} s of "
        f"{budget:.0f} s; {over} over their budget. In the end the job is {job.state}.",
        "",
        "| slice | seconds | of its budget | ended in | step saved | |",
        "|--:|--:|--:|---|--:|---|",
        *table,
    ]


def _slice(app: LiftChat, job_id: str) -> Row:
    stage, note = "", ""
    started = time.monotonic()
    try:
        for event in app.absorb_slice(job_id):
            stage = event.stage
    except LiftChatError as error:
        note = str(error)
    seconds = time.monotonic() - started
    job = app.job(job_id).job
    if job.is_over:
        return seconds, "published" if job.state == "done" else stage, "", note
    _, saved = reached(app.library.run_folder(job_id))
    return seconds, stage, int(saved[-1].rpartition("-")[2]) if saved else 0, note


if __name__ == "__main__":
    main()
