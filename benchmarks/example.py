"""Absorbs the example document and asks its 40 questions: base and adapter, with and without text.

    python -m benchmarks.example [--preset read] [--set key=value ...] [--out FILE.json]

Six arms, all greedy, same prompts, same window: the base and the adapter, closed book (nothing
but the title in the prompt), with the truncated document and with found passages in the window.
Scores are means over the questions, in percent: token F1, share of the gold answer's words in the
answer ("recall"), and share of answers that contain a gold answer whole. Prints a table; writes
every answer as JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.command import command
from lift_chat import ChatSettings, LiftChat, LiftConfig
from lift_chat.evaluation.metrics import score
from lift_chat.examples import EXAMPLE, questions
from lift_chat.lift.recipe import typed
from lift_chat.settings import Settings
from storage.records import Adapter

MODES = ("none", "truncated", "retrieved")


def main() -> None:
    arguments = _arguments()
    changes = dict(_setting(text) for text in arguments.set)
    config = LiftConfig.preset(arguments.preset, **changes)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.from_flags(home=Path(home), base_model=arguments.base_model)
        with LiftChat.open(settings=settings) as app:
            adapter = _absorb(app, config)
            seconds = time.monotonic() - started
            arms = [arm for mode in MODES for arm in _ask_all(app, adapter, mode)]
            report = {**_report(app, adapter, arms), "seconds": round(seconds, 1)}
    print(_table(report))
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="read")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--base-model", default=None)
    parser.add_argument("--out", default=None)
    return parser.parse_args()


def _setting(text: str) -> tuple[str, Any]:
    key, _, value = text.partition("=")
    return key, typed(value)


def _absorb(app: LiftChat, config: LiftConfig) -> Adapter:
    document = app.add_document(EXAMPLE.pdf)
    handle = app.absorb(document.id, config)
    for status in handle.events(poll=2.0):
        job = status.job
        print(f"\r{job.stage} {job.step}/{job.total}   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return handle.wait()


def _ask_all(app: LiftChat, adapter: Adapter, mode: str) -> list[dict[str, Any]]:
    """One row per question with both answers and their scores."""
    settings = ChatSettings.from_dict(
        {"context": mode, "max_new_tokens": 48, "repetition_penalty": 1.0}
    )
    rows = []
    for number, question in enumerate(questions(), start=1):
        *_, last = app.compare(adapter.id, question.question, settings)
        for arm, answer in (("base", last.base), ("adapter", last.adapted)):
            rows.append(
                {
                    "arm": arm,
                    "context": mode,
                    "question": question.question,
                    "gold": list(question.answers),
                    "answer": answer,
                    "prompt_tokens": last.window.prompt_tokens,
                    **asdict(score(answer, question.answers)),
                }
            )
        print(f"\r{mode} {number}/40   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def _report(app: LiftChat, adapter: Adapter, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": command("benchmarks.example"),
        "machine": f"{platform.machine()}, {app.device.kind}, {app.device.name}",
        "base_model": adapter.base_model,
        "recipe": adapter.recipe,
        "metrics": adapter.metrics,
        "arms": _means(rows),
        "answers": rows,
    }


def _means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = ("f1", "recall", "contains")
    means = []
    for mode in MODES:
        for arm in ("base", "adapter"):
            chosen = [row for row in rows if (row["arm"], row["context"]) == (arm, mode)]
            scores = {n: round(100 * sum(r[n] for r in chosen) / len(chosen), 1) for n in names}
            means.append({"arm": arm, "context": mode, "questions": len(chosen), **scores})
    return means


def _exam_lines(metrics: dict[str, Any]) -> list[str]:
    exam = metrics.get("exam")
    if not exam:
        return []
    base, adapter = exam["base"], exam["adapter"]
    return [
        f"Exam of {exam['questions']} held-out questions: closed book {base['closed']} % before, "
        f"{adapter['closed']} % after; truncated {base['truncated']} % before, "
        f"{adapter['truncated']} % after; absorption {metrics['absorption']:.2f}",
    ]


def _table(report: dict[str, Any]) -> str:
    metrics = report["metrics"]
    lines = [
        f"{report['base_model']}: loss on the document {metrics['loss_before']:.2f} before, "
        f"{metrics['loss_after']:.2f} after {metrics['trained_tokens']:,} trained tokens in "
        f"{metrics['trained_seconds']:.0f} s; {report['seconds']:.0f} s with questions, exam and "
        "measurements",
        *_exam_lines(metrics),
        "",
        "| arm | context | token F1 | recall | contains gold |",
        "|---|---|--:|--:|--:|",
    ]
    for arm in report["arms"]:
        scores = " | ".join(str(arm[n]) for n in ("f1", "recall", "contains"))
        lines.append(f"| {arm['arm']} | {arm['context']} | {scores} |")
    return "\n".join(lines)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"\n{time.monotonic() - started:.0f} s in all", file=sys.stderr)
