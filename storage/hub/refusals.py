"""What the Hub's client raises, as one sentence of ours, without the request that it hangs on.

An exception of the client holds its request, and the request holds the token. So none of them
leaves here, neither as a cause nor as a context, and a sentence repeats nothing that the client
wrote: only the server's own words, and those not if the token is among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from storage.errors import HubRefused, LiftChatError, NotFound

MOST_WORDS = 200
"""Characters of the server's own words in a sentence."""

T = TypeVar("T")


def asked(subject: str, question: Callable[[], T]) -> T:
    """What the Hub answers to a question about `subject`, a repository or an account.

    Raises `NotFound` or `HubRefused`.
    """
    try:
        return question()
    except Exception as error:
        failed = error
    # Raised out here, nothing has the client's exception as its context.
    raise _refusal(failed, subject)


def _refusal(error: BaseException, subject: str) -> LiftChatError:
    # It is not on this disk either; why it did not come from the Hub was the first to go wrong.
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__:
        return _refusal(error.__cause__, subject)
    if isinstance(error, OfflineModeIsEnabled):
        return HubRefused("The Hub is not asked while HF_HUB_OFFLINE is set.")
    if isinstance(error, LocalTokenNotFoundError):
        return HubRefused("There is no Hugging Face login on this machine; run “hf auth login”.")
    if isinstance(error, HFValidationError):
        return HubRefused(f"{subject!r:.100} is no name of a repository; write user/name.")
    for one in _causes(error):
        if isinstance(one, HfHubHTTPError):
            return _answered(one, subject)
    reason = type(error).__name__
    if isinstance(error, OSError) and error.strerror:  # the system's own words: a full disk, say
        reason = error.strerror
    return HubRefused(f"The exchange with the Hub about {subject} broke off ({reason}); try again.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it: the client wraps what happens to an upload."""
    reason: BaseException | None = error
    while reason is not None:
        yield reason
        reason = reason.__cause__


def _answered(error: HfHubHTTPError, subject: str) -> LiftChatError:
    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return HubRefused(f"{subject} is gated: accept its terms on its page on the Hub first.")
    if isinstance(error, RevisionNotFoundError):
        return NotFound(f"{subject} has no such revision.")
    if isinstance(error, EntryNotFoundError):
        return NotFound(f"{subject} has no such file.")
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return NotFound(f"{subject} is not on the Hub, or this login may not see it.")
    if status >= 500:
        return HubRefused(f"The Hub itself is in trouble ({status}); try again later.")
    if sentence := SENTENCES.get(status):
        return HubRefused(sentence.format(subject))
    if status == 403:
        return HubRefused(
            f"The Hub does not allow this login to do that with {subject}.{_words(error)}"
        )
    return HubRefused(f"The Hub refused what was asked about {subject} ({status}).{_words(error)}")


SENTENCES = {
    401: "The Hub does not accept the login for {}, or it has expired; sign in again.",
    409: "{} is being changed by another request; try again.",
    412: "{} was changed by somebody else in the meantime; nothing was pushed, try again.",
    429: "The Hub counts too many requests; try again in a few minutes.",
}
"""By the status of the answer; the name of the repository goes where the braces are."""


def _words(error: HfHubHTTPError) -> str:
    """The first line of what the server said, for a person; it may be the only reason given."""
    said = (error.server_message or "").strip().partition("\n")[0]
    sent = error.response.request.headers.get("authorization", "").removeprefix("Bearer ")
    if not said or (sent and sent in said):
        return ""
    return f" It says: {said[:MOST_WORDS]}"
