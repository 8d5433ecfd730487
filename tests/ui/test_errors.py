from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator

import gradio as gr
import pytest

from lift_chat.errors import NotFound, UnreadableDocument
from ui.errors import endpoint, page
from ui.words import INTERNAL_ERROR

SECRET = "/home/somebody/private.pdf"


@page
def refused() -> None:
    raise UnreadableDocument("<img src=x>.pdf", "password", "it wants a password.")


@page
def broken() -> None:
    raise KeyError(SECRET)


@endpoint
def unknown() -> None:
    raise NotFound("There is no such adapter.")


@endpoint
def broken_stream() -> Iterator[int]:
    yield 1
    raise KeyError(SECRET)


def message_of(error: pytest.ExceptionInfo[gr.Error]) -> str:
    return str(error.value.message)


def test_the_page_shows_an_error_of_ours_as_its_escaped_sentence() -> None:
    with pytest.raises(gr.Error) as error:
        refused()
    assert message_of(error) == "&lt;img src=x&gt;.pdf: it wants a password."


def test_a_program_gets_the_code_before_the_sentence() -> None:
    with pytest.raises(gr.Error) as error:
        unknown()
    assert message_of(error) == "not_found: There is no such adapter."


def test_a_bug_is_logged_with_its_traceback_and_shown_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(gr.Error) as error:
        broken()
    assert message_of(error) == INTERNAL_ERROR
    assert caplog.records[0].exc_info
    assert SECRET in caplog.text


def test_a_stream_stays_a_generator_and_fails_like_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert inspect.isgeneratorfunction(broken_stream)
    pieces = broken_stream()
    assert next(pieces) == 1
    with pytest.raises(gr.Error) as error:
        next(pieces)
    assert message_of(error) == f"internal: {INTERNAL_ERROR}"
    assert SECRET not in message_of(error)
