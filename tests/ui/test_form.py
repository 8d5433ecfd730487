from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import gradio as gr
import pytest

from lift_chat.errors import InvalidConfig
from lift_chat.lift.presets import PRESETS
from lift_chat.lift.recipe import LiftConfig
from storage.records import Chapter
from tests.ui.conftest import in_loop
from ui import form, settings_box
from ui.words import PRESETS as PRESET_LINES

OUTLINE = [Chapter("One", 1, 1, 0, 5), Chapter("Two", 1, 2, 5, 9)]


def test_every_field_of_the_recipe_has_a_control_with_a_help_text() -> None:
    names = {setting.name for setting in form.settings()}
    assert names == {field.name for field in fields(LiftConfig)} - set(form.CHOSEN_ELSEWHERE)
    assert all(setting.help and setting.label for setting in form.settings())


def test_every_setting_stands_under_exactly_one_heading() -> None:
    groups = form.grouped(form.settings())
    names = [setting.name for members in groups.values() for setting in members]
    assert sorted(names) == sorted(setting.name for setting in form.settings())
    assert form.OTHER not in groups, "a new field of the recipe wants a heading"
    told = {s.name for s in form.settings() if s.help.startswith("Gated Memory:")}
    assert told == {setting.name for setting in groups["Gated Memory"]}


def test_a_field_without_a_group_is_not_lost() -> None:
    new = form.Setting("novel", "Novel", "New.", int, ())
    assert form.grouped([new]) == {form.OTHER: [new]}


def test_the_controls_come_in_the_order_of_the_presets_values() -> None:
    def made() -> dict[str, Any]:
        with gr.Blocks():
            return form.layout("study")

    controls = in_loop(made)
    assert list(controls) == list(form.preset_values("study"))
    assert {name: control.value for name, control in controls.items()} == (
        form.preset_values("study")
    )


def test_a_new_field_becomes_a_control_by_its_type() -> None:
    @dataclass
    class Config:
        count: int = 1
        """How many."""
        rate: float = 0.5
        """How fast,
        over two lines."""
        way: Literal["a", "b"] = "a"
        careful: bool = False

    made = {setting.name: setting for setting in form.settings(Config)}
    assert (made["count"].whole, made["rate"].whole) == (True, False)
    assert made["rate"].help == "How fast, over two lines."
    assert made["way"].choices == ("a", "b")
    assert isinstance(made["count"].control(3), gr.Number)
    assert isinstance(made["way"].control("b"), gr.Dropdown)
    assert isinstance(made["careful"].control(True), gr.Checkbox)


def test_each_preset_fills_the_controls_and_has_a_line_on_the_page() -> None:
    assert set(PRESET_LINES) == set(PRESETS)
    for name in PRESETS:
        assert form.config(name, {}, [0, 1], OUTLINE) == LiftConfig.preset(name)


def test_only_what_differs_from_the_preset_is_a_change() -> None:
    changes = form.changed("epochs", "read", {}, 3)
    assert changes == {"epochs": 3}
    assert form.changed("epochs", "read", changes, LiftConfig.preset("read").epochs) == {}
    assert form.changed("epochs", "read", changes, None) == {}


def test_all_chapters_mean_the_whole_document() -> None:
    assert form.config("read", {}, [1, 0], OUTLINE).chapters == ()
    assert form.config("read", {}, [1], OUTLINE).chapters == (1,)
    assert form.config("read", {}, [], []).chapters == ()


def test_no_chapter_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="at least one chapter"):
        form.config("read", {}, [], OUTLINE)


def test_a_setting_out_of_range_is_refused_with_its_sentence() -> None:
    with pytest.raises(InvalidConfig, match="epochs must lie"):
        form.config("read", {"epochs": 0}, [], [])


def test_chat_settings_take_whole_numbers_as_sliders_give_them() -> None:
    assert settings_box.chosen({"max_new_tokens": 64.0, "seed": 7.0}).max_new_tokens == 64
    assert settings_box.chosen({}) == settings_box.DEFAULTS


def test_a_reset_forgets_all_changes() -> None:
    changes = settings_box.changed("temperature", {}, 0.7)
    assert changes == {"temperature": 0.7}
    assert settings_box.defaults()[0] == {}
    assert settings_box.changed("temperature", changes, None) == {}
