from __future__ import annotations

import re

from lift_chat.models.tint import LayerGates
from ui import gate_map

GATES = [LayerGates(2, [0.1, 0.4]), LayerGates(3, [0.0, 0.3]), LayerGates(4, [0.2, 0.2])]


def test_without_gates_there_is_no_map() -> None:
    assert gate_map.draw([]) == ""


def test_the_gates_are_also_told_in_words_and_in_numbers() -> None:
    html = gate_map.draw(GATES)
    assert (
        "Over this answer the gates were 20% open: most in layer 2, head 1 (40%), "
        "least in layer 3, head 0 (0%)." in html
    )
    rows = re.findall(r'<tr><th scope="row">(\d)</th>(.*?)</tr>', html)
    assert {layer: re.findall(r"<td>(.*?)</td>", cells) for layer, cells in rows} == {
        "2": ["25.0%", "10.0%", "40.0%"],
        "3": ["15.0%", "0.0%", "30.0%"],
        "4": ["20.0%", "20.0%", "20.0%"],
    }
    assert re.findall(r'<th scope="col">(.*?)</th>', html) == [
        "Layer", "All heads", "Head 0", "Head 1",
    ]  # fmt: skip
    assert 'role="img" aria-label="Mean gate of each layer and head' in html


def test_a_cell_is_the_fuller_the_further_its_gate_was_open() -> None:
    html = gate_map.draw(GATES)
    cells = re.findall(
        r"<title>Layer (\d), head (\d): (\d+)% open</title>.*?"
        r'class="open" x="(\d+)" y="(\d+)" [^>]*? opacity="([\d.]+)"',
        html,
    )
    assert len(cells) == 6
    for layer, head, percent, x, y, opacity in cells:
        gate = GATES[int(layer) - 2].heads[int(head)]
        assert (int(percent), int(x), int(y)) == (
            round(gate * 100), (int(layer) - 2) * 10, int(head) * 10,
        )  # fmt: skip
        assert float(opacity) == round(gate / 0.4, 3)


def test_the_ends_of_both_axes_are_named() -> None:
    axes = re.findall(r'<div class="lc-axis" aria-hidden="true">(.*?)</div>', gate_map.draw(GATES))
    assert [re.findall(r"<span>(.*?)</span>", axis) for axis in axes] == [
        ["head 0", "head 1"],
        ["layer 2", "layer 4"],
    ]


def test_gates_that_all_stayed_shut_are_drawn_as_shut() -> None:
    html = gate_map.draw([LayerGates(0, [0.0])])
    assert "Over this answer the gates were 0% open." in html
    assert 'opacity="0.000"' in html
