"""Which language a text is in, by a small model that ships with py3langid; nothing is fetched.

The model takes most of a second to load, so it is loaded on first use.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

_SLICES: Final = 5
_SLICE_CHARACTERS: Final = 1_000
_SURE: Final = 0.3
_ENOUGH: Final = 80
"""Letters below which the model is not asked: it would guess."""
_LOOKED_AT: Final = 10_000


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def identify(text: str) -> tuple[str, float]:
    """(code, confidence 0..1) for a sample of `text`."""
    code, confidence = _identifier().classify(_sample(text))
    return str(code), float(confidence)


def language_of(text: str, declared: str = "") -> str:
    """ISO 639-1 code, or "": what the text shows, else what the file says of itself."""
    subtag = declared.strip().replace("_", "-").partition("-")[0].casefold()
    hint = subtag if len(subtag) == 2 and subtag.isalpha() else ""
    if sum(map(str.isalpha, text[:_LOOKED_AT])) < _ENOUGH:
        return hint
    code, confidence = identify(text)
    return code if confidence >= _SURE and len(code) == 2 else hint


def _sample(text: str) -> str:
    """Slices spread over the text: a book may open with a preface in another language."""
    if len(text) <= _SLICES * _SLICE_CHARACTERS:
        return text
    step = (len(text) - _SLICE_CHARACTERS) // (_SLICES - 1)
    return " ".join(text[i * step : i * step + _SLICE_CHARACTERS] for i in range(_SLICES))
