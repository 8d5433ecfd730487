"""The advanced settings: controls made from a config's fields, and the config made from them.

A new field of `LiftConfig` appears here by itself, with its docstring as its help; `GROUPS` only
says under which heading. Only what the
person changed is kept, as a plain dict beside the preset's name, so that no handler needs one
input per control. Knows nothing of what the settings mean.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin, get_type_hints

import gradio as gr

from lift_chat.errors import InvalidConfig
from lift_chat.lift.recipe import RANKS, LiftConfig
from storage.records import Chapter
from ui.present import chapter_choices
from ui.words import TICK_A_CHAPTER

CHOSEN_ELSEWHERE = ("based_on", "chapters")
"""Fields that have their own place on the page."""

GROUPS: dict[str, tuple[str, ...]] = {
    "Adapter": ("adapter", "rank", "alpha", "targets"),
    "Gated Memory": (
        "memory_width", "gate", "gate_width", "skip_layers", "gate_penalty", "fit_passes",
    ),
    "Text": (
        "segments", "segment_tokens", "stride_tokens", "context_tokens", "rehearsal",
        "segment_epochs",
    ),
    "Questions": (
        "study", "questions", "passage_tokens", "mixed_kinds", "open_share", "distill", "writer",
    ),
    "Exam": ("exam_questions", "exams", "patience"),
    "Optimizer": (
        "epochs", "learning_rate", "schedule", "warmup_steps", "batch_segments",
        "one_step_per_epoch", "seed", "checkpoint_seconds",
    ),
}  # fmt: skip
"""Fields by heading; those of no group come last, under `OTHER`."""

OTHER = "Other"
NOTES = {
    "Gated Memory": "Only used when the adapter is gated-memory; rank, alpha and targets are not.",
}


@dataclass(frozen=True)
class Setting:
    """One field as a control. `choices` is empty for a number and for a yes or no."""

    name: str
    label: str
    help: str
    kind: type
    choices: tuple[Any, ...]

    @property
    def whole(self) -> bool:
        return self.kind is int

    def control(self, value: Any) -> gr.components.Component:
        if self.kind is bool:
            return gr.Checkbox(value=value, label=self.label, info=self.help, min_width=150)
        if self.choices:
            return gr.Dropdown(
                list(self.choices), value=value, label=self.label, info=self.help, min_width=150
            )
        return gr.Number(
            value=value,
            precision=0 if self.whole else None,
            step=1 if self.whole else 0.0001,
            label=self.label,
            info=self.help,
            min_width=150,
        )


@cache
def settings(config: type = LiftConfig) -> tuple[Setting, ...]:
    """The fields of a config dataclass that a person may change, in order."""
    hints, helps = get_type_hints(config), field_docstrings(config)
    found = []
    for field in fields(config):
        if field.name in CHOSEN_ELSEWHERE:
            continue
        hint = hints[field.name]
        choices = get_args(hint) if get_origin(hint) is Literal else ()
        found.append(
            Setting(
                name=field.name,
                label=field.name.replace("_", " ").capitalize(),
                help=helps.get(field.name, ""),
                kind=hint if isinstance(hint, type) else str,
                choices=RANKS if field.name == "rank" else choices,
            )
        )
    return tuple(found)


def field_docstrings(config: type) -> dict[str, str]:
    """The string below each field, as one line; empty where the source is not at hand."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(config)))
    except OSError:
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    helps: dict[str, str] = {}
    for field, text in pairwise(body):
        is_text = isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and is_text:
            helps[field.target.id] = " ".join(str(text.value.value).split())  # type: ignore[attr-defined]
    return helps


def grouped(found: Sequence[Setting]) -> dict[str, list[Setting]]:
    """The settings under their headings, each in exactly one; headings without any are left out."""
    heading = {name: group for group, names in GROUPS.items() for name in names}
    groups: dict[str, list[Setting]] = {group: [] for group in (*GROUPS, OTHER)}
    for setting in found:
        groups[heading.get(setting.name, OTHER)].append(setting)
    return {group: members for group, members in groups.items() if members}


def layout(preset: str) -> dict[str, gr.components.Component]:
    """The controls under their headings, filled from a preset; by field name, in the order of
    `preset_values`."""
    values = preset_values(preset)
    controls: dict[str, gr.components.Component] = {}
    for group, members in grouped(settings()).items():
        note = f'<p class="lc-sub">{NOTES[group]}</p>' if group in NOTES else ""
        gr.HTML(f'<h3 class="lc-shelf">{group}</h3>{note}')
        with gr.Row(elem_classes="lc-form"):
            for setting in members:
                if setting.kind is not bool:
                    controls[setting.name] = setting.control(values[setting.name])
        # In a row beside others a checkbox is pressed to the width of its box.
        for setting in members:
            if setting.kind is bool:
                controls[setting.name] = setting.control(values[setting.name])
    return {setting.name: controls[setting.name] for setting in settings()}


def preset_values(preset: str) -> dict[str, Any]:
    values = LiftConfig.preset(preset).to_dict()
    return {setting.name: values[setting.name] for setting in settings()}


def changed(name: str, preset: str, changes: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """`changes` after the control `name` was set to `value`; an emptied control is no change."""
    rest = {key: kept for key, kept in changes.items() if key != name}
    if value is None or value == preset_values(preset)[name]:
        return rest
    return {**rest, name: value}


def config(
    preset: str,
    changes: Mapping[str, Any],
    ticked: Sequence[int],
    outline: Sequence[Chapter],
) -> LiftConfig:
    """The recipe on the page. All chapters ticked is the whole document, also what lies between.

    Raises `InvalidConfig` on a setting out of range, or when no chapter is ticked.
    """
    offered = [index for _, index in chapter_choices(outline)]
    if offered and not ticked:
        raise InvalidConfig(TICK_A_CHAPTER)
    whole = set(ticked) >= set(offered)
    return LiftConfig.preset(preset, **changes, chapters=() if whole else tuple(sorted(ticked)))
