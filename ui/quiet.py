"""How the page's own events are declared: no endpoint, and no spinner over what stays readable."""

from __future__ import annotations

from typing import Any, TypedDict


class Quiet(TypedDict):
    show_progress: Any
    api_visibility: Any


QUIET: Quiet = {"show_progress": "hidden", "api_visibility": "private"}
