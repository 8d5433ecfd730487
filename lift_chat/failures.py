"""How a running job ends other than by its adapter, and what an exception means to the reader."""

from __future__ import annotations

import errno
import logging

import torch

from lift_chat.errors import DiskFull, LiftChatError, OutOfMemory
from storage.library import Library
from storage.records import Job

log = logging.getLogger(__name__)


INTERNAL = "internal"
"""Code of an error that nobody foresaw."""


def leave(library: Library, job: Job, request: str) -> None:
    """The running job was left between two events, since it is to be discarded or the program
    ends."""
    if request == "discard":
        library.finish_job(job.id, "cancelled", message="Discarded.")
    else:
        library.release_job(job.id)


def fail(library: Library, job: Job, error: Exception) -> None:
    """The running job ends with `error`, unless it is to be discarded anyhow."""
    if library.job_request(job.id) == "discard":  # it came while the adapter was saved
        leave(library, job, "discard")
        return
    code, sentence = told_of(error)
    if code == INTERNAL:
        log.error("job %s: failed", job.id, exc_info=error)
    else:
        log.warning("job %s: %s", job.id, code)
    library.finish_job(job.id, "failed", error_code=code, error=sentence)


def told_of(error: Exception) -> tuple[str, str]:
    """The stable code and the sentence that a job's row keeps of an exception."""
    known = as_known(error)
    if known is None:
        return INTERNAL, f"An internal error stopped the job ({error!r:.200})."
    return known.code, str(known)


def as_known(error: Exception) -> LiftChatError | None:
    """The user's view of an exception, or None for one that nobody foresaw."""
    if isinstance(error, LiftChatError):
        return error
    if isinstance(error, torch.OutOfMemoryError):
        return OutOfMemory("The device has not enough free memory for this model and recipe.")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull("The disk is full; free some space and resume the job.")
    return None


def coded(code: str, sentence: str) -> LiftChatError:
    """The error that another process told of."""
    error = LiftChatError(sentence)
    error.code = code
    return error
