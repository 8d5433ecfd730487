"""The page and the API as one Gradio app: first everything is laid out, then it is wired.

Knows the service only through the tabs; starts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.middleware import Middleware

from lift_chat.hosting import disk_lasts, space_id
from ui import (
    absorb_tab,
    api,
    chat_tab,
    job_panel,
    keeping,
    library_tab,
    sheet,
    shell,
    sign_in,
    style,
)
from ui.gate import Gate
from ui.quiet import QUIET
from ui.words import TAGLINE

if TYPE_CHECKING:
    from lift_chat.service import LiftChat
    from lift_chat.settings import Settings

UPLOADS_CHECKED_EVERY, UPLOADS_KEPT_FOR = 3600, 86_400
"""Seconds. What was uploaded is copied into the library at once; the copy here is only Gradio's."""


@dataclass(frozen=True)
class Tabs:
    library: library_tab.LibraryTab
    absorb: absorb_tab.AbsorbTab
    chat: chat_tab.ChatTab
    buttons: dict[str, gr.Tab]
    sign_in: sign_in.SignIn | None
    keeping: keeping.KeepBox | None


def build_app(service: LiftChat) -> gr.Blocks:
    """The app over `service`, which is any object with its public methods."""
    with gr.Blocks(
        title="lift-chat",
        analytics_enabled=False,
        delete_cache=(UPLOADS_CHECKED_EVERY, UPLOADS_KEPT_FOR),
    ) as app:
        # First, because Gradio names every event, the page's private ones too, and a name that
        # is taken gets a number.
        api.wire(service)
        shared, tabs = layout(service)
        wire(service, app, shared, tabs)
    for event in app.fns.values():
        if event.api_name not in api.ENDPOINTS:  # Gradio's sign-in button brings a public one
            event.api_visibility = "private"
    app.queue(max_size=64, default_concurrency_limit=8, api_open=False)
    return app


def layout(service: LiftChat) -> tuple[shell.Shell, Tabs]:
    style.header(service.health(), TAGLINE)
    signing_in = sign_in.layout() if space_id() else None
    place = gr.Textbox(value="", visible=False, label="Place")
    with gr.Tabs(elem_id="tabs") as container:
        with gr.Tab("Library", id=shell.LIBRARY) as library_button:
            library = library_tab.layout()
            kept = None if disk_lasts() else keeping.layout()
        with gr.Tab("Absorb", id=shell.ABSORB) as absorb_button:
            absorb = absorb_tab.layout()
        with gr.Tab("Chat", id=shell.CHAT) as chat_button:
            chat = chat_tab.layout()
    shared = shell.Shell(container, place, gr.State(""), gr.State(""), gr.Timer(shell.BUSY_SECONDS))
    buttons = dict(zip(shell.TABS, (library_button, absorb_button, chat_button), strict=True))
    return shared, Tabs(library, absorb, chat, buttons, signing_in, kept)


def wire(service: LiftChat, app: gr.Blocks, shared: shell.Shell, tabs: Tabs) -> None:
    """Connects the tabs, and what happens when the page is opened or a tab is."""
    show, asked, view = library_tab.wire(service, tabs.library, shared, tabs.chat.adapter)
    absorb_tab.wire(service, tabs.absorb, shared, tabs.chat.adapter)
    chat = chat_tab.wire(service, tabs.chat)
    jobs = job_panel.JobHandlers(service)
    app.load(show, asked, view, **QUIET)
    app.load(jobs.open, None, [shared.job_id, *tabs.absorb.job.view], **QUIET)
    if tabs.sign_in:
        library = tabs.library
        places = [library.drop, library.example, library.arrivals.box, tabs.absorb.drop]
        sign_in.wire(app, tabs.sign_in, places)
    if tabs.keeping:
        keeping.wire(service, app, tabs.keeping, shared, (show, asked, view))
    present_chat = [tabs.chat.adapter, tabs.chat.room, tabs.chat.nothing]
    app.load(chat.refresh, tabs.chat.adapter, present_chat, **QUIET)
    app.load(open_place, shared.place, shared.tabs, js=shell.READ_TAB, **QUIET)
    tabs.buttons[shell.LIBRARY].select(show, asked, view, **QUIET)
    tabs.buttons[shell.CHAT].select(chat.refresh, tabs.chat.adapter, present_chat, **QUIET)
    for name, button in tabs.buttons.items():
        button.select(None, js=shell.REMEMBER_TAB.format(tab=name))


def open_place(place: str) -> Any:
    """The tab that the page's address names, so that a reload stays where one was."""
    return gr.Tabs(selected=place) if place in shell.TABS else gr.skip()


def launch_options(settings: Settings) -> dict[str, Any]:
    """Arguments for `launch`: private by default, nothing sent anywhere, nothing kept of runs."""
    user, _, password = (settings.auth or "").partition(":")
    return {
        "server_name": settings.host,
        "server_port": settings.port,
        "share": settings.share,
        "auth": (user, password) if settings.auth else None,
        "max_file_size": f"{settings.max_upload_mb}mb",
        "allowed_paths": [],
        "blocked_paths": [str(settings.home)],
        "strict_cors": True,
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "mcp_server": False,
        "pwa": False,
        "show_error": False,
        "state_session_capacity": 500,
        "footer_links": [],
        "theme": style.theme(),
        "css": sheet.CSS,
        "head": shell.APPLY_THEME,
        "app_kwargs": {"middleware": gates(settings)},
    }


def gates(settings: Settings) -> list[Middleware]:
    """What stands between visitors and Gradio, where there are many. Gradio puts the session
    outside of it."""
    if not settings.space:
        return []
    limits = {"most_upload_mb": settings.quota_mb, "free_disk_mb": settings.free_disk_mb}
    return [Middleware(Gate, public=api.ENDPOINTS, **limits)]
