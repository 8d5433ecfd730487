"""How fast a document is absorbed, beside what one would use instead. At most eight minutes on two
CPU cores; with `--device cuda` for one GPU and the shapes of Qwen3, drawn at random.

    OMP_NUM_THREADS=1 python -m benchmarks.speed [--beside "what else ran"] [--out FILE.json]
    python -m benchmarks.speed --device cuda --shape 0.6B --shape 4B --shape 8B --out FILE.json
    python -m benchmarks.speed --device cuda --shape 0.6B --batch 8 --only arms --arm A --arm C
    python -m benchmarks.speed --only growth

Arms take turns (`arms`, `rounds`): A the reference recipe, B PEFT and a plain Trainer, C TRL, D
ours and D with one thing undone, E Gated Memory; H the whole document in the window and I an index
of it (`instead`). How time and memory of D grow with the document comes before (`growth`). Ratios
within a run are what counts; another machine has other seconds. With `--batch` every arm takes so
many windows a step, all at once. What is not installed is left out, and the table says so.
`FILE.md` is written beside `FILE.json`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
import warnings
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from benchmarks.command import command
from benchmarks.speed import growth, table
from benchmarks.speed.arms import Arm, all_arms, recipe
from benchmarks.speed.bases import SHAPES, Base, document, random_base
from benchmarks.speed.instead import bm25_seconds, full_context
from benchmarks.speed.rounds import Plan, measure_losses, measure_memory, runners, take_turns
from lift_chat.models.device import Device, pick_device

DEFAULTS: dict[str, dict[str, Any]] = {
    "cpu": {
        "shape": ["toy"],
        "tokens": 8192,
        "window": 512,
        "length": [2048, 8192, 32_768],
    },
    "cuda": {
        "shape": ["0.6B", "4B", "8B"],
        "tokens": 16_384,
        "window": 2048,
        "length": [10_000, 50_000, 200_000],
    },
}

WARM = {"cpu": 1, "cuda": 3}
"""Steps of a turn that are not measured: on a GPU ours captures a shape when it comes again, once
for a run."""

TRIES = 3
"""Passes over each length, in turns; the fastest one counts."""


def main() -> None:
    arguments = _arguments()
    _quiet()
    torch.set_num_threads(arguments.threads)
    device = pick_device(arguments.device)
    if arguments.dtype:
        device = replace(device, dtype=getattr(torch, arguments.dtype))
    started, load = (time.monotonic(), time.process_time()), _load()
    measure = _grown if arguments.only == "growth" else _measure
    measured = [measure(name, device, arguments) for name in arguments.shape]
    report = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "command": command("benchmarks.speed"),
        "about": {**table.about(device, arguments.threads)},
        "load": {"start": load, "end": _load()},
        "beside": arguments.beside,
        "seconds": {
            "wall": time.monotonic() - started[0],
            "cpu": time.process_time() - started[1],
        },
        "bases": measured,
    }
    page = table.markdown(report)
    print(page)
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        arguments.out.with_suffix(".md").write_text(page, encoding="utf-8")


def _measure(name: str, device: Device, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of one base."""
    base = random_base(name, device, arguments.seed)
    ids = document(arguments.tokens, arguments.seed)
    arms = _chosen(arguments)
    missing = {arm.name: arm.missing for arm in arms if arm.missing}
    running = runners(base, [arm for arm in arms if not arm.missing], ids)
    plan = Plan(arguments.rounds, arguments.steps, arguments.batch, WARM[device.kind])
    for runner in list(running):
        _say(f"{name}: memory of {runner.arm.name}")
        if why := measure_memory(base, runner, plan):
            missing[runner.arm.name] = why
            running.remove(runner)
    more = {} if arguments.only else _beside_arms(name, base, ids, arguments)
    peaks, ran_out = take_turns(base, running, plan)
    known = {runner.arm.name: runner for runner in running}
    untrained = measure_losses(base, running, known["D"], plan)
    rows = [table.row(runner, known) for runner in running]
    return {
        **table.shape(base),
        "document_tokens": len(ids),
        "window_tokens": arguments.window,
        "batch_windows": plan.batch,
        "rounds": plan.rounds,
        "steps": plan.steps,
        "matmul_peak": table.spread(peaks),
        "untrained_loss": untrained,
        "arms": rows,
        "missing": missing | ran_out,
        **more,
        "verdicts": [*table.verdicts(rows), *more.get("verdicts", [])],
    }


def _chosen(arguments: argparse.Namespace) -> list[Arm]:
    """All arms, or the named ones and ours, which they are compared with."""
    arms = all_arms(arguments.window, arguments.seed, arguments.batch)
    return [arm for arm in arms if not arguments.arm or arm.name in ("D", *arguments.arm)]


def _beside_arms(
    name: str, base: Base, ids: list[int], arguments: argparse.Namespace
) -> dict[str, Any]:
    """Growth, and what one would do instead of absorbing."""
    grown = _growth(base, arguments)
    _say(f"{name}: the whole document in the window")
    return {
        "full_context": asdict(full_context(base, ids)),
        "bm25_seconds": bm25_seconds(ids),
        "growth": asdict(grown),
        "verdicts": table.growth_verdicts(grown),
    }


def _grown(name: str, device: Device, arguments: argparse.Namespace) -> dict[str, Any]:
    """How one base's time and memory grow, and nothing else."""
    base = random_base(name, device, arguments.seed)
    grown = _growth(base, arguments)
    return {
        **table.shape(base),
        "batch_windows": arguments.batch,
        "growth": asdict(grown),
        "verdicts": table.growth_verdicts(grown),
    }


def _growth(base: Base, arguments: argparse.Namespace) -> growth.Growth:
    config = recipe(arguments.window, arguments.seed, batch_segments=arguments.batch)
    return growth.measure(base, arguments.length, config, TRIES)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=list(DEFAULTS), default="cpu")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), help="else the faster one")
    parser.add_argument("--shape", action="append", choices=list(SHAPES))
    parser.add_argument("--only", choices=("arms", "growth"), help="this part alone")
    parser.add_argument("--arm", action="append", metavar="NAME", help="beside D; else all of them")
    parser.add_argument("--batch", type=int, default=1, help="windows of a step, all at once")
    parser.add_argument("--tokens", type=int, help="length of the document")
    parser.add_argument("--window", type=int, help="tokens of a training window")
    parser.add_argument("--length", type=int, action="append", help="documents for the growth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="measured steps of an arm's turn")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--beside", default="", help="what else runs on this machine")
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    arguments = parser.parse_args()
    defaults = DEFAULTS[arguments.device]
    for name, value in defaults.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, value)
    if len(set(arguments.length)) < 3:
        parser.error("whether growth is linear can only be seen of three lengths or more")
    if arguments.batch < 1:
        parser.error("a step needs a window")
    names = [arm.name for arm in all_arms(arguments.window, arguments.seed, arguments.batch)]
    if unknown := sorted(set(arguments.arm or ()) - set(names)):
        parser.error(f"there is no arm {', '.join(unknown)}; there are {', '.join(names)}")
    return arguments


def _quiet() -> None:
    """The trainers' own reports would drown the turns; what they warn of is a renamed argument."""
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.disable(logging.WARNING)


def _load() -> str:
    return ", ".join(f"{value:.1f}" for value in os.getloadavg())


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
