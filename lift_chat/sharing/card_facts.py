"""What a model card is made of: plain values about one adapter, checked where they become code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from lift_chat.errors import InvalidConfig
from lift_chat.foreign_values import HUB_ID, REPOSITORY, REVISION, SHA256
from lift_chat.lift.recipe import AdapterName


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """An adapter and the document in it. Texts may hold anything, and "" is what is not known; so
    is 0, and an empty recipe. Raises `InvalidConfig` for what could not stand in a line of code.
    """

    name: str
    kind: str
    """lora or gated-memory."""

    base_model: str
    """The base as it is shown to people."""

    base_hub_id: str = ""
    """Where the base lies on the Hub; "" for a local one."""

    base_is_copy: bool = False
    """Whether the base is a quantised copy of what lies at `base_hub_id`."""

    base_revision: str = ""
    reader: str = ""
    """Name of the reader merged into the base; the repository has it under `reader/`."""

    recipe: Mapping[str, Any]
    metrics: Mapping[str, Any]
    """As they are kept with the adapter; numbers are taken from them, and no text."""

    title: str
    author: str = ""
    language: str = ""
    pages: int = 0
    characters: int = 0
    tokens: int = 0
    sha256: str = ""
    """Of the document's file."""

    rank: int = 0
    made_with: str = ""
    """Program and version."""

    def __post_init__(self) -> None:
        if self.kind not in get_args(AdapterName):
            raise InvalidConfig(f"There is no kind of adapter {self.kind!r}.")
        for value, form, noun in (
            (self.base_hub_id, HUB_ID, "id on the Hub"),
            (self.base_revision, REVISION, "revision"),
            (self.sha256, SHA256, "sha256"),
        ):
            if value and not form.fullmatch(value):
                raise InvalidConfig(f"{value!r} is no {noun}.")


def require_repository(repo: str) -> None:
    """Raises `InvalidConfig` unless `repo` may name a repository on the Hub."""
    if not REPOSITORY.fullmatch(repo):
        raise InvalidConfig(f"{repo!r} is no repository; write user/name.")
