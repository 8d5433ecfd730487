"""A collection's own prompt around the document, for when the document is in the window.

What of the document stands there is cut as for chat; only the words around it differ. Knows
prompts with "{context}" in them, nothing of collections.
"""

from __future__ import annotations

from lift_chat.evaluation.questions import EvalQuestion
from lift_chat.models import excerpt
from lift_chat.models.context import RESERVE, ChatSettings, Source, Window, WindowFacts
from lift_chat.models.excerpt import Excerpt, TokenPlaces
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import MARKER, prompt_ids, user

PLACE = "{context}"


def reworded(
    loaded: LoadedModel, source: Source, question: EvalQuestion, settings: ChatSettings
) -> Window:
    """The question's own prompt, with as much of the document as the window has room for."""
    limit = loaded.limit - settings.max_new_tokens
    budget = min(settings.window_tokens or loaded.window, limit)
    room = max(budget - len(_ids(loaded, question.prompt, "")) - RESERVE, 0)
    shown = _shown(loaded, source, question.question, settings, room)
    ids = _ids(loaded, question.prompt, shown.text)
    facts = WindowFacts(
        mode=settings.context,
        prompt_tokens=len(ids),
        document_tokens=shown.tokens,
        document_total_tokens=shown.total,
        pages=shown.pages,
        dropped_messages=0,
    )
    return Window(ids, facts)


def _shown(
    loaded: LoadedModel, source: Source, question: str, settings: ChatSettings, room: int
) -> Excerpt:
    text, pages = source.text, source.pages
    places = source.places or TokenPlaces.of(loaded.tokenizer, text)
    if len(places) <= room:
        return excerpt.whole(text, places, pages)
    marker = len(loaded.tokenizer(MARKER, add_special_tokens=False)["input_ids"])
    found = source.retriever(question) if source.retriever else ()
    if found and settings.context == "retrieved":
        return excerpt.passages(text, places, pages, room, marker, found)
    return excerpt.ends(text, places, pages, room, marker)


def _ids(loaded: LoadedModel, prompt: str, shown: str) -> list[int]:
    return prompt_ids(loaded, [user(prompt.replace(PLACE, shown, 1))])
