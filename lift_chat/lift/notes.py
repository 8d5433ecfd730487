"""What a run has asked its models so far, kept as it comes, so that nothing is asked twice.

Training has checkpoints; everything else a run does (writing questions, asking them back, exams,
measuring) is asking a model with certain weights a certain thing. A note is the answer to one such
thing, under a key that says all it depends on: a run that was cut off finds its notes, asks only
for the rest, and comes to the very same end. Knows no meaning of what is asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from lift_chat.models import batch
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel

NAME = "notes.jsonl"

Ask = Callable[[list[int]], Iterator[tuple[int, Any]]]
"""Given places, yields (place, JSON value) for each of them in any order."""


class Notes:
    """A line per note in `folder`; without a folder nothing is remembered.

    A line that a kill left unfinished is not there. Raises OSError when a note cannot be kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = folder and folder / NAME
        self._known: dict[str, Any] = {}
        self._torn = False
        if self._path is not None and self._path.exists():
            self._read(self._path.read_bytes())

    def _read(self, content: bytes) -> None:
        for line in content.split(b"\n"):
            try:
                key, value = json.loads(line)
            except (ValueError, TypeError):
                continue
            self._known[key] = value
        self._torn = not content.endswith(b"\n") and bool(content)

    def recall(self, key: str) -> Any:
        """The noted value, or None."""
        return self._known.get(key)

    def note(self, key: str, value: Any) -> None:
        if self._path is None:
            return
        self._known[key] = value
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps([key, value], ensure_ascii=False).encode() + b"\n"
        with self._path.open("ab") as file:
            # A line break of its own, or the unfinished line would swallow this one.
            file.write(b"\n" + line if self._torn else line)
        self._torn = False

    def all_of(self, keys: Sequence[str], ask: Ask) -> Iterator[tuple[int, Any]]:
        """(place, value) of every key: first what is known, then the rest, noted as it comes.

        Whoever asks in batches has to make them of all, and ask those in which a place is missing:
        in another batch an answer may round otherwise.
        """
        missing = []
        for place, key in enumerate(keys):
            if key in self._known:
                yield place, self._known[key]
            else:
                missing.append(place)
        for place, value in ask(missing) if missing else ():
            self.note(keys[place], value)
            yield place, value

    def once(self, key: str, ask: Callable[[], Any]) -> Any:
        """The noted value, or what `ask` gives now."""
        value = self.recall(key)
        if value is None:
            value = ask()
            self.note(key, value)
        return value

    def who(self, loaded: LoadedModel, model: Any) -> str:
        """A name for the weights of `model`, a tree over `loaded`'s base, to begin keys with."""
        return _weights(loaded, model) if self._path is not None else ""

    def generate(
        self,
        model: Any,
        loaded: LoadedModel,
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int,
        turn: Turn,
    ) -> Iterator[tuple[int, str]]:
        """As `batch.generate`, for prompts that may have been answered before."""

        def ask(places: list[int]) -> Iterator[tuple[int, str]]:
            return batch.generate(
                model, loaded, prompts, max_new_tokens=max_new_tokens, turn=turn, wanted=places
            )

        who = self.who(loaded, model)
        keys = [key(who, "answer", max_new_tokens, list(prompt)) for prompt in prompts]
        yield from self.all_of(keys, ask)


NO_NOTES = Notes()
"""For whoever asks once."""


def key(who: str, *what: Any) -> str:
    """For asking `what` (JSON values) of the weights named `who`."""
    return hashlib.sha256(json.dumps([who, *what]).encode()).hexdigest()[:32]


def _weights(loaded: LoadedModel, model: Any) -> str:
    """Of the base its fingerprint, of what stands on it every byte."""
    base = {id(parameter) for parameter in loaded.model.parameters()}
    dtype = str(loaded.device.dtype)
    digest = hashlib.sha256(f"{loaded.identity.fingerprint} {dtype} {loaded.four_bit}".encode())
    for name, parameter in model.named_parameters():
        if id(parameter) not in base:
            digest.update(name.encode())
            digest.update(parameter.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:32]
