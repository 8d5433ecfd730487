"""How answers are made: the few settings of the chat, with a reset.

What differs from the defaults is kept as one dict, so that every handler of the chat takes one
input for all of them; `chosen` makes a validated `ChatSettings` of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from lift_chat import ChatSettings
from lift_chat.adapters.kinds import STRONGEST
from ui.quiet import QUIET
from ui.words import CONTEXT_HELP, STRENGTH_HELP

DEFAULTS = ChatSettings()
WHOLE = ("max_new_tokens", "seed")
PERCENT = ("strength",)
"""Settings that the page shows a hundred times as large as they are."""

LONGEST_ANSWER = 1024


@dataclass(frozen=True)
class SettingsBox:
    changes: gr.State
    controls: dict[str, Any]
    reset: gr.Button


def layout() -> SettingsBox:
    context = gr.Radio(
        [
            ("Passages that fit", "retrieved"),
            ("Beginning and end", "truncated"),
            ("Nothing: weights only", "none"),
        ],
        value=DEFAULTS.context,
        label="What the model may look at",
        info=CONTEXT_HELP,
        elem_id="chat-context",
    )
    strength = gr.Slider(
        0,
        100 * STRONGEST,
        value=100 * DEFAULTS.applied_strength,
        step=5,
        label="Strength of what was absorbed (%)",
        info=STRENGTH_HELP,
        buttons=[],
        elem_id="chat-strength",
    )
    with gr.Accordion("Answer settings", open=False):
        controls = {"context": context, "strength": strength, **_numbers()}
        reset = gr.Button("Reset", size="sm")
    return SettingsBox(gr.State({}), controls, reset)


def _numbers() -> dict[str, Any]:
    longest = gr.Slider(
        16,
        LONGEST_ANSWER,
        value=DEFAULTS.max_new_tokens,
        step=1,
        label="Longest answer (tokens)",
        buttons=[],
    )
    temperature = gr.Slider(
        0,
        2,
        value=DEFAULTS.temperature,
        step=0.05,
        label="Temperature",
        info="0 always takes the likeliest word.",
        buttons=[],
    )
    seed = gr.Number(
        value=DEFAULTS.seed,
        precision=0,
        minimum=0,
        label="Seed",
        info="Matters above temperature 0.",
    )
    return {"max_new_tokens": longest, "temperature": temperature, "seed": seed}


def changed(name: str, changes: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """`changes` after the control `name` was set; an emptied control means its default."""
    rest = {key: kept for key, kept in changes.items() if key != name}
    return rest if value is None else {**rest, name: value}


def chosen(changes: Mapping[str, Any]) -> ChatSettings:
    """The settings on the page. Raises `InvalidConfig`."""
    values = dict(changes)
    values |= {name: int(values[name]) for name in WHOLE if name in values}
    values |= {name: values[name] / 100 for name in PERCENT if name in values}
    return ChatSettings.from_dict(values)


def defaults() -> tuple[Any, ...]:
    """No change, and each control's default, in the order of `layout`."""
    names = ("context", "strength", "max_new_tokens", "temperature", "seed")
    values = {name: getattr(DEFAULTS, name) for name in names}
    values["strength"] = 100 * DEFAULTS.applied_strength
    return {}, *values.values()


def strength_shown(changes: Mapping[str, Any], context: str) -> Any:
    """The dial follows what may be looked at, until somebody has set it."""
    if "strength" in changes:
        return gr.skip()
    return 100 * ChatSettings.from_dict({"context": context}).applied_strength


def wire(box: SettingsBox) -> None:
    for name, control in box.controls.items():
        control.input(partial(changed, name), [box.changes, control], box.changes, **QUIET)
    context, strength = box.controls["context"], box.controls["strength"]
    context.input(strength_shown, [box.changes, context], strength, **QUIET)
    box.reset.click(defaults, None, [box.changes, *box.controls.values()], **QUIET)
