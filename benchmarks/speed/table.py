"""The figures as JSON and as Markdown, with what was measured, where, when and beside what."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.speed.bases import Base
from benchmarks.speed.growth import Growth
from benchmarks.speed.instead import DECODED, FullContext
from benchmarks.speed.rounds import Runner, ratio
from lift_chat.models.device import Device

TARGETS = {"over A": 3.0, "over C": 1.2, "residual": 5.0, "spread": 2.0}


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": median(values), "least": min(values), "most": max(values)}


def row(runner: Runner, known: dict[str, Runner]) -> dict[str, Any]:
    """One arm's figures; ratios only over arms that ran."""
    return {
        "arm": runner.arm.name,
        "what": runner.arm.what,
        "passes_per_epoch": runner.passes,
        "document_tokens_per_second": spread(runner.document_rates),
        "trained_tokens_per_second": spread(runner.rates),
        "trained_tokens_per_wall_second": spread(runner.wall_rates),
        "share_of_matmul_peak": spread(runner.shares),
        "peak_memory_mib": runner.memory,
        "loss": runner.loss,
        **{f"times_{name}": ratio(runner, known[name]) for name in ("A", "C") if name in known},
    }


def about(device: Device, threads: int) -> dict[str, Any]:
    return {
        "device": _device_name(device),
        "device_kind": device.kind,
        "dtype": str(device.dtype).removeprefix("torch."),
        "cores": os.cpu_count(),
        "threads": threads,
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS", ""),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _device_name(device: Device) -> str:
    if device.kind == "cuda":
        return device.name
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else device.name


def shape(base: Base) -> dict[str, Any]:
    return {"base": base.name, "parameters": {"layers": base.layers, "head": base.head}}


def verdicts(rows: Sequence[dict[str, Any]]) -> list[str]:
    """One sentence per target of the arms: reached or missed, with the figure."""
    found = {one["arm"]: one for one in rows}
    own, sentences = found["D"], []
    if "times_A" in own:
        sentences.append(_verdict("document tokens/s over A", own["times_A"], TARGETS["over A"]))
    if "times_C" in own:
        sentences.append(_verdict("document tokens/s over C", own["times_C"], TARGETS["over C"]))
    if "C" in found and None not in (own["peak_memory_mib"], found["C"]["peak_memory_mib"]):
        more = own["peak_memory_mib"] / found["C"]["peak_memory_mib"]
        sentences.append(_verdict("peak memory over C's", more, 1.0, most=True))
    return sentences


def growth_verdicts(growth: Growth) -> list[str]:
    sentences = [_verdict("% off a line", growth.residual, TARGETS["residual"], most=True)]
    if growth.spread is not None:
        spread = _verdict("% between peaks of memory", growth.spread, TARGETS["spread"], most=True)
        sentences.append(spread)
    return sentences


def _verdict(what: str, value: float, target: float, *, most: bool = False) -> str:
    reached = value <= target if most else value >= target
    bound = "at most" if most else "at least"
    return f"{'reached' if reached else 'MISSED'}: {value:.2f} {what} ({bound} {target:g})"


def markdown(report: dict[str, Any]) -> str:
    """The whole report as a page."""
    machine = report["about"]
    lines = [
        "# How fast a document is absorbed, beside what one would use instead",
        "",
        f"{report['date']}, `{report['command']}`.",
        f"{machine['device']}, {machine['dtype']}, {machine['threads']} thread(s) of "
        f"{machine['cores']} cores, torch {machine['torch']}.",
        f"Load average at the start {report['load']['start']}, at the end {report['load']['end']}"
        + (f"; beside it: {report['beside']}." if report["beside"] else "."),
        f"{report['seconds']['wall']:.0f} s in all, of which {report['seconds']['cpu']:.0f} s of "
        "this process.",
        "",
    ]
    for one in report["bases"]:
        lines += _base(one, machine["device_kind"])
    return "\n".join(lines) + "\n"


def _base(one: dict[str, Any], kind: str) -> list[str]:
    return [
        f"## {one['base']}: {one['parameters']['layers'] / 1e6:.0f}M in layers, "
        f"{one['parameters']['head'] / 1e6:.0f}M in the head",
        "",
        *(_arms(one, kind) if "arms" in one else []),
        *(_instead(one) if "full_context" in one else []),
        *(_growth(one["growth"], one["batch_windows"]) if "growth" in one else []),
        *[f"- {sentence}" for sentence in one["verdicts"]],
        "",
    ]


def _arms(one: dict[str, Any], kind: str) -> list[str]:
    counts = "seconds of the process" if kind == "cpu" else "seconds of the clock"
    return [
        f"Document of {one['document_tokens']} tokens, windows of {one['window_tokens']}, "
        f"in every arm {_at_once(one['batch_windows'])}; "
        f"{one['rounds']} rounds of {one['steps']} measured steps an arm, in turns. Rates are "
        f"per {counts}, median (least–most). Matrix products reach "
        f"{one['matmul_peak']['median'] / 1e12:.2f} TFLOP/s "
        f"({one['matmul_peak']['least'] / 1e12:.2f}–{one['matmul_peak']['most'] / 1e12:.2f}). "
        f"Loss of the untrained base {one['untrained_loss']:.3f}.",
        "",
        "| arm | document tokens/s | x A | x C | trained tokens/s | of peak | per wall s | MiB "
        "| loss |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *[_line(arm) for arm in one["arms"]],
        "",
        *[f"- {arm['arm']}: {arm['what']}." for arm in one["arms"]],
        *[f"- {name}: not measured, {why}." for name, why in one["missing"].items()],
        "",
    ]


def _at_once(batch: int) -> str:
    """How many windows are a step, and go through the device together."""
    return "one window a step" if batch == 1 else f"{batch} windows a step, all at once"


def _line(arm: dict[str, Any]) -> str:
    document, trained = arm["document_tokens_per_second"], arm["trained_tokens_per_second"]
    cells = [
        arm["arm"],
        _between(document),
        *[f"{arm[key]:.2f}" if key in arm else "–" for key in ("times_A", "times_C")],
        _between(trained),
        f"{100 * arm['share_of_matmul_peak']['median']:.0f} %",
        f"{arm['trained_tokens_per_wall_second']['median']:.0f}",
        "–" if arm["peak_memory_mib"] is None else f"{arm['peak_memory_mib']:.0f}",
        f"{arm['loss']:.3f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _between(values: dict[str, float]) -> str:
    return f"{values['median']:.0f} ({values['least']:.0f}–{values['most']:.0f})"


def _instead(one: dict[str, Any]) -> list[str]:
    whole = FullContext(**one["full_context"])
    return [
        f"- H, the whole document in the window: {whole.prefill_seconds:.1f} s to read its "
        f"{one['document_tokens']} tokens, {whole.decode_seconds:.1f} s for {DECODED} tokens "
        f"behind them, {whole.cache_mib:.0f} MiB of keys and values.",
        f"- I, an index of its passages (BM25): {1000 * one['bm25_seconds']:.1f} ms.",
        "",
    ]


def _growth(growth: dict[str, Any], batch: int) -> list[str]:
    rows = zip(growth["lengths"], growth["seconds"], growth["memory"], strict=True)
    return [
        f"One pass of ours over documents of other lengths, {_at_once(batch)}: "
        f"seconds = {growth['a']:.2f} + {1000 * growth['b']:.3f} x thousand tokens.",
        "",
        "| tokens | seconds | MiB |",
        "|--:|--:|--:|",
        *[f"| {t} | {s:.2f} | {'–' if m is None else f'{m:.1f}'} |" for t, s, m in rows],
        "",
    ]
