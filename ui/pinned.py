"""HTML of the pinned questions: what the model says to them while it learns, first to last.

Pure; every value is escaped here. What a model says is shown as the text it is, never as markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from lift_chat.learned import Pinned
from ui.words import FROM_WEIGHTS, PINNED

LAST_SHOWN = 3
"""Answers shown beside the first one, when the model has changed its mind often."""

NOTHING_SAID = "(no answer)"


def box(pinned: Sequence[Pinned], *, over: bool) -> str:
    """All pinned questions with the history of their answers; "" where nothing is pinned.

    `over` says that no further answer will come: the last one is then that of the adapter.
    """
    if not pinned:
        return ""
    items = "".join(f"<li>{_question(one, over=over)}</li>" for one in pinned)
    return (
        f'<section class="lc-pinned"><h3 class="lc-shelf">{escape(PINNED)}</h3>'
        f'<p class="lc-sub">{escape(FROM_WEIGHTS)}</p><ul>{items}</ul></section>'
    )


def _question(pinned: Pinned, *, over: bool) -> str:
    rows = [_row("In the text", pinned.gold, "gold")] if pinned.gold else []
    rows += [_row(when, said, kind) for when, said, kind in history(pinned.answers, over=over)]
    return f'<p class="lc-asked">{escape(pinned.question)}</p><dl>{"".join(rows)}</dl>'


def history(answers: Sequence[tuple[int, str]], *, over: bool) -> list[tuple[str, str, str]]:
    """(when, answer, kind) of the answers worth showing: the first, the last, and those in between
    that differ from the one before, the latest of them."""
    if not answers:
        return [("Before", "Not asked yet.", "wait")]
    (first, said), *later = answers
    rows = [("Before" if first == 0 else f"Step {first:,}", said, "")]
    if not later:
        return rows
    steps = pairwise(answers[:-1])
    between = [answer for earlier, answer in steps if answer[1] != earlier[1]]
    left_out = len(between) - LAST_SHOWN + 1
    if left_out > 0:
        between = between[left_out:]
        rows.append(("", "… other answers …", "wait"))
    rows += [(f"Step {step:,}", text, "") for step, text in between]
    return [*rows, ("After" if over else "Now", later[-1][1], "now")]


def _row(when: str, said: str, kind: str) -> str:
    return (
        f'<div class="{kind}"><dt>{escape(when)}</dt>'
        f"<dd>{escape(said.strip() or NOTHING_SAID)}</dd></div>"
    )
