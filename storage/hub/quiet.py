"""The Hub's client without its remarks: bars and warnings that speak to programmers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from huggingface_hub.utils import logging as client_logging


@contextmanager
def quietly() -> Iterator[None]:
    """The block says itself what came of it. Two at once do no harm: each puts back only what it
    has changed."""
    with ExitStack() as restored:
        if not are_progress_bars_disabled():
            disable_progress_bars()
            restored.callback(enable_progress_bars)
        level = client_logging.get_verbosity()
        if level < logging.ERROR:
            client_logging.set_verbosity(logging.ERROR)
            restored.callback(client_logging.set_verbosity, level)
        yield
