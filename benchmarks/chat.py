"""Seconds to the first token of a chat and tokens a second after it, alone and beside a run.

    python -m benchmarks.chat [--rounds 3] [--seconds 20] [--only-decoding] [--out FILE.json]

On a GPU where there is one, else on the CPU (`LIFT_CHAT_DEVICE`).
Two turns of a conversation about the example, in each mode of the window, and about its first
page, which fits whole. Both arms are given the same prompts, in turn, in one process: in one the
document is read ahead where it can be, and the chat goes on from what it has read; in the other
that is forgotten before every question. Then the same two turns again and again while a run trains
in the same process, and one long answer. Then decoding alone, and switching between two documents
(`benchmarks.decoding`). Prints tables; writes every measurement as JSON, and the tables beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.command import command
from benchmarks.decoding import beside as answer_beside
from benchmarks.decoding import decoding, decoding_table, switch_table, switching
from lift_chat import ChatSettings, LiftChat, LiftConfig, Message
from lift_chat.examples import EXAMPLE, questions
from lift_chat.models.context_mode import ContextMode
from lift_chat.settings import Settings
from storage.records import Adapter

MODES: tuple[ContextMode, ...] = ("truncated", "retrieved", "none")
ARMS = ("kept", "anew")
DECODING = "decoding"
QUICK: dict[str, Any] = {"epochs": 1, "stride_tokens": 512}
EVERYWHERE: dict[str, Any] = {"rank": 16, "alpha": 32, "targets": "all-linear"}
"""What an adapter has learned does not matter to how fast it answers, but which layers it adds to
does. The other one is of the shape that *read* and *study* make."""

ANSWER_TOKENS = 24
PAGE = 2400


@dataclass(frozen=True)
class First:
    """One first token."""

    window: str
    arm: str
    turn: int
    prompt_tokens: int
    wall: float
    cpu: float


@dataclass(frozen=True)
class Stretch:
    """A while of training, from one optimizer step to another, with or without a chat beside it;
    `decoding_seconds` are those of one long answer."""

    arm: str
    steps: int
    seconds: float
    answers: int
    decoded: int
    first: list[float]
    decoding_seconds: float


def main() -> None:
    arguments = _arguments()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.from_flags(home=Path(home) / "library", threads=arguments.threads)
        with LiftChat.open(settings=settings) as app:
            book, page = _adapters(app, Path(home))
            tokens = [token for adapter in (book, page) for token in decoding(app, adapter)]
            switches = list(switching(app, (book, page)))
            short = arguments.only_decoding
            alone = [] if short else list(_alone(app, book, page, arguments.rounds))
            arms = ("alone", DECODING) if short else ("alone", *ARMS, DECODING)
            beside = list(_beside(app, book, arms, arguments.seconds))
            report = {
                "date": datetime.now(UTC).strftime("%Y-%m-%d"),
                "command": command("benchmarks.chat"),
                "machine": f"{_name(app)}, {os.cpu_count()} CPU cores, {app.device.dtype}",
                "device_kind": app.device.kind,
                "load": [round(value, 1) for value in os.getloadavg()],
                "threads": arguments.threads,
                "base_model": app.choice.name,
                "seconds": round(time.monotonic() - started),
                "alone": [asdict(row) for row in alone],
                "beside": [asdict(row) for row in beside],
                "decoding": [asdict(row) for row in tokens],
                "switches": [asdict(row) for row in switches],
            }
    kind = str(report["device_kind"])
    tables = [_alone_table(alone, kind), _beside_table(beside)]
    tables += [decoding_table(tokens, kind), switch_table(switches)]
    lines = [*_heading(report), *(line for table in tables if table for line in (*table, ""))]
    table = "\n".join(lines)
    print(table)
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(report, indent=1) + "\n")
        Path(arguments.out).with_suffix(".md").write_text(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each stretch of training")
    parser.add_argument("--only-decoding", action="store_true", help="no first tokens")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", default=None)
    return parser.parse_args()


def _name(app: LiftChat) -> str:
    return platform.machine() if app.device.kind == "cpu" else app.device.name


def _adapters(app: LiftChat, folder: Path) -> tuple[Adapter, Adapter]:
    """Of the whole example, which no window holds, and of its first page."""
    short = folder / "page.md"
    short.write_text(EXAMPLE.markdown.read_text(encoding="utf-8")[:PAGE], encoding="utf-8")
    read = LiftConfig.preset("read")
    shapes = {
        EXAMPLE.markdown: EVERYWHERE,
        short: {"rank": read.rank, "alpha": read.alpha, "targets": read.targets},
    }
    book, page = (
        app.absorb(app.add_document(path).id, LiftConfig.preset("skim", **QUICK, **shape)).wait()
        for path, shape in shapes.items()
    )
    return book, page


def _talk(number: int) -> list[list[Message]]:
    """What is asked at turn one and at turn two; answers are the gold sentences, so that both arms
    are given the same."""
    found = questions()
    one, two = found[2 * number % len(found)], found[(2 * number + 1) % len(found)]
    first = [Message("user", one.question)]
    return [first, [*first, Message("assistant", one.evidence), Message("user", two.question)]]


def _forget(app: LiftChat, adapter: Adapter) -> None:
    """Lent at another strength, what is kept is dropped."""
    tree = app.engine.adapted(adapter, lambda: app.library.adapter_folder(adapter.id, "local"))
    with app.engine.prefix(tree).lent(-1.0):
        pass


def _alone(app: LiftChat, book: Adapter, page: Adapter, rounds: int) -> Iterator[First]:
    """One more round than counted: the first one warms up."""
    windows = [(mode, book, ChatSettings(context=mode)) for mode in MODES]
    windows.append(("whole", page, ChatSettings()))
    for name, adapter, settings in windows:
        for number in range(rounds + 1):
            for arm in ARMS if number % 2 else reversed(ARMS):
                _forget(app, adapter)
                if arm == "kept":
                    app.warm(adapter.id, settings)
                for turn, messages in enumerate(_talk(number), start=1):
                    if arm == "anew":
                        _forget(app, adapter)
                    measured = _first(app, adapter, messages, settings, name, arm, turn)
                    if number:
                        yield measured
        print(f"{name} done", file=sys.stderr, flush=True)


def _first(
    app: LiftChat,
    adapter: Adapter,
    messages: list[Message],
    settings: ChatSettings,
    name: str,
    arm: str,
    turn: int,
) -> First:
    tokens = app.window(adapter.id, messages, settings).prompt_tokens
    wall, cpu = time.perf_counter(), time.process_time()
    with closing(app.reply(adapter.id, messages, settings)) as pieces:
        next(pieces)
        return First(name, arm, turn, tokens, time.perf_counter() - wall, time.process_time() - cpu)


def _beside(
    app: LiftChat, adapter: Adapter, arms: tuple[str, ...], seconds: float
) -> Iterator[Stretch]:
    """Two rounds of: training alone, with a chat that keeps, with one that reads anew, with one
    long answer."""
    config = LiftConfig.preset("skim", epochs=1000, seed=1)  # a GPU must not be through too early
    job_id = app.absorb(adapter.document_id, config).id
    _next_step(app, job_id, 0)
    for _ in range(2):
        for arm in arms:
            yield _stretch(app, job_id, adapter, arm, seconds)
            print(f"beside training: {arm} done", file=sys.stderr, flush=True)
    app.stop_job(job_id, keep=False)


def _next_step(app: LiftChat, job_id: str, step: int) -> int:
    while (job := app.job(job_id).job).stage != "training" or job.step <= step:
        if job.is_over:
            raise SystemExit(f"The run is over too early: {job.state}.")
        time.sleep(0.02)
    return job.step


def _stretch(app: LiftChat, job_id: str, adapter: Adapter, arm: str, seconds: float) -> Stretch:
    settings = ChatSettings(context="truncated", max_new_tokens=ANSWER_TOKENS)
    begun = _next_step(app, job_id, app.job(job_id).job.step)
    started, number, decoded, first, spent = time.monotonic(), 0, 0, [], 0.0
    while time.monotonic() - started < seconds:
        if arm == "alone":
            time.sleep(0.5)
            continue
        if arm == DECODING:
            decoded, spent = answer_beside(app, adapter, seconds)
            break
        for messages in _talk(number):
            if arm == "anew":
                _forget(app, adapter)
            asked = time.monotonic()
            with closing(app.reply(adapter.id, messages, settings)) as pieces:
                text = next(pieces)
                first.append(time.monotonic() - asked)
                text += "".join(pieces)
            decoded += len(app.engine.base.tokenizer(text)["input_ids"])
        number += 1
    ended = _next_step(app, job_id, app.job(job_id).job.step)
    taken = time.monotonic() - started
    return Stretch(arm, ended - begun, taken, 2 * number, decoded, first, spent)


def _heading(report: dict[str, object]) -> list[str]:
    return [
        "# The first token of a chat, and those after it",
        "",
        f"{report['date']}, `{report['command']}`, {report['seconds']} s.",
        f"{report['base_model']}, {report['machine']}, {report['threads']} thread(s); load average "
        f"at the end {report['load']}.",
        "",
    ]


def _alone_table(rows: list[First], kind: str) -> list[str]:
    """Medians; beside them what both arms of one turn take, one by the other, in the seconds that
    count on a device of this kind."""
    if not rows:
        return []
    cells: dict[tuple[str, int, str], list[First]] = defaultdict(list)
    for row in rows:
        cells[row.window, row.turn, row.arm].append(row)
    lines = [
        "| window | turn | prompt tokens | anew: CPU s | kept: CPU s | anew: wall s | "
        f"kept: wall s | {'CPU' if kind == 'cpu' else 'wall'} anew / kept |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for window in dict.fromkeys(row.window for row in rows):
        for turn in (1, 2):
            kept, anew = (cells[window, turn, arm] for arm in ARMS)
            cpu = [median(row.cpu for row in arm) for arm in (anew, kept)]
            wall = [median(row.wall for row in arm) for arm in (anew, kept)]
            tokens = median(row.prompt_tokens for row in kept)
            counts = cpu if kind == "cpu" else wall
            lines.append(
                f"| {window} | {turn} | {tokens:.0f} | {cpu[0]:.3f} | {cpu[1]:.3f} | "
                f"{wall[0]:.3f} | {wall[1]:.3f} | {counts[0] / counts[1]:.1f} |"
            )
    return lines


def _beside_table(rows: list[Stretch]) -> list[str]:
    lines = [
        "| beside training | first token, median s | longest s | answers | tokens decoded | "
        "tokens / s | training steps | s a step |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for arm in dict.fromkeys(row.arm for row in rows):
        found = [row for row in rows if row.arm == arm]
        first = [seconds for row in found for seconds in row.first]
        steps, seconds = sum(row.steps for row in found), sum(row.seconds for row in found)
        told = f"{median(first):.2f} | {max(first):.2f}" if first else " | "
        decoded, spent = (
            sum(row.decoded for row in found),
            sum(row.decoding_seconds for row in found),
        )
        rate = f"{decoded / spent:.1f}" if spent else ""
        lines.append(
            f"| {'no chat' if arm == 'alone' else arm} | {told} | "
            f"{sum(row.answers for row in found)} | {decoded} | {rate} | "
            f"{steps} | {seconds / steps:.3f} |"
        )
    return lines


if __name__ == "__main__":
    main()
