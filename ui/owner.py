"""Who is asking: the one place that turns a request into the owner of library rows.

On a desktop everything belongs to one person. On a Space the owner is the Hugging Face account that
signed in, as Gradio keeps it in the session: a cookie that the server has signed. Nothing that a
caller says about itself counts, nor does the mocked sign-in that Gradio offers elsewhere. Knows
nothing of what is owned.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import gradio as gr

from lift_chat.hosting import space_id
from storage.hub.repository import Token
from storage.records import LOCAL, NOBODY


def owner_of(request: gr.Request | None) -> str:
    """The owner whose rows a request may see; `NOBODY` on a Space without sign-in."""
    return owner_in(_scope(request))


def token_of(request: gr.Request | None) -> Token:
    """The token to talk to the Hub with: the visitor's own, False for none at all, and None, on a
    desktop, for the one that the Hub's client has stored."""
    if space_id() is None:
        return None
    token = _sign_in(_scope(request)).get("access_token")
    return token if isinstance(token, str) and token else False


def owner_in(scope: Mapping[str, Any]) -> str:
    """As `owner_of`, of an ASGI connection."""
    if space_id() is None:
        return LOCAL
    person = _sign_in(scope).get("userinfo")
    account = person.get("sub") if isinstance(person, Mapping) else None
    return f"hf:{account}" if isinstance(account, str) and account else NOBODY


def _sign_in(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the Hub told of the visitor; empty when nobody is signed in, or not any more."""
    told = scope.get("session", {}).get("oauth_info")
    if not isinstance(told, Mapping):
        return {}
    ends = told.get("expires_at")
    return told if isinstance(ends, int | float) and ends > time.time() else {}


def _scope(request: gr.Request | None) -> Mapping[str, Any]:
    # A request without its connection, as another process gets it, is nobody's.
    connection = getattr(request, "request", None)
    return connection.scope if connection is not None else {}
