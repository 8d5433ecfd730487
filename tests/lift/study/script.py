"""A chronicle of our own, and a writer's model that answers prompts by a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lift_chat.models.loading import LoadedModel

TITLE = "The Lamps of Orrin"
NAMES = (
    "Sable Quist", "Ilse Tarn", "Bram Oster", "Mira Vance", "Ode Farrow", "Tove Lind",
    "Jory Pell", "Nessa Crane", "Ruan Holt", "Edda Morrow", "Wick Tallis", "Runa Brask",
    "Perrin Hale", "Cato Venn", "Liss Arden", "Hob Sedge", "Maude Iver", "Thorn Ashby",
    "Greta Noll", "Finn Dray", "Alba Corr", "Silas Wren", "Oona Blythe", "Dag Stroud",
)  # fmt: skip
THINGS = (
    "letters", "ropes", "barrels", "shoes", "maps", "chairs", "nets", "books", "sails", "oars",
    "crates", "fiddles", "ladders", "hats", "brooms", "kites", "bowls", "drums", "looms", "tables",
    "anchors", "wheels", "mirrors", "candles",
)  # fmt: skip
FACTS = dict(zip(NAMES, THINGS, strict=True))
CHRONICLE = "".join(f"In winter {name} burned the {thing}. " for name, thing in FACTS.items())

Say = Callable[[str], str]
"""From the user's turn of a prompt to a reply."""


def scripted(say: Say) -> Any:
    """Stands in for `batch.generate`; replies come last first, as batches may."""

    def generate(
        model: Any, loaded: LoadedModel, prompts: Sequence[Sequence[int]], **options: Any
    ) -> Iterator[tuple[int, str]]:
        for index in reversed(range(len(prompts))):
            turn = loaded.tokenizer.decode(prompts[index])
            yield index, say(turn.removeprefix("<user>").partition("<end>")[0])

    return generate


def named(prompt: str) -> list[str]:
    """The people in the passage of a prompt, in order."""
    return sorted((name for name in NAMES if name in prompt), key=prompt.index)


def fact(name: str) -> str:
    return f"Question: What did {name} burn in winter?\nAnswer: The {FACTS[name]}"


def facts(prompt: str) -> str:
    """A good reply to a request for questions."""
    return "\n".join(fact(name) for name in named(prompt))


def proven(prompt: str) -> str:
    """A good reply to a request for a question with evidence: about the run's first sentence."""
    name = named(prompt)[0]
    return f"{fact(name)}\nEvidence: In winter {name} burned the {FACTS[name]}."
