from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from lift_chat.errors import InvalidConfig
from lift_chat.lift.presets import PRESETS
from lift_chat.lift.recipe import LiftConfig


@pytest.mark.parametrize(
    "changes",
    [
        {"segment_tokens": 8},
        {"stride_tokens": 0},
        {"stride_tokens": 4096},
        {"epochs": 0},
        {"rank": 12},
        {"alpha": 0},
        {"alpha": 4096},
        {"targets": "everything"},
        {"schedule": "wobbly"},
        {"learning_rate": 0.0},
        {"learning_rate": 1.0},
        {"warmup_steps": -1},
        {"batch_segments": 0},
        {"seed": -1},
        {"chapters": (-1,)},
        {"checkpoint_seconds": -1.0},
        {"adapter": "prefix"},
        {"segments": "sometimes"},
        {"segments": "none"},
        {"segments": "none", "study": "passages", "segment_epochs": 1},
        {"study": "everything"},
        {"writer": "ghost"},
        {"gate": "wide"},
        {"segment_epochs": -1},
        {"context_tokens": -1},
        {"questions": 0},
        {"passage_tokens": 8},
        {"open_share": -0.1},
        {"open_share": 5.0},
        {"exam_questions": -1},
        {"exams": -1},
        {"patience": -1},
        {"memory_width": 0},
        {"gate_width": 17},
        {"skip_layers": -1},
        {"gate_penalty": -1.0},
    ],
)
def test_a_setting_out_of_range_is_refused_with_one_sentence(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig) as caught:
        LiftConfig(**changes)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_the_way_through_json(name: str) -> None:
    config = LiftConfig.preset(name, chapters=(0, 2))
    assert LiftConfig.from_dict(config.to_dict()) == config
    assert config.based_on == name


@pytest.mark.parametrize(
    "values",
    [
        {"epochz": 3},
        {"epochs": "3"},
        {"epochs": 2.5},
        {"epochs": True},
        {"learning_rate": "fast"},
        {"chapters": "1-3"},
        {"chapters": [1.5]},
        {"schedule": 3},
        {"distill": 1},
        {"mixed_kinds": "yes"},
        {"adapter": None},
        {"study": 3},
        {"open_share": "half"},
        {"exams": 1.5},
        {"exams": float("inf")},
    ],
)
def test_unknown_names_and_wrong_types_from_outside_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        LiftConfig.from_dict(values)


def test_an_unknown_preset_is_refused_with_the_names_of_the_others() -> None:
    with pytest.raises(InvalidConfig, match="skim, read, study"):
        LiftConfig.preset("gulp")


def test_json_whole_numbers_are_taken_for_floats_and_floats_for_whole_numbers() -> None:
    config = LiftConfig.from_dict({"epochs": 3.0, "checkpoint_seconds": 5})
    assert (config.epochs, config.checkpoint_seconds) == (3, 5.0)


def test_questions_can_take_the_place_of_segments() -> None:
    config = LiftConfig(segments="none", study="passages", open_share=1)
    assert LiftConfig.from_dict(config.to_dict()) == config


def test_every_field_is_documented() -> None:
    import inspect

    source = inspect.getsource(LiftConfig)
    for field in fields(LiftConfig):
        after = source.split(f"    {field.name}:", 1)[1].splitlines()[1]
        assert after.strip().startswith('"""'), field.name
