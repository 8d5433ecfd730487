"""LongBench (Bai et al. 2023, arXiv 2308.14508), its English tasks with a score of ours.

JSON lines with "context", "input", "answers" and "dataset" (or the file's name). Prompts and
lengths are its own; from weights alone, the question is asked as every other. Rows of one task
with the same context are one document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from lift_chat.evaluation.jsonl import Row, files, made, text_of, texts_of
from lift_chat.evaluation.longbench_tasks import TASKS
from lift_chat.evaluation.questions import NUMBERED, EvalDocument, EvalQuestion


@dataclass(frozen=True)
class _Asked:
    task: str
    name: str
    context: str
    question: EvalQuestion


def read(path: Path, split: str) -> Iterator[EvalDocument]:
    """Documents of a file or folder; `split` is a task (musique) or, empty, all there are."""
    wanted = [path] if path.is_file() else files(path, f"{split or '*'}.jsonl")
    for file in wanted:
        asked = made(file, _asked)
        for _, group in groupby(asked, key=lambda entry: (entry.task, entry.context)):
            same = list(group)
            yield EvalDocument(
                id=same[0].name,
                title=f"{same[0].task} {same[0].name.rpartition('-')[2]}",
                text=same[0].context,
                questions=tuple(entry.question for entry in same),
            )


def _asked(row: Row, name: str) -> _Asked:
    task = row.get("dataset") or name.rpartition("-")[0]
    if task not in TASKS:
        raise ValueError(f"the task {task!r} is not among {', '.join(TASKS)}")
    known = TASKS[task]
    given = text_of(row, "input").strip()
    question = EvalQuestion(
        question=known.closed.replace("{input}", given),
        answers=texts_of(row, "answers"),
        kind=NUMBERED if known.score == "number" else str(task),
        prompt=known.prompt.replace("{input}", given),
        max_new_tokens=known.max_new_tokens,
    )
    return _Asked(str(task), name, text_of(row, "context"), question)
