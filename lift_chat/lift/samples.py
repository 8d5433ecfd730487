"""Training samples: token ids, which of them are labelled, and what they are to be pulled towards.

One shape for everything that is trained: raw windows, contextualized windows, questions from
weights alone, questions behind passages. A sample is cheap and knows nothing of how it is batched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lift_chat.lift.losses import IGNORE, Soft
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import assistant, prompt_ids, told_ids
from lift_chat.models.turns import Turn


@dataclass(frozen=True)
class Sample:
    """`ids` and `labels` have the same length; position t predicts label t + 1.

    `soft` replaces the labels by a teacher's distribution, one row per labelled position.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    soft: Soft | None = None
    is_text: bool = False
    """Whether this is the document's text, whose loss is the one that is shown."""

    @property
    def labelled(self) -> int:
        return sum(label != IGNORE for label in self.labels[1:])


def window(ids: Sequence[int]) -> Sample:
    """A raw window: every token is predicted from those before it."""
    return Sample(tuple(ids), tuple(ids), is_text=True)


def behind(prefix: Sequence[int], ids: Sequence[int], *, is_text: bool = False) -> Sample:
    """`ids` learned behind `prefix`, which itself has no loss."""
    return Sample((*prefix, *ids), (*(IGNORE for _ in prefix), *ids), is_text=is_text)


def answer(
    loaded: LoadedModel, prompt: Sequence[int], text: str, soft: Soft | None = None
) -> Sample:
    """The answer with its stop token behind a prompt; loss on these alone."""
    told = answer_ids(loaded, text)
    sample = behind(prompt, told)
    return Sample(sample.ids, sample.labels, soft)


def answer_ids(loaded: LoadedModel, text: str) -> list[int]:
    """Token ids of an answer, with the token that ends a turn."""
    ids: list[int] = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]
    return [*ids, loaded.ends.turn]


def conversation(loaded: LoadedModel, turns: Sequence[Turn]) -> Sample | None:
    """Loss on all that the assistant says, each turn with its stop token.

    None when the model's template rewrites earlier turns, so that what is trained would not be
    what is asked later.
    """
    ids = told_ids(loaded, turns)
    labels = [IGNORE] * len(ids)
    stop = loaded.ends.stop
    for index, turn in enumerate(turns):
        if turn["role"] != "assistant":
            continue
        asked, told = prompt_ids(loaded, turns[:index]), told_ids(loaded, turns[: index + 1])
        start = len(asked)
        if ids[:start] != asked or ids[: len(told)] != told:
            return None
        end = next((i for i in range(start, len(told)) if ids[i] in stop), len(told) - 1) + 1
        labels[start:end] = ids[start:end]
    return Sample(tuple(ids), tuple(labels))


def one_turn(loaded: LoadedModel, question: Turn, text: str) -> Sample:
    """One question and its answer as a whole conversation."""
    sample = conversation(loaded, [question, assistant(text)])
    return sample or answer(loaded, prompt_ids(loaded, [question]), text)
