"""The beginnings of a few tales of FairytaleQA, short enough to be absorbed on a CPU, and the
experts' questions about them. Validation split: the shipped reader learned on the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lift_chat.evaluation.fairytaleqa import read
from lift_chat.evaluation.questions import EvalDocument
from lift_chat.models.loading import LoadedModel
from lift_chat.reader.sources import rows_of


def beginnings(
    folder: Path, tales: Sequence[str], loaded: LoadedModel, tokens: int, questions: int
) -> list[EvalDocument]:
    """The first whole sections of each tale, with at most so many of their questions."""
    found = {document.id: document for document in read(folder, "val")}
    if unknown := sorted(set(tales) - set(found)):
        raise SystemExit(f"There is no tale {', '.join(unknown)} in the validation split.")
    return [_beginning(folder, found[name], loaded, tokens, questions) for name in tales]


def _beginning(
    folder: Path, whole: EvalDocument, loaded: LoadedModel, tokens: int, most: int
) -> EvalDocument:
    sections = rows_of(folder / "section-stories/val" / f"{whole.id}-story.csv", "text", "section")
    texts, names = [], set()
    for section in sections:
        text = " ".join(section["text"].split())
        tokens -= len(loaded.tokenizer(text)["input_ids"])
        if tokens < 0:
            break
        texts.append(text)
        names.add(section["section"])
    if not texts:
        raise SystemExit(f"The first section of {whole.id} is longer than --tokens.")
    rows = rows_of(folder / "questions/val" / f"{whole.id}-questions.csv", "cor_section")
    asked = [
        question
        for question, row in zip(whole.questions, rows, strict=True)
        if set(row["cor_section"].replace(" ", "").split(",")) <= names
    ]
    step = max(len(asked) / most, 1.0)
    chosen = tuple(asked[int(place * step)] for place in range(min(most, len(asked))))
    return EvalDocument(id=whole.id, title=whole.title, text="\n\n".join(texts), questions=chosen)
