from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from storage.values import clean, is_id, is_time, new_id, now, to_json

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(plain)
def test_json_comes_back_as_it_was(value: object) -> None:
    assert json.loads(to_json(value)) == value


def test_json_is_the_same_for_equal_values() -> None:
    assert to_json({"b": (1, 2), "a": 0}) == to_json({"a": 0, "b": [1, 2]})
    assert to_json({"loss": float("nan"), "rate": float("inf")}) == '{"loss": null, "rate": null}'


@given(st.text(st.characters(exclude_categories=())))
def test_cleaned_text_keeps_its_length_and_can_be_stored(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned


def test_ids_are_told_from_other_names() -> None:
    assert is_id(new_id())
    for other in (None, 1, "", "x", "..", new_id().lower(), new_id() + "0", "quarantine"):
        assert not is_id(other)


def test_times_are_told_from_other_values() -> None:
    assert is_time(now())
    for other in (None, 1, "", "2024-01-01", now()[:-6]):
        assert not is_time(other)
