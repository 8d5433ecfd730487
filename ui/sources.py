"""HTML of where an answer comes from: the pages its claims stand on, and the tint of its tokens.

Pure functions over what the service says; every text of a document or a model is escaped here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from ui import present
from ui.words import TINTS

if TYPE_CHECKING:
    from lift_chat.models.tint import TintedToken

LONGEST_QUOTE = 320
STEPS = ((-0.7, "less"), (0.7, "same"), (3.0, "some"))
"""Gains in nats up to which a tint goes; beyond the last it is the strongest. 0.7 is twice as
likely, 3 twenty times."""

MOST = "much"


def followed(bubble: dict[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The bubble of an answer with what is known about it below: its pages, and its strength."""
    below = []
    strength = facts.get("settings", {}).get("strength")
    if strength not in (None, 1):
        below.append(f"*{present.strength_note(strength)}*")
    if facts.get("citations"):
        below.append(pages(facts["citations"]))
    parts = [{"type": "text", "text": text} for text in below]
    return {**bubble, "content": [*bubble["content"], *parts]}


def pages(citations: Sequence[Mapping[str, Any]]) -> str:
    """ "Pages 3, 17", which opens to the quotes; on one line, so that markdown leaves it alone."""
    quotes = "".join(
        f"<li><b>{escape(page_name(citation))}</b> “{_quote(str(citation['quote']))}”</li>"
        for citation in citations
    )
    heading = escape(present.page_list([int(citation["page"]) for citation in citations]))
    return f'<details class="lc-cited"><summary>{heading}</summary><ul>{quotes}</ul></details>'


def page_name(citation: Mapping[str, Any]) -> str:
    """ "Page 3", with the number or heading printed on it where that is another."""
    number, label = str(citation["page"]), " ".join(str(citation["label"]).split())
    return f"Page {number}" if label in ("", number) else f"Page {number} ({label})"


def _quote(text: str) -> str:
    plain = present.harmless(" ".join(text.split()))
    return escape(shorten(plain, LONGEST_QUOTE, placeholder=" …"))


def tinted(tokens: Sequence[TintedToken]) -> str:
    """The answer with each token on the ground of its gain, the numbers as titles, and a legend."""
    if not tokens:
        return ""
    pieces = "".join(
        f'<span class="lc-tint {tone(token.gain)}" title="{escape(_title(token))}">'
        f"{escape(token.text)}</span>"
        for token in tokens
    )
    legend = "".join(
        f'<li><span class="lc-tint {name}">{escape(words)}</span></li>'
        for name, words in TINTS.items()
    )
    return (
        '<div class="lc-tinted" role="region" aria-label="Where the answer comes from">'
        f'<p class="lc-tinted-text">{pieces}</p>'
        f'<p class="lc-sub" role="status">{escape(summary(tokens))}</p>'
        f'<ul class="lc-tint-legend" aria-label="Legend">{legend}</ul></div>'
    )


def tone(gain: float) -> str:
    return next((name for most, name in STEPS if gain < most), MOST)


def _title(token: TintedToken) -> str:
    memory = "" if token.gate is None else f", memory {token.gate:.0%} open"
    return f"{token.gain:+.2f} nats{memory}"


def summary(tokens: Sequence[TintedToken]) -> str:
    """What the colours show, in words."""
    learned = [token for token in tokens if tone(token.gain) in ("some", MOST)]
    count = f"{len(learned)} of {present.plural(len(tokens), 'piece')}"
    best = max(tokens, key=lambda token: token.gain)
    most = f", most of all “{best.text.strip()}” ({best.gain:+.1f} nats)" if learned else ""
    gates = [token.gate for token in tokens if token.gate is not None]
    memory = f" The memory was {sum(gates) / len(gates):.0%} open on average." if gates else ""
    return f"{count} were made likelier by what was absorbed{most}.{memory}"
