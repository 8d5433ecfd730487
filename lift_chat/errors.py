"""The error tree. What is listed here reaches the user as one sentence; anything else is a bug.

LiftChatError
├── NotFound               unknown id, or not yours                       (storage)
├── LibraryInUse           another process holds the library              (storage)
├── LibraryDamaged         index unreadable, or from a newer version      (storage)
├── DiskFull               no room                                        (storage)
├── IllegalTransition      the job is not in a state that allows this     (storage)
├── AdapterDamaged         files missing or changed since publishing      (storage)
├── UnreadableDocument     intake failed; `reason` says how
├── InvalidConfig          a setting contradicts another, or is out of range
├── ModelUnavailable       the base model cannot be had or loaded           (storage)
├── UnsafeAdapter          an adapter from elsewhere is not taken           (storage)
├── HubRefused             the Hub cannot be reached, or refuses            (storage)
├── NotConfirmed           publishing to everybody has to be confirmed      (storage)
├── AdapterMismatch        the adapter was made for another base
├── OutOfMemory            even the smallest micro-batch does not fit
├── GpuRefused             a GPU that is lent was not to be had, or was taken away
├── SliceTooShort          a slice's seconds do not reach for the next part of a run
├── QueueFull              too many jobs wait
├── ExecutorUnavailable    the machines that were to absorb cannot be had
├── SignInNeeded           on a hosted Space, where one has to be somebody
└── QuotaExceeded          more than one person may keep here
"""

from __future__ import annotations

from storage.errors import (
    AdapterDamaged,
    DiskFull,
    HubRefused,
    IllegalTransition,
    LibraryDamaged,
    LibraryInUse,
    LiftChatError,
    ModelUnavailable,
    NotConfirmed,
    NotFound,
    UnsafeAdapter,
)


class UnreadableDocument(LiftChatError):
    """A file that cannot become a document. Nothing of it is stored.

    `reason` is one of: empty, too_large, wrong_type, password, damaged, no_text, bomb,
    too_slow, too_much_memory, missing.
    """

    code = "unreadable_document"

    def __init__(self, name: str, reason: str, sentence: str) -> None:
        super().__init__(f"{name}: {sentence}")
        self.name = name
        self.reason = reason
        self.sentence = sentence


class InvalidConfig(LiftChatError):
    code = "invalid_config"


class AdapterMismatch(LiftChatError):
    code = "adapter_mismatch"


class OutOfMemory(LiftChatError):
    code = "out_of_memory"


class GpuRefused(LiftChatError):
    """`begun` says whether the work had begun when the GPU was taken away."""

    code = "gpu_refused"

    def __init__(self, sentence: str, *, begun: bool) -> None:
        super().__init__(sentence)
        self.begun = begun


class SliceTooShort(LiftChatError):
    code = "slice_too_short"


class QueueFull(LiftChatError):
    code = "queue_full"


class ExecutorUnavailable(LiftChatError):
    code = "executor_unavailable"


class SignInNeeded(LiftChatError):
    code = "sign_in_needed"


class QuotaExceeded(LiftChatError):
    code = "quota_exceeded"


__all__ = [
    "AdapterDamaged",
    "AdapterMismatch",
    "DiskFull",
    "ExecutorUnavailable",
    "GpuRefused",
    "HubRefused",
    "IllegalTransition",
    "InvalidConfig",
    "LibraryDamaged",
    "LibraryInUse",
    "LiftChatError",
    "ModelUnavailable",
    "NotConfirmed",
    "NotFound",
    "OutOfMemory",
    "QueueFull",
    "QuotaExceeded",
    "SignInNeeded",
    "SliceTooShort",
    "UnreadableDocument",
    "UnsafeAdapter",
]
