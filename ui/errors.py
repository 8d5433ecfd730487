"""One way for an error to reach a person or a program.

`page` wraps a handler of the page, `endpoint` one of the API. A `LiftChatError` becomes its own
sentence (for programs with its stable code in front); anything else is a bug: it is logged with
its traceback and shown as "internal error", so that no path or text of a document leaks.
"""

from __future__ import annotations

import functools
import html
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar, cast

import gradio as gr

from lift_chat.errors import LiftChatError
from ui.words import INTERNAL_ERROR, SORRY

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)


def for_page(error: Exception) -> gr.Error:
    """The toast for `error`; escaped, since sentences quote names of files and toasts are HTML."""
    if isinstance(error, LiftChatError):
        return gr.Error(html.escape(str(error)), title=SORRY, print_exception=False)
    log.error("A handler of the page failed.", exc_info=error)
    return gr.Error(INTERNAL_ERROR, title=SORRY, print_exception=False)


def warn(error: LiftChatError) -> None:
    """The same as a warning, for handlers that have something to show all the same."""
    gr.Warning(html.escape(str(error)), title=SORRY)


def for_program(error: Exception) -> gr.Error:
    """The error of an endpoint; its message is "code: sentence"."""
    if isinstance(error, LiftChatError):
        return gr.Error(f"{error.code}: {error}", print_exception=False)
    log.error("An endpoint failed.", exc_info=error)
    return gr.Error(f"internal: {INTERNAL_ERROR}", print_exception=False)


def page(handler: Callable[P, R]) -> Callable[P, R]:
    """Wrap a handler (or generator handler) of the page."""
    return _translated(handler, for_page)


def endpoint(handler: Callable[P, R]) -> Callable[P, R]:
    """Wrap a handler (or generator handler) of the API."""
    return _translated(handler, for_program)


def _translated(
    handler: Callable[P, R], translate: Callable[[Exception], gr.Error]
) -> Callable[P, R]:
    # Gradio tells generators apart by looking at the function itself, so the wrapper of a
    # generator has to be one too.
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: P.args, **kwargs: P.kwargs) -> Iterator[object]:
            try:
                yield from cast("Iterator[object]", handler(*args, **kwargs))
            except gr.Error:
                raise
            except Exception as error:
                raise translate(error) from error

        return cast("Callable[P, R]", stream)

    @functools.wraps(handler)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return handler(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            raise translate(error) from error

    return call
