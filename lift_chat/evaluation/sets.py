"""Collections by name: which reader reads them, where they lie, and which documents are taken.

A collection is named `NAME:PLACE`; the place is a file or folder, or the id of a data set on the
Hub. Reading never runs anything of a data set: its files are parsed, its scripts are not fetched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation import (
    fairytaleqa,
    jsonl,
    leval,
    literaryqa,
    longbench,
    loogle,
    xquad,
)
from lift_chat.evaluation.questions import EvalDocument

Reader = Callable[[Path, str], Iterator[EvalDocument]]

READERS: dict[str, Reader] = {
    "fairytaleqa": fairytaleqa.read,
    "jsonl": jsonl.read,
    "leval": leval.read,
    "literaryqa": literaryqa.read,
    "longbench": longbench.read,
    "loogle": loogle.read,
    "xquad": xquad.read,
}


@dataclass(frozen=True)
class Selection:
    """Which documents of a collection, and how many questions of each. 0: no limit.

    Token counts are the base's, of the whole text.
    """

    split: str = ""
    documents: int = 0
    questions: int = 0
    min_tokens: int = 0
    max_tokens: int = 0

    def of(
        self, documents: Iterator[EvalDocument], tokens: Callable[[str], int]
    ) -> list[EvalDocument]:
        """The first documents of fitting length. Raises `InvalidConfig` if there is none."""
        fitting = (document for document in documents if self._fits(document, tokens))
        chosen = list(islice(fitting, self.documents or None))
        if not chosen:
            raise InvalidConfig("No document of the collection has the length that was asked for.")
        return [self._shortened(document) for document in chosen]

    def _fits(self, document: EvalDocument, tokens: Callable[[str], int]) -> bool:
        if not (self.min_tokens or self.max_tokens):
            return True
        count = tokens(document.text)
        return self.min_tokens <= count <= (self.max_tokens or count)

    def _shortened(self, document: EvalDocument) -> EvalDocument:
        most = self.questions or len(document.questions)
        if len(document.questions) <= most:
            return document
        # Spread over the document: the first questions are about its beginning.
        step = len(document.questions) / most
        kept = tuple(document.questions[int(place * step)] for place in range(most))
        return replace(document, questions=kept)


def open_set(named: str, split: str, home: Path | None = None) -> Iterator[EvalDocument]:
    """The documents of `NAME:PLACE`; of `NAME` alone, of the folder NAME in `home`.

    Raises `InvalidConfig` for an unknown name, `UnreadableDocument` for files that do not fit, and
    `NotFound` if the Hub does not have it.
    """
    name = named.partition(":")[0]
    if name not in READERS:
        names = ", ".join([*READERS, "needle"])
        raise InvalidConfig(f"There is no collection {name!r}; there are {names}.")
    return READERS[name](place_of(named, home), split)


def place_of(named: str, home: Path | None = None) -> Path:
    """Where a collection lies; one from the Hub is fetched first."""
    name, colon, place = named.partition(":")
    if not colon and home is not None:
        place = str(home / name)
    if not place:
        raise InvalidConfig(f"Say where {name} lies: --set {name}:PATH.")
    path = Path(place).expanduser()
    if path.exists():
        return path
    if re.fullmatch(r"[\w.-]+/[\w.-]+", place):
        from storage.hub.snapshots import download_dataset

        return download_dataset(place)
    raise InvalidConfig(f"There is neither a file nor a folder {place}.")
