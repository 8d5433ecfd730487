"""HTML of the memory map: the loss on each page before and after, as a drawing, words and numbers.

The drawing stretches to any width; all of it is also said in text beside it. Colours are the
sheet's, so it holds in light and dark. Pure; every value is escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lift_chat.learned import PageLoss

MOST_BARS, MOST_CELLS = 60, 36
NUMERAL = re.compile(r"\d+|(?=.)l?x{0,3}(?:ix|iv|v?i{0,3})")
HEIGHT, SLOT, BAR = 100.0, 10.0, 8.0
"""Units of the drawing; it is stretched, so only their ratios count."""


@dataclass(frozen=True)
class Bar:
    """One page, or the mean of some that follow each other in a document with many."""

    name: str
    before: float
    after: float


def draw(pages: Sequence[PageLoss]) -> str:
    """The whole map, or "" where no page was measured."""
    if not pages:
        return ""
    bars = grouped(pages, MOST_BARS)
    ends = [bars[0].name] if len(bars) == 1 else [bars[0].name, bars[-1].name]
    axis = "".join(f"<span>{escape(name)}</span>" for name in ends)
    return (
        '<section class="lc-map"><h3 class="lc-shelf">Memory map</h3>'
        f'<p class="lc-sub">{escape(sentence(pages))}</p>'
        '<p class="lc-legend" aria-hidden="true"><span class="before">before</span>'
        '<span class="after">now</span>Loss on the opening of a page: '
        "the lower, the better known</p>"
        f'<div style="max-width:{len(bars) * 44}px">{_svg(bars)}'
        f'<div class="lc-axis" aria-hidden="true">{axis}</div></div>'
        f"{_numbers(pages)}</section>"
    )


def strip(pages: Sequence[PageLoss]) -> str:
    """A small map for a card: a cell per page, the fuller the more of its loss is gone."""
    if not pages:
        return ""
    cells = "".join(
        f'<i style="opacity:{0.12 + 0.88 * _share(bar):.2f}"></i>'
        for bar in grouped(pages, MOST_CELLS)
    )
    return f'<span class="lc-strip" aria-hidden="true">{cells}</span>'


def sentence(pages: Sequence[PageLoss]) -> str:
    """The map in words: the mean, and which pages were learned most and least."""
    before = sum(page.before for page in pages) / len(pages)
    after = sum(page.after for page in pages) / len(pages)
    mean = f"Mean loss of a page {before:.2f} before, {after:.2f} now."
    if len(pages) == 1:
        return mean
    best = max(pages, key=lambda page: page.share)
    least = min(pages, key=lambda page: page.share)
    return f"{mean} Learned best: {_told(best)}. Learned least: {_told(least)}."


def _told(page: PageLoss) -> str:
    return f"{name_of(page.label)} ({page.before:.2f} → {page.after:.2f})"


def name_of(label: str) -> str:
    """Labels that are numbers, Arabic or Roman, read as pages; others are names already."""
    return f"page {label}" if NUMERAL.fullmatch(label) else f"“{label}”"


def grouped(pages: Sequence[PageLoss], most: int) -> list[Bar]:
    """At most `most` bars; those of many pages are means over runs of neighbours."""
    count = min(most, len(pages))
    edges = [round(index * len(pages) / count) for index in range(count + 1)]
    return [_bar(pages[edges[i] : edges[i + 1]]) for i in range(count)]


def _bar(run: Sequence[PageLoss]) -> Bar:
    first, last = name_of(run[0].label), name_of(run[-1].label)
    name = first if len(run) == 1 else f"{first} to {last.removeprefix('page ')}"
    before = sum(page.before for page in run) / len(run)
    return Bar(name[0].upper() + name[1:], before, sum(page.after for page in run) / len(run))


def _share(bar: Bar) -> float:
    return PageLoss(0, "", bar.before, bar.after).share


def _svg(bars: Sequence[Bar]) -> str:
    top = max(max(bar.before, bar.after) for bar in bars) or 1.0
    drawn = "".join(_columns(bar, index * SLOT, top) for index, bar in enumerate(bars))
    box = f"0 0 {len(bars) * SLOT:.0f} {HEIGHT:.0f}"
    label = "Loss per page, before and now; the numbers are in the table below."
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="{box}" '
        f'preserveAspectRatio="none">{drawn}</svg>'
    )


def _columns(bar: Bar, x: float, top: float) -> str:
    worse = " worse" if bar.after > bar.before else ""
    title = f"{bar.name}: {bar.before:.2f} before, {bar.after:.2f} now"
    columns = "".join(
        f'<rect class="{kind}" x="{x + (SLOT - BAR) / 2:.1f}" y="{HEIGHT - height:.1f}" '
        f'width="{BAR}" height="{height:.1f}"></rect>'
        for kind, height in (
            ("before", HEIGHT * max(0.0, bar.before) / top),
            (f"after{worse}", HEIGHT * max(0.0, bar.after) / top),
        )
    )
    return f"<g><title>{escape(title)}</title>{columns}</g>"


def _numbers(pages: Sequence[PageLoss]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(page.label)}</th><td>{page.before:.2f}</td>'
        f"<td>{page.after:.2f}</td></tr>"
        for page in pages
    )
    return (
        '<details class="lc-more"><summary>The map in numbers</summary>'
        '<div class="lc-scroll" tabindex="0" role="region" aria-label="Loss per page">'
        '<table class="lc-table"><thead><tr><th scope="col">Page</th><th scope="col">Before</th>'
        f'<th scope="col">Now</th></tr></thead><tbody>{rows}</tbody></table></div></details>'
    )
