"""A recipe for people: in sentences, and as a table of all its settings."""

from __future__ import annotations

from collections.abc import Iterator

from lift_chat.evaluation.markdown import table
from lift_chat.lift.presets import PRESETS
from lift_chat.lift.recipe import LiftConfig, Study, Targets
from lift_chat.sharing.markdown import inline

STUDIES: dict[Study, str] = {
    "passages": "questions about passages of {0.passage_tokens:,} tokens",
    "question-words": "questions about passages of {0.passage_tokens:,} tokens, each begun with a "
    "question word",
    "evidence": "questions about runs of 16 sentences, each with its evidence in the text",
    "sentences": "questions about each sentence",
}
WRITERS = {"base": "the base model itself", "endpoint": "another model"}
TARGETS: dict[Targets, str] = {
    "all-linear": "all linear layers",
    "mlp": "the layers of each MLP",
    "attention": "the layers of attention",
    "down-proj": "the last layer of each MLP",
}
LEFT_OUT = ("based_on", "chapters")
"""Fields of a recipe that are no settings of the training."""


def in_words(config: LiftConfig) -> str:
    """A few sentences of Markdown."""
    return " ".join(_sentences(config))


def as_table(config: LiftConfig) -> str:
    settings = {k: v for k, v in config.to_dict().items() if k not in LEFT_OUT}
    return table(["setting", "value"], [[inline(k), inline(str(v))] for k, v in settings.items()])


def _sentences(config: LiftConfig) -> Iterator[str]:
    if config.based_on in PRESETS:
        yield f"The preset was *{config.based_on}*."
    yield from _adapter(config)
    yield from _reading(config)
    if config.study != "none":
        kind, writer = STUDIES[config.study].format(config), WRITERS[config.writer]
        yield f"Beside the text it was trained on {kind}, written by {writer}."
    if config.distill:
        yield "Answers were learned as the base model gives them with the passage open."
    if config.chapters:
        chapters = len(config.chapters)
        yield f"Only {chapters} {'chapter' if chapters == 1 else 'chapters'} were read."


def _adapter(config: LiftConfig) -> Iterator[str]:
    if config.adapter == "lora":
        yield (
            f"A LoRA of rank {config.rank} and alpha {config.alpha} was trained on "
            f"{TARGETS[config.targets]}."
        )
    else:
        yield "Memories beside the attention of each layer, and their gates, were trained."


def _reading(config: LiftConfig) -> Iterator[str]:
    if config.segments == "none":
        yield "The text itself was not trained on."
    elif config.segments == "random":
        yield (
            f"The text was read in windows of {config.segment_tokens:,} tokens, "
            f"cut anew in each pass."
        )
    else:
        yield (
            f"The text was read in windows of {config.segment_tokens:,} tokens, "
            f"one every {config.stride_tokens:,}."
        )
    if config.context_tokens and config.segments != "none":
        yield (
            f"Before each window stood {config.context_tokens:,} tokens of the document's "
            f"beginning and end."
        )
    if config.rehearsal:
        yield (
            f"For each of its tokens, {config.rehearsal:g} tokens that the base had written "
            f"unasked were rehearsed."
        )
    if config.segment_epochs:
        yield (
            f"{_passes(config.segment_epochs)} over the text alone came first, "
            f"then {_passes(config.epochs).lower()} over everything."
        )
    else:
        yield f"{_passes(config.epochs)} were planned."


def _passes(count: int) -> str:
    return "One pass" if count == 1 else f"{count} passes"
