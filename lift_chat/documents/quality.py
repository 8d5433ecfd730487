"""Is there text, and how good is it? Numbers and sentences for the person who added the file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from lift_chat.documents.cleaning import unmapped_glyphs
from lift_chat.documents.draft import Draft, Refusal
from lift_chat.documents.limits import IntakeLimits

_UNMAPPED_SHARE: Final = 0.005
_THIN: Final = 200
_SHORT: Final = 500


def judged(draft: Draft, limits: IntakeLimits) -> Draft:
    """`draft` with its quality filled in. Raises `Refusal`: no_text, too_large."""
    characters = sum(len(leaf.text) for leaf in draft.leaves)
    if len(draft.leaves) > limits.pages:
        raise Refusal(
            "too_large", f"It has more than {limits.pages:,} parts; split it and add them singly."
        )
    if characters > limits.characters:
        raise Refusal(
            "too_large",
            f"It has more than {limits.characters / 1e6:g} million characters; split it and add "
            "the parts one by one.",
        )
    if not any(char.isalnum() for leaf in draft.leaves for char in leaf.text):
        raise Refusal("no_text", "There is no text in it.")
    return replace(draft, quality=_quality(draft, characters))


def _quality(draft: Draft, characters: int) -> dict[str, Any]:
    unmapped = draft.unmapped + sum(unmapped_glyphs(leaf.text) for leaf in draft.leaves)
    empty = [number for number, leaf in enumerate(draft.leaves, 1) if not leaf.text.strip()]
    warnings = list(draft.warnings)
    if unmapped > _UNMAPPED_SHARE * characters:
        warnings.append(
            f"{unmapped:,} characters could not be recognised, because the file does not say what "
            "they are; answers about those places may be wrong."
        )
    filled = max(1, len(draft.leaves) - len(empty))
    if draft.kind == "pdf" and len(draft.leaves) > 3 and characters / filled < _THIN:
        warnings.append("There is very little text per page; much of it may be in pictures.")
    if characters < _SHORT:
        warnings.append("The text is very short; a chat window holds it without absorbing it.")
    return {
        "pages": len(draft.leaves),
        "characters_per_page": round(characters / max(1, len(draft.leaves))),
        "empty_pages": empty,
        "unmapped_glyphs": unmapped,
        "warnings": warnings,
    }
