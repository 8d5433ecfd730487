"""General requests, and what the base itself answers to them: the control of a reader's training.

Trained on beside the reading tasks, the base's own answers keep its way of chatting. The requests
are made from lists of everyday topics.
"""

from __future__ import annotations

from collections.abc import Iterator

from lift_chat.models.batch import generate
from lift_chat.models.device import Turn
from lift_chat.models.loading import LoadedModel
from lift_chat.models.prompts import prompt_ids, user
from lift_chat.reader.lessons import Said

REPLY_TOKENS = 128

TOPICS = (
    "rain", "bread", "the moon", "bicycles", "honey bees", "volcanoes", "chess", "trains",
    "sleep", "coffee", "libraries", "winter", "music", "maps", "the heart", "gardens", "gold",
    "rivers", "computers", "friendship", "bridges", "the number zero", "glass", "dogs",
)  # fmt: skip

FORMS = (
    "What is special about {}?",
    "Explain {} to a child in two sentences.",
    "Write a short poem about {}.",
    "Give three tips that have to do with {}.",
    "Tell me something surprising about {}.",
    "Why do people care about {}?",
)

PLAIN = (
    "Hello! How are you?",
    "What can you help me with?",
    "Write a polite e-mail that moves a meeting to Friday.",
    "Translate “good morning” into French.",
    "How much is 17 plus 25?",
    "Write a Python function that reverses a string.",
    "List the days of the week.",
    "Summarise what a good night's sleep does for us.",
)


def requests() -> list[str]:
    return [*PLAIN, *(form.format(topic) for form in FORMS for topic in TOPICS)]


def sayings(loaded: LoadedModel, turn: Turn) -> Iterator[Said]:
    """The untouched base's greedy answers to all requests, in any order."""
    asked = requests()
    prompts = [prompt_ids(loaded, [user(text)]) for text in asked]
    for index, reply in generate(
        loaded.model, loaded, prompts, max_new_tokens=REPLY_TOKENS, turn=turn
    ):
        if reply:
            yield Said(asked[index], reply)
