"""Where a turn ends: the token that training puts behind an answer, and those that end decoding.

Both are read off the chat template, so that a model stops at the very token it was taught to end
with, whatever its own settings say.
"""

from __future__ import annotations

from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import assistant, told_ids, user


def stop_ids(loaded: LoadedModel) -> frozenset[int]:
    """Ids that end a reply: those that the model is set to end at, and the end of a turn."""
    return _configured(loaded) | {end_of_turn(loaded)}


def end_of_turn(loaded: LoadedModel) -> int:
    """The token that the chat template puts behind what the assistant says; the tokenizer's end of
    text where it puts none.

    It is what two answers' conversations have in common at their end: what a template puts before
    an answer may be special tokens too.
    """
    one, other = (told_ids(loaded, [user("?"), assistant(said)]) for said in ("Yes", "No"))
    shared = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        shared += 1
    eos: int = loaded.tokenizer.eos_token_id
    if shared == len(one):  # no answer is in it
        return eos
    stop, tail = _configured(loaded), one[len(one) - shared :]
    return next((token for token in tail if token in stop or _special(loaded, token)), eos)


def _configured(loaded: LoadedModel) -> frozenset[int]:
    configured = loaded.model.generation_config.eos_token_id
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset([*listed, loaded.tokenizer.eos_token_id]) - {None}


def _special(loaded: LoadedModel, token: int) -> bool:
    shown, hidden = (loaded.tokenizer.decode([token], skip_special_tokens=s) for s in (False, True))
    return bool(shown != hidden)
