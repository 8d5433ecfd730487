"""Who is asking: the one place that turns a request into the owner of library rows.

Knows nothing of what is owned. On a desktop everything belongs to one person.
"""

from __future__ import annotations

import gradio as gr

from storage.hub.repository import Token
from storage.records import LOCAL


def owner_of(request: gr.Request | None) -> str:
    """The owner whose rows a request may see; always the local one without sign-in."""
    del request
    return LOCAL


def token_of(request: gr.Request | None) -> Token:
    """The Hub token of a request's visitor; None is the login of this machine."""
    del request
    return None
