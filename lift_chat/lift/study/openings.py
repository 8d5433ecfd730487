"""The words that questions begin with, for a reply that is begun for its writer.

A small model that is asked for several questions at once repeats the first in other words; with
another word put into its mouth each time it has to ask about something else. Where a language has
no list here, questions are asked for by number alone.
"""

from __future__ import annotations

OPENINGS: dict[str, tuple[str, ...]] = {
    "en": ("What", "Who", "Why", "Where", "How", "When"),
    "de": ("Was", "Wer", "Warum", "Wo", "Wie", "Wann"),
    "fr": ("Que", "Qui", "Pourquoi", "Où", "Comment", "Quand"),
    "es": ("¿Qué", "¿Quién", "¿Por qué", "¿Dónde", "¿Cómo", "¿Cuándo"),
}
"""By language, those first whose questions a short passage answers most often."""


def begun(opening: str, reply: str) -> str:
    """What a reply says as a whole that went on after `opening`."""
    return f"{opening}{'' if reply[:1] in {chr(39), '’', ','} else ' '}{reply}"
