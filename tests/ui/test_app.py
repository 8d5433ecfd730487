from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from tests.ui.conftest import in_loop
from tests.ui.fakes import FakeLiftChat
from ui import style
from ui.api import ENDPOINTS
from ui.app import build_app, launch_options, open_place
from ui.owner import owner_of

PUBLIC = {
    "absorb", "estimate", "job_status", "list_jobs", "stop_job", "resume_job", "list_documents",
    "delete_document", "list_adapters", "get_adapter", "update_adapter", "delete_adapter", "chat",
    "compare", "citations", "tint", "health", "exam", "study_items", "update_study_items",
    "export_adapter", "import_adapter", "leak", "push", "pull",
    "absorb_slice",
}  # fmt: skip
MOST_INPUTS = 8
UI_FOLDER = Path(style.__file__).parent


@pytest.fixture(scope="module")
def app() -> gr.Blocks:
    return in_loop(lambda: build_app(cast(Any, FakeLiftChat())))


def test_the_public_endpoints_are_exactly_the_promised_ones(app: gr.Blocks) -> None:
    public = {fn.api_name for fn in app.fns.values() if fn.api_visibility != "private"}
    assert public == PUBLIC == set(ENDPOINTS)


def test_every_other_event_is_private(app: gr.Blocks) -> None:
    for fn in app.fns.values():
        assert fn.api_name in PUBLIC or fn.api_visibility == "private", fn.name


def test_no_handler_takes_more_than_eight_inputs(app: gr.Blocks) -> None:
    counts = {fn.name: len(fn.inputs) for fn in app.fns.values()}
    assert max(counts.values()) <= MOST_INPUTS, counts


def test_every_control_has_a_label(app: gr.Blocks) -> None:
    controls = [
        block
        for block in app.blocks.values()
        if isinstance(block, gr.components.FormComponent) and not isinstance(block, gr.State)
    ]
    assert len(controls) > 20
    assert [control for control in controls if not control.label] == []


def test_every_handler_of_the_page_asks_for_its_owner(app: gr.Blocks) -> None:
    """A bound handler that calls the service without `owner` would show everybody's things."""
    calls = re.compile(r"self\.service\.(\w+)\(")
    without_owner = {"health", "compatible"}
    for path in UI_FOLDER.glob("*.py"):
        source = path.read_text(encoding="utf-8")
        for call in calls.finditer(source):
            arguments = _arguments(source, call.end())
            assert call[1] in without_owner or "owner" in arguments, f"{path.name}: {call[0]}"


def _arguments(source: str, start: int) -> str:
    depth, end = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(source[end], 0)
        end += 1
    return source[start:end]


def test_the_owner_of_a_desktop_is_the_local_one() -> None:
    assert owner_of(None) == "local"


def test_uploads_do_not_pile_up(app: gr.Blocks) -> None:
    assert app.delete_cache == (3600, 86_400)


def test_the_address_names_the_tab() -> None:
    assert open_place("chat").selected == "chat"
    assert open_place("") == gr.skip()
    assert open_place("elsewhere") == gr.skip()


def test_the_app_is_private_by_default(settings: Settings) -> None:
    options = launch_options(settings)
    assert options["server_name"] == "127.0.0.1"
    for off in ("share", "run_history", "mcp_server", "enable_monitoring", "ssr_mode", "pwa"):
        assert options[off] is False
    assert options["blocked_paths"] == [str(settings.home)]
    assert options["allowed_paths"] == []
    assert options["max_file_size"] == "100mb"
    assert options["auth"] is None


def test_a_login_is_passed_on_whole() -> None:
    options = launch_options(Settings(auth="me:pass:word"))
    assert options["auth"] == ("me", "pass:word")


def test_every_launch_option_is_one_that_gradio_knows(settings: Settings) -> None:
    known = inspect.signature(gr.Blocks.launch).parameters
    assert set(launch_options(settings)) <= set(known)


def test_nothing_is_fetched_from_a_network(settings: Settings) -> None:
    options = launch_options(settings)
    look = options["theme"]
    assert look._stylesheets == [] and look._font_css == []
    assert "http" not in options["css"] + options["head"]
    assert "url(" not in options["css"]
    assert "ui-sans-serif" not in look._get_theme_css(), "the theme's own font list is replaced"


def test_the_fake_has_the_public_methods_of_the_service() -> None:
    real = _methods(LiftChat)
    fake = _methods(FakeLiftChat)
    for only_tests_call in ("advance", "fail", "write_study_items"):
        assert fake.pop(only_tests_call)
    not_on_the_page = {"open", "export_vllm"}
    assert set(fake) == set(real) - not_on_the_page
    for name, parameters in fake.items():
        assert parameters == real[name], name


def _methods(kind: type) -> dict[str, list[tuple[str, Any]]]:
    return {
        name: [
            (parameter.name, parameter.default)
            for parameter in inspect.signature(method).parameters.values()
        ]
        for name, method in vars(kind).items()
        if not name.startswith("_") and (inspect.isfunction(method) or name == "open")
        if not isinstance(method, classmethod)
    }
