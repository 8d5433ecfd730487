"""One question to two models: the base, and the base with what it absorbed; same window and seed.

Nothing of a comparison is stored.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from lift_chat.errors import InvalidConfig
from ui import cards, present
from ui.errors import page
from ui.owner import owner_of
from ui.quiet import QUIET
from ui.settings_box import chosen
from ui.words import ASK, ASK_SOMETHING, CHOOSE_ADAPTER, COMPARE_HELP, STOP

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

WAITING = "…"


@dataclass(frozen=True)
class ComparePanel:
    panel: gr.Column
    adapted: gr.Markdown
    base: gr.Markdown
    window: gr.HTML
    box: gr.Textbox


def layout() -> ComparePanel:
    with gr.Column(visible=False, elem_id="compare") as panel:
        gr.HTML(cards.empty(COMPARE_HELP))
        with gr.Row(equal_height=True, elem_classes="lc-versus"):
            adapted = _answer("Has read it", "compare-adapted")
            base = _answer("Has not read it", "compare-base")
        window = gr.HTML(elem_id="compare-window")
        box = gr.Textbox(
            value="",
            label="Question for both",
            placeholder="Ask both, press Enter",
            submit_btn=ASK,
            max_lines=6,
            elem_id="compare-question",
        )
    return ComparePanel(panel, adapted, base, window, box)


def _answer(label: str, elem_id: str) -> gr.Markdown:
    with gr.Column(min_width=280):
        gr.HTML(f'<h3 class="lc-who">{label}</h3>')
        return gr.Markdown(
            label=label,
            container=True,
            padding=True,
            min_height=180,
            latex_delimiters=[],
            elem_id=elem_id,
        )


class CompareHandlers:
    """The comparison's events over the service."""

    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def ask(
        self,
        adapter_id: str | None,
        question: str,
        changes: Mapping[str, Any],
        request: gr.Request | None = None,
    ) -> Iterator[tuple[Any, ...]]:
        """Yields (adapted, base, window, box) while both answers grow."""
        if not adapter_id:
            raise InvalidConfig(CHOOSE_ADAPTER)
        if not question.strip():
            raise InvalidConfig(ASK_SOMETHING)
        yield WAITING, WAITING, "", gr.update(submit_btn=False, stop_btn=STOP)
        growing = self.service.compare(
            adapter_id, question.strip(), chosen(changes), owner=owner_of(request)
        )
        with closing(cast("Generator[Any]", growing)):
            for texts in growing:
                both = present.harmless(texts.adapted), present.harmless(texts.base)
                line = cards.empty(texts.window.sentence())
                yield both[0] or WAITING, both[1] or WAITING, line, gr.skip()


def ready() -> Any:
    return gr.update(submit_btn=ASK, stop_btn=False)


def wire(service: LiftChat, panel: ComparePanel, adapter: gr.Dropdown, changes: gr.State) -> None:
    handlers = CompareHandlers(service)
    asked = panel.box.submit(
        handlers.ask,
        [adapter, panel.box, changes],
        [panel.adapted, panel.base, panel.window, panel.box],
        concurrency_id="chat",
        concurrency_limit=4,
        **QUIET,
    )
    asked.then(ready, None, panel.box, **QUIET)
    panel.box.stop(ready, None, panel.box, cancels=asked, **QUIET)
