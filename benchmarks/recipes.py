"""Recipes side by side on the first pages of a few tales: the table that presets are chosen from.

    python -m benchmarks.recipes FAIRYTALEQA --tale NAME ... --recipe "field=value,..." ...
        [--tokens 900] [--window-tokens 384] [--questions 18] [--threads 1] [--out FILE.json]

Of each tale (validation split) the first whole sections within `--tokens` are absorbed, and the
questions whose sections are among them are asked: closed book, with the truncated text, with found
passages. A recipe is the preset *read* without exam, changed by its fields; `strength` may be
among them. Study questions are written once per way of writing and shared by the recipes. Rows are
added to the file as they come, so that recipes can be measured one by one. Tales that presets are
chosen on must not be those that they are judged on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.tales import beginnings
from lift_chat.adapters import kinds
from lift_chat.base_model import load_base
from lift_chat.evaluation.answering import answer_all
from lift_chat.evaluation.arms import Room, WindowName
from lift_chat.evaluation.questions import EvalDocument
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.recipe import LiftConfig, typed
from lift_chat.lift.study.writing import write_items
from lift_chat.lift.surroundings import Surroundings
from lift_chat.models.device import pick_device
from lift_chat.models.loading import LoadedModel
from lift_chat.settings import Settings
from lift_chat.steps import finished
from storage.records import StudyItem

WINDOWS: tuple[WindowName, ...] = ("closed", "truncated", "retrieved")
WRITING = ("study", "questions", "passage_tokens")
"""Settings that the written questions depend on."""


class Bench:
    """Documents, their written questions, and what every recipe came to."""

    def __init__(self, loaded: LoadedModel, documents: Sequence[EvalDocument], room: Room) -> None:
        self.loaded, self.documents, self.room = loaded, documents, room
        self._written: dict[tuple[Any, ...], list[StudyItem]] = {}

    def base(self) -> dict[str, Any]:
        return {"recipe": "base", **self._scores([self.loaded.model] * len(self.documents))}

    def measure(self, text: str) -> dict[str, Any]:
        """One row: what a recipe, written as `field=value,...`, is worth on all documents."""
        settings = (part.partition("=") for part in text.split(",") if part)
        changes = {name: typed(value) for name, _, value in settings}
        strength = changes.pop("strength", 1.0)
        config = LiftConfig.preset("read", exam_questions=0, **changes)
        lessons = []
        for document in self.documents:
            items = self._items(document, config)
            with tempfile.TemporaryDirectory() as folder:
                lesson = Lesson(
                    self.loaded,
                    document.text,
                    config,
                    folder=Path(folder),
                    turn=nullcontext,
                    title=document.title,
                    around=Surroundings(given=items),
                )
                for _ in lesson.run():
                    pass
            kinds.set_strength(lesson.adapted, strength)
            lessons.append((lesson, len(items)))
        metrics = [lesson.metrics() for lesson, _ in lessons]
        return {
            "recipe": text,
            "items": sum(count for _, count in lessons),
            "trained_tokens": sum(one["trained_tokens"] for one in metrics),
            "trained_seconds": round(sum(one["trained_seconds"] for one in metrics)),
            "loss": round(mean(one["loss_after"] for one in metrics), 2),
            "control": round(mean(_forgotten(one) for one in metrics), 2),
            **self._scores([lesson.adapted for lesson, _ in lessons]),
        }

    def _items(self, document: EvalDocument, config: LiftConfig) -> list[StudyItem]:
        if config.study == "none":
            return []
        key = (document.id, *(getattr(config, name) for name in WRITING))
        if key not in self._written:
            writing = write_items(
                self.loaded, document.title, document.text, config, turn=nullcontext
            )
            self._written[key] = finished(writing).items
        return self._written[key]

    def _scores(self, models: Sequence[Any]) -> dict[str, Any]:
        scores: dict[str, Any] = {}
        for window in WINDOWS:
            rows = [
                row["scores"]
                for model, document in zip(models, self.documents, strict=True)
                for row in answer_all(model, self.loaded, document, window, self.room, nullcontext)
            ]
            scores[window] = {
                "f1": round(100 * mean(row["f1"] for row in rows), 1),
                "nll": round(mean(row["nll"] for row in rows), 2),
            }
        return scores


def _forgotten(metrics: dict[str, Any]) -> float:
    found = metrics["forgetting"]
    return float(found["loss_after"] - found["loss_before"])


def _line(row: dict[str, Any]) -> str:
    cells = [f"{row[window]['f1']:.1f} / {row[window]['nll']:.2f}" for window in WINDOWS]
    facts = [
        row.get(name, "") for name in ("items", "trained_tokens", "trained_seconds", "control")
    ]
    return "| " + " | ".join(str(cell) for cell in [row["recipe"], *cells, *facts]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tale", action="append", required=True)
    parser.add_argument("--recipe", action="append", default=[])
    parser.add_argument("--tokens", type=int, default=900)
    parser.add_argument("--window-tokens", type=int, default=384)
    parser.add_argument("--questions", type=int, default=18)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    loaded = load_base(Settings(), "embedded", pick_device("cpu"))
    documents = beginnings(
        arguments.folder, arguments.tale, loaded, arguments.tokens, arguments.questions
    )
    bench = Bench(loaded, documents, Room(arguments.window_tokens, 32))
    rows = json.loads(arguments.out.read_text())["rows"] if _kept(arguments.out) else []
    for text in ["base", *arguments.recipe]:
        if any(row["recipe"] == text for row in rows):
            continue
        rows.append(bench.base() if text == "base" else bench.measure(text))
        print(_line(rows[-1]), flush=True)
        if arguments.out:
            report = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "tales": arguments.tale}
            report |= {"questions": sum(len(one.questions) for one in documents)}
            arguments.out.write_text(json.dumps({**report, "rows": rows}, indent=1) + "\n")


def _kept(file: Path | None) -> bool:
    return file is not None and file.exists()


if __name__ == "__main__":
    main()
