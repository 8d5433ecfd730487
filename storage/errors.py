"""Every error that a user may see descends from `LiftChatError`.

The tree starts here, at the lowest package, so that the library can raise its part of it;
`lift_chat.errors` shows the whole tree.
"""

from __future__ import annotations


class LiftChatError(Exception):
    """One clear sentence for the user (`str(error)`) and a stable `code` for programs."""

    code = "error"


class NotFound(LiftChatError):
    """The id is unknown, or belongs to somebody else; the two are not told apart."""

    code = "not_found"


class LibraryInUse(LiftChatError):
    """Another process holds the library's lock."""

    code = "library_in_use"


class LibraryDamaged(LiftChatError):
    """The index or a file of study items cannot be read, or a newer version wrote the index."""

    code = "library_damaged"


class DiskFull(LiftChatError):
    """The disk under the library has no room for what was to be written."""

    code = "disk_full"


class IllegalTransition(LiftChatError):
    """A job cannot go from its state to the one asked for."""

    code = "illegal_transition"


class AdapterDamaged(LiftChatError):
    """A file of the adapter is missing, or its bytes are not the ones that were published."""

    code = "adapter_damaged"


class ModelUnavailable(LiftChatError):
    """The base model cannot be had or loaded."""

    code = "model_unavailable"


class UnsafeAdapter(LiftChatError):
    """An adapter from elsewhere holds what is not taken: code, unknown files, impossible numbers.
    Nothing of it is kept."""

    code = "unsafe_adapter"


class HubRefused(LiftChatError):
    """The Hub cannot be reached, or does not do what was asked; there it is done whole or not at
    all, and asking again is safe."""

    code = "hub_refused"


class NotConfirmed(LiftChatError):
    """What was asked for publishes text to everybody, and has to be confirmed first."""

    code = "not_confirmed"
