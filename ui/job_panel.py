"""A run on the page: bar, curves, pinned questions, stop, resume. All of it comes from the
service's rows.

Nothing here owns the run: closing the page changes nothing, and a page that is opened later shows
the whole curve.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gradio as gr
import pandas as pd

from lift_chat.learned import pinned_of
from ui import cards, curves, pinned, shell, slices
from ui.chat_choices import adapter_choices
from ui.errors import page
from ui.owner import owner_of
from ui.quiet import QUIET
from ui.words import DISCARD_JOB, EXAM_CURVE

if TYPE_CHECKING:
    from lift_chat.jobs import JobStatus
    from lift_chat.service import LiftChat
    from ui.shell import Shell

NO_CURVE: dict[str, list[float]] = {"step": [], "loss": []}
NO_EXAM: dict[str, list[float]] = {"step": [], "exam": []}
PLOT: dict[str, Any] = {"x": "step", "x_title": "Step", "height": 220, "buttons": []}


@dataclass(frozen=True)
class JobPanel:
    panel: gr.Column
    progress: gr.HTML
    plot: gr.LinePlot
    exam: gr.LinePlot
    pinned: gr.HTML
    keep: gr.Button
    discard: gr.Button
    resume: gr.Button
    chat: gr.Button
    confirm: gr.Column
    really: gr.Button
    back: gr.Button
    seen: gr.State
    all_runs: gr.HTML
    slices: slices.SliceBox

    @property
    def view(self) -> list[Any]:
        """The outputs of `JobHandlers.show`, in its order."""
        return [
            self.panel, self.progress, self.plot, self.exam, self.pinned, self.keep,
            self.discard, self.resume, self.chat, self.all_runs, self.seen,
        ]  # fmt: skip


def layout() -> JobPanel:
    with gr.Column(visible=False, elem_id="run") as panel:
        progress = gr.HTML(elem_id="progress")
        with gr.Row(elem_classes="lc-curves"):
            plot, exam = _plots()
        with gr.Row(elem_classes="lc-actions"):
            chat = gr.Button("Chat", variant="primary", visible=False, elem_id="run-chat")
            resume = gr.Button("Resume", variant="primary", visible=False, elem_id="run-resume")
            keep = gr.Button("Stop and keep", visible=False, elem_id="run-keep")
            discard = gr.Button("Discard…", visible=False, elem_id="run-discard")
        with gr.Column(visible=False, elem_classes="lc-confirm") as confirm:
            gr.HTML(cards.notice([DISCARD_JOB], "bad"))
            with gr.Row(elem_classes="lc-actions"):
                really = gr.Button("Discard the run", variant="stop", elem_id="discard-really")
                back = gr.Button("Go on")
        sliced = slices.layout()
        pinned_box = gr.HTML(elem_id="pinned")
    seen = gr.State(())
    runs = gr.HTML(js_on_load=cards.CLICK, elem_id="all-runs", render=False)
    return JobPanel(
        panel, progress, plot, exam, pinned_box, keep, discard, resume, chat, confirm, really,
        back, seen, runs, sliced,
    )  # fmt: skip


def _plots() -> tuple[gr.LinePlot, gr.LinePlot]:
    plot = gr.LinePlot(
        pd.DataFrame(NO_CURVE),
        y="loss",
        y_title="Loss",
        label="Loss while absorbing (lower is better)",
        elem_id="curve",
        min_width=300,
        **PLOT,
    )
    exam = gr.LinePlot(
        pd.DataFrame(NO_EXAM),
        y="exam",
        y_title="Percent",
        label=EXAM_CURVE,
        elem_id="exam-curve",
        min_width=300,
        visible=False,
        **PLOT,
    )
    return plot, exam


def layout_all_runs(panel: JobPanel) -> None:
    """The list of runs, placed below the tab's own content."""
    panel.all_runs.render()


