"""Where work on the device is done: here, or in a forked process that is lent a GPU for one call.

On a ZeroGPU Space the GPU exists only inside a function that `spaces.GPU` decorates: each call is
run in a forked process, with pickled arguments and results, for so many seconds. Whoever opens the
app there gives that decorator; nothing here imports it. Errors cross the fork as a code and a
sentence, since of an exception only the name of its class would.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from lift_chat.errors import GpuRefused
from lift_chat.failures import INTERNAL, coded, told_of

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

Lend = Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]
"""`spaces.GPU`, or what stands in for it: given `duration` in seconds, decorates a generator."""


@dataclass(frozen=True)
class _Begun:
    """The first sign from the other process."""


@dataclass(frozen=True)
class _Failure:
    """What went wrong in the other process."""

    code: str
    sentence: str

    @classmethod
    def of(cls, error: Exception) -> _Failure:
        code, sentence = told_of(error)
        if code == INTERNAL:
            log.error("Work on the lent device failed.", exc_info=error)
        return cls(code, sentence)


class Gpu:
    """`lend` is None where the device is this process's own.

    `forked` is called in the other process before each piece of work.
    """

    def __init__(self, lend: Lend | None = None, forked: Callable[[], None] = lambda: None) -> None:
        self._lend, self._forked = lend, forked

    @property
    def is_lent(self) -> bool:
        return self._lend is not None

    def run(
        self, work: Callable[P, Iterator[T]], seconds: float
    ) -> Callable[P, Generator[T, None, None]]:
        """`work`, a generator, as it has to be called; to be made before the page is served.

        What it is called with and what it yields goes through pickle, and what it changes in
        memory may be lost. Closing the result closes `work` at its next yield.

        Raises `GpuRefused` where no GPU is to be had, or it was taken away.
        """
        if self._lend is None:
            return _as_it_is(work)

        def there(*args: P.args, **kwargs: P.kwargs) -> Iterator[T | _Failure | _Begun]:
            yield _Begun()
            self._forked()
            try:
                yield from work(*args, **kwargs)
            except Exception as error:
                yield _Failure.of(error)

        lent = self._lend(duration=seconds)(there)

        def call(*args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
            begun = False
            with closing(lent(*args, **kwargs)) as pieces:
                while True:
                    try:
                        piece = next(pieces)
                    except StopIteration:
                        return
                    except Exception as error:
                        raise GpuRefused(_sentence(error), begun=begun) from error
                    begun = True
                    if isinstance(piece, _Failure):
                        raise coded(piece.code, piece.sentence)
                    if not isinstance(piece, _Begun):
                        yield piece

        return call


def _as_it_is(
    work: Callable[P, Iterator[T]],
) -> Callable[P, Generator[T, None, None]]:
    def call(*args: P.args, **kwargs: P.kwargs) -> Generator[T, None, None]:
        yield from work(*args, **kwargs)

    return call


def _sentence(error: Exception) -> str:
    """The lender's own words; its errors keep them in `message`."""
    words = str(getattr(error, "message", "") or error or type(error).__name__).strip()
    return f"The GPU was not lent: {words.rstrip('.')}."
