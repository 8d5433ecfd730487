from __future__ import annotations

import re

import pytest

from lift_chat.learned import PageLoss
from ui import memory_map

EVIL = '"><script>alert(1)</script>'


def pages(*losses: tuple[float, float]) -> list[PageLoss]:
    return [PageLoss(n, str(n), before, after) for n, (before, after) in enumerate(losses, 1)]


def test_without_measured_pages_there_is_no_map() -> None:
    assert memory_map.draw([]) == memory_map.strip([]) == ""


def test_the_map_is_also_told_in_words_and_in_numbers() -> None:
    html = memory_map.draw(pages((4.0, 1.0), (4.0, 3.0), (2.0, 1.8)))
    assert "Mean loss of a page 3.33 before, 1.93 now." in html
    assert "Learned best: page 1 (4.00 → 1.00). Learned least: page 3 (2.00 → 1.80)." in html
    assert re.findall(r'<th scope="row">(\d)</th><td>([\d.]+)</td><td>([\d.]+)</td>', html) == [
        ("1", "4.00", "1.00"), ("2", "4.00", "3.00"), ("3", "2.00", "1.80"),
    ]  # fmt: skip
    assert 'role="img" aria-label="Loss per page' in html


def test_bars_are_as_high_as_their_loss_and_end_at_the_ground() -> None:
    html = memory_map.draw(pages((4.0, 1.0), (2.0, 3.0)))
    drawn = re.findall(
        r'<rect class="([\w ]+)" x="[\d.]+" y="([\d.]+)" .*? height="([\d.]+)"', html
    )
    assert [(kind, float(height)) for kind, _, height in drawn] == [
        ("before", 100.0), ("after", 25.0), ("before", 50.0), ("after worse", 75.0),
    ]  # fmt: skip
    assert all(float(y) + float(height) == 100.0 for _, y, height in drawn)


@pytest.mark.parametrize("count", [1, 59, 60, 61, 997])
def test_a_long_document_has_a_limited_number_of_bars_and_every_page_in_one(count: int) -> None:
    bars = memory_map.grouped(pages(*[(float(n), 1.0) for n in range(count)]), 60)
    assert len(bars) == min(60, count)
    assert bars[0].name.startswith("Page 1") and bars[-1].name.endswith(str(count))
    weighted = memory_map.grouped(pages(*[(3.0, 1.5)] * count), 60)
    assert {(bar.before, bar.after) for bar in weighted} == {(3.0, 1.5)}


def test_a_page_is_called_by_its_own_label() -> None:
    assert memory_map.name_of("12") == "page 12"
    assert memory_map.name_of("xiv") == "page xiv"
    assert memory_map.name_of("civil") == "“civil”"
    assert memory_map.name_of("The Red Tent") == "“The Red Tent”"


def test_a_cell_of_the_small_map_is_fuller_the_more_was_learned() -> None:
    html = memory_map.strip(pages((4.0, 0.0), (4.0, 2.0), (4.0, 5.0)))
    assert re.findall(r"opacity:([\d.]+)", html) == ["1.00", "0.56", "0.12"]
    assert 'aria-hidden="true"' in html


def test_labels_are_text() -> None:
    html = memory_map.draw([PageLoss(1, EVIL, 2.0, 1.0), PageLoss(2, EVIL, 2.0, 1.5)])
    assert "<script" not in html and "alert(1)" in html