class JobHandlers:
    """The panel's events over the service."""

    def __init__(self, service: LiftChat) -> None:
        self.service = service

    @page
    def show(self, job_id: str, request: gr.Request | None = None) -> tuple[Any, ...]:
        """The run, with its whole curve, and the list of all runs."""
        owner = owner_of(request)
        runs = self.all_runs(owner)
        if not job_id:
            return gr.update(visible=False), "", *(gr.skip(),) * 7, runs, ("", runs)
        status = self.service.job(job_id, owner=owner)
        return *self._drawn(status), runs, (mark(status), runs)

    @page
    def tick(
        self, seen: tuple[Any, ...], job_id: str, request: gr.Request | None = None
    ) -> tuple[Any, ...]:
        """As `show` where there is news, else nothing; and how soon to ask again."""
        owner = owner_of(request)
        runs = self.all_runs(owner)
        last = int(seen[0][1]) if seen and seen[0] else 0
        news = mark(self.service.job(job_id, since=last, owner=owner), last) if job_id else ""
        busy = shell.timer(busy=any(not job.is_over for job in self.service.jobs(owner=owner)))
        if seen and tuple(seen) == (news, runs):
            return *(gr.skip(),) * 11, busy
        *fresh, unchanged, now = self.show(job_id, request)
        if seen and seen[1] == runs:
            unchanged = gr.skip()  # redrawing the list would take the keyboard's focus from it
        return *fresh, unchanged, now, busy

    def _drawn(self, status: JobStatus) -> tuple[Any, ...]:
        job = status.job
        asked = job.request != ""
        curve, exams = curves.curve(status.metrics), curves.exams(status.metrics)
        span = [0, curves.steps(status.metrics)]
        best = max((row["exam"] for row in exams), default=0.0)
        live, broken = not job.is_over, job.state in ("failed", "interrupted")
        return (
            gr.update(visible=True),
            cards.progress(job, status.metrics, status.position),
            gr.update(value=pd.DataFrame(curve or NO_CURVE), visible=len(curve) > 1, x_lim=span),
            gr.update(
                value=pd.DataFrame(exams or NO_EXAM),
                visible=len(exams) > 1,
                x_lim=span,
                y_lim=[0, ceiling(best)],
            ),
            pinned.box(pinned_of(job.pinned), over=job.is_over),
            gr.update(visible=job.state == "running", interactive=not asked),
            gr.update(visible=live or broken, interactive=not asked),
            gr.update(visible=broken),
            gr.update(visible=job.state == "done"),
        )

    def all_runs(self, owner: str) -> str:
        jobs = self.service.jobs(owner=owner)
        waiting = [job for job in jobs if job.state == "queued"]
        places = {job.id: self.service.job(job.id, owner=owner).position for job in waiting}
        return cards.job_list(jobs, places)

    @page
    def stop(self, job_id: str, keep: bool, request: gr.Request | None = None) -> tuple[Any, ...]:
        self.service.stop_job(job_id, keep=keep, owner=owner_of(request))
        return gr.update(visible=False), *self.show(job_id, request)

    @page
    def resume(self, job_id: str, request: gr.Request | None = None) -> tuple[Any, ...]:
        self.service.resume_job(job_id, owner=owner_of(request))
        return gr.update(visible=False), *self.show(job_id, request)

    @page
    def chat(self, job_id: str, request: gr.Request | None = None) -> tuple[Any, ...]:
        owner = owner_of(request)
        adapter_id = self.service.job(job_id, owner=owner).job.adapter_id
        choices = adapter_choices(self.service, owner)
        return gr.Dropdown(choices=choices, value=adapter_id), gr.Tabs(selected=shell.CHAT)

    @page
    def pick(self, event: gr.EventData) -> str:
        return str(event.id)

    @page
    def open(self, request: gr.Request | None = None) -> tuple[Any, ...]:
        """What a freshly loaded page shows: the run under way, else the next one waiting."""
        jobs = [job for job in self.service.jobs(owner=owner_of(request)) if not job.is_over]
        chosen = min(jobs, key=lambda job: (job.state != "running", job.id), default=None)
        job_id = chosen.id if chosen else ""
        return job_id, *self.show(job_id, request)


def ceiling(percent: float) -> int:
    """Top of the exam's axis: the next multiple of twenty, so that little gains are seen and the
    axis does not move with each of them."""
    return min(100, 20 * (int(percent) // 20 + 1))


def mark(status: JobStatus, last: int = 0) -> tuple[Any, ...]:
    """Changes exactly when the run looks different: newest metric, state, stage, place."""
    job = replace(status.job, recipe={})
    newest = status.metrics[-1].seq if status.metrics else last
    return (job.id, newest, str(job), status.position)


def wire(service: LiftChat, panel: JobPanel, shared: Shell, chat_adapter: gr.Dropdown) -> None:
    handlers = JobHandlers(service)
    view, after = panel.view, [panel.confirm, *panel.view]
    shared.job_id.change(handlers.show, shared.job_id, view, **QUIET)
    shared.timer.tick(handlers.tick, [panel.seen, shared.job_id], [*view, shared.timer], **QUIET)
    yes, no = gr.State(True), gr.State(False)
    panel.keep.click(handlers.stop, [shared.job_id, yes], after, **QUIET)
    panel.discard.click(lambda: gr.update(visible=True), None, panel.confirm, **QUIET)
    panel.back.click(lambda: gr.update(visible=False), None, panel.confirm, **QUIET)
    panel.really.click(handlers.stop, [shared.job_id, no], after, **QUIET)
    panel.resume.click(handlers.resume, shared.job_id, after, **QUIET)
    panel.chat.click(handlers.chat, shared.job_id, [chat_adapter, shared.tabs], **QUIET)
    panel.all_runs.click(handlers.pick, None, shared.job_id, **QUIET)
