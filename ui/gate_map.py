"""HTML of a gated memory's gates behind one answer: a cell for each layer and head, as a drawing,
words and numbers.

The drawing stretches to any width; all of it is also said in text beside it. Layers and heads are
counted from 0, as in the adapter's files. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import chain

from lift_chat.models.tint import LayerGates

SLOT, CELL = 10.0, 9.0
"""Units of the drawing; it is stretched, so only their ratio counts."""

WIDEST, TALLEST, TALLEST_CELL = 34, 340, 16
"""Pixels: of a column, of all rows together, of one row."""


def draw(gates: Sequence[LayerGates]) -> str:
    """The whole map, or "" for an adapter without gates."""
    if not gates:
        return ""
    top = max(chain.from_iterable(layer.heads for layer in gates))
    rows = max(len(layer.heads) for layer in gates)
    return (
        '<section class="lc-gates"><h3 class="lc-shelf">Gates of the memory</h3>'
        f'<p class="lc-sub">{escape(sentence(gates))}</p>'
        '<p class="lc-scale" aria-hidden="true"><span>shut</span><i></i>'
        f"<span>{top:.0%} open</span></p>"
        f'<div class="lc-grid" style="max-width:{len(gates) * WIDEST + 70}px">'
        f"{_axis([f'head {row}' for row in _ends(list(range(rows)))])}"
        f"<div>{_svg(gates, rows, top)}"
        f"{_axis([f'layer {layer}' for layer in _ends([gate.layer for gate in gates])])}"
        f"</div></div>{_numbers(gates, rows)}</section>"
    )


def sentence(gates: Sequence[LayerGates]) -> str:
    """The map in words: how far all were open, and where most and least."""
    cells = [
        (gate, f"layer {layer.layer}, head {head} ({gate:.0%})")
        for layer in gates
        for head, gate in enumerate(layer.heads)
    ]
    mean = sum(gate for gate, _ in cells) / len(cells)
    told = f"Over this answer the gates were {mean:.0%} open"
    if len(cells) == 1:
        return f"{told}."
    return f"{told}: most in {max(cells)[1]}, least in {min(cells)[1]}."


def _ends(places: list[int]) -> list[int]:
    return places if len(places) == 1 else [places[0], places[-1]]


def _axis(names: list[str]) -> str:
    told = "".join(f"<span>{name}</span>" for name in names)
    return f'<div class="lc-axis" aria-hidden="true">{told}</div>'


def _svg(gates: Sequence[LayerGates], rows: int, top: float) -> str:
    cells = "".join(
        _cell(layer, column, row, top)
        for column, layer in enumerate(gates)
        for row in range(len(layer.heads))
    )
    box = f"0 0 {len(gates) * SLOT:.0f} {rows * SLOT:.0f}"
    height = min(TALLEST_CELL * rows, TALLEST)
    label = "Mean gate of each layer and head; the numbers are in the table below."
    return (
        f'<svg role="img" aria-label="{label}" viewBox="{box}" preserveAspectRatio="none" '
        f'style="height:{height}px">{cells}</svg>'
    )


def _cell(layer: LayerGates, column: int, row: int, top: float) -> str:
    """The fuller the further open, on a ground that shows a head that stayed shut."""
    gate = layer.heads[row]
    place = f'x="{column * SLOT:.0f}" y="{row * SLOT:.0f}" width="{CELL}" height="{CELL}"'
    title = f"Layer {layer.layer}, head {row}: {gate:.0%} open"
    return (
        f'<g><title>{title}</title><rect class="ground" {place}></rect>'
        f'<rect class="open" {place} opacity="{gate / top if top else 0:.3f}"></rect></g>'
    )


def _numbers(gates: Sequence[LayerGates], rows: int) -> str:
    heads = "".join(f'<th scope="col">Head {row}</th>' for row in range(rows))
    lines = "".join(
        f'<tr><th scope="row">{layer.layer}</th>'
        f"<td>{sum(layer.heads) / len(layer.heads):.1%}</td>"
        + "".join(f"<td>{gate:.1%}</td>" for gate in layer.heads)
        + "</tr>"
        for layer in gates
    )
    return (
        '<details class="lc-more"><summary>The gates in numbers</summary>'
        '<div class="lc-scroll" tabindex="0" role="region" aria-label="Gates in numbers">'
        '<table class="lc-table"><thead><tr><th scope="col">Layer</th>'
        f'<th scope="col">All heads</th>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div></details>"
    )
