"""lift-chat: talk to a long document that has been absorbed into a model's weights.

The names below are the public interface. They are imported on first use: a command that only
lists the library must not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lift_chat.errors import LiftChatError
    from lift_chat.lift.recipe import LiftConfig
    from lift_chat.models.context import ChatSettings
    from lift_chat.service import LiftChat
    from storage.records import Message

__version__ = "0.1.0"
__all__ = ["ChatSettings", "LiftChat", "LiftChatError", "LiftConfig", "Message"]

_HOMES = {
    "ChatSettings": "lift_chat.models.context",
    "LiftChat": "lift_chat.service",
    "LiftChatError": "lift_chat.errors",
    "LiftConfig": "lift_chat.lift.recipe",
    "Message": "storage.records",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
