"""What a model card is made of: plain values about one adapter, checked where they become code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from lift_chat.errors import InvalidConfig
from lift_chat.lift.recipe import AdapterName

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
HUB_ID = re.compile(rf"(?:{_NAME}/)?{_NAME}")
REPOSITORY = re.compile(rf"{_NAME}/{_NAME}")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
SHA256 = re.compile(r"[0-9a-f]{64}")


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
