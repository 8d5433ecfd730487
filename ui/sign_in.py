"""Signing in, on a Space: the button, what it is for, and what is there only for who has done it.

What a visitor may do is decided by the service; here it is only drawn. Not on the page elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from storage.records import NOBODY
from ui.cards import notice
from ui.errors import page
from ui.owner import owner_of
from ui.quiet import QUIET
from ui.words import DUPLICATE, SIGN_IN, SIGN_OUT, WHY_SIGN_IN


@dataclass(frozen=True)
class SignIn:
    why: gr.HTML


def layout() -> SignIn:
    small: dict[str, Any] = {"size": "sm", "scale": 0, "min_width": 190}
    with gr.Row(elem_id="sign-in"):
        with gr.Column(scale=1, min_width=320):
            why = gr.HTML(notice([WHY_SIGN_IN], "quiet"), visible=False, elem_id="why-sign-in")
        # Its icon would lie outside of what is served here.
        gr.LoginButton(SIGN_IN, SIGN_OUT, icon=None, elem_id="login", **small)
        gr.DuplicateButton(DUPLICATE, variant="secondary", **small)
    return SignIn(why)


@page
def show(count: int, request: gr.Request | None = None) -> list[Any]:
    """The reason while nobody is signed in, and after that the places to put things."""
    missing = owner_of(request) == NOBODY
    return [gr.update(visible=missing), *[gr.update(visible=not missing)] * int(count)]


def wire(app: gr.Blocks, sign_in: SignIn, places: Sequence[gr.blocks.Block]) -> None:
    app.load(show, gr.State(len(places)), [sign_in.why, *places], **QUIET)
