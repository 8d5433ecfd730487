"""Multiple choice: which of the choices a model finds most likely behind a prompt.

Nothing is generated, so that a model is not judged by how it names a choice. Knows token ids,
nothing of documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lift_chat.lift.absorption import sample_losses
from lift_chat.lift.samples import behind
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel


def choose(
    model: Any, loaded: LoadedModel, prompt: Sequence[int], choices: Sequence[str], turn: Turn
) -> list[float]:
    """Mean log likelihood per token of each choice behind the prompt: the highest is chosen.

    Normalised by length, so that a long choice is not at a disadvantage (Brown et al. 2020, arXiv
    2005.14165 section 2.4). `model` is the base or a tree with an adapter on it. Raises
    `ValueError` for a choice without a token.
    """
    texts = [loaded.tokenizer(choice, add_special_tokens=False)["input_ids"] for choice in choices]
    if not all(texts):
        raise ValueError("A choice has no tokens.")
    samples = [behind(prompt, ids) for ids in texts]
    losses = dict(sample_losses(model, loaded, samples, turn))
    return [-losses[index] for index in range(len(choices))]


def right_choices(likelihoods: Sequence[float], right: Sequence[int]) -> float:
    """Share of right ones among as many most likely choices as there are right ones.

    With one right choice that is accuracy. `right` holds positions.
    """
    order = sorted(range(len(likelihoods)), key=lambda i: (-likelihoods[i], i))
    return len(set(order[: len(right)]) & set(right)) / len(right)
