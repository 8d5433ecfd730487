"""The named endpoints: plain JSON in and out, ids not widgets, errors as "code: sentence".

Each endpoint asks the service with the caller's own ownership; hiding it would protect nothing.
Long work is only queued here. Knows no component of the page.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import gradio as gr

from lift_chat.lift.recipe import LiftConfig
from ui.chat_api import GENERATING, ChatApi
from ui.errors import endpoint
from ui.owner import owner_of, token_of
from ui.payloads import (
    adapter_json,
    changes_of,
    document_json,
    exam_json,
    items_json,
    items_of,
    job_json,
    name_of,
    progress_json,
    uploaded,
)
from ui.share_api import SHARING, ShareApi

if TYPE_CHECKING:
    from lift_chat.service import LiftChat


class Api(ChatApi, ShareApi):
    """One method per endpoint; its docstring is what the API page shows."""

    @endpoint
    def absorb(
        self,
        file: dict[str, Any],
        preset: str = "read",
        options: dict[str, Any] | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Reads a file in and queues it; returns at once. The same file and settings again give
        the same job, unless its study questions were changed; `duplicate_of` is the adapter already
        made of them, or null."""
        owner = owner_of(request)
        config = LiftConfig.preset(preset, **(options or {}))
        path = uploaded(file, owner)
        document = self.service.add_document(path, name=name_of(file), owner=owner)
        handle = self.service.absorb(document.id, config, owner=owner)
        job = handle.status().job
        done = job.adapter_id if job.state == "done" else None
        return {"job_id": job.id, "document_id": document.id, "duplicate_of": done}

    @endpoint
    def estimate(
        self,
        file: dict[str, Any],
        preset: str = "read",
        options: dict[str, Any] | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """What absorbing would cost: seconds, bytes, tokens, and `slices` where it is done in
        slices. Stores the document only."""
        owner = owner_of(request)
        config = LiftConfig.preset(preset, **(options or {}))
        path = uploaded(file, owner)
        document = self.service.add_document(path, name=name_of(file), owner=owner)
        cost = self.service.estimate(document.id, config, owner=owner)
        told = {**asdict(cost), "fits": cost.fits, "document_id": document.id}
        if self.service.in_slices:
            need = self.service.slices_needed(document.id, config, owner=owner)
            told["slices"] = {**asdict(need), "sentence": need.sentence()}
        return told

    @endpoint
    def absorb_slice(
        self, job_id: str, keep: bool = False, request: gr.Request | None = None
    ) -> Iterator[dict[str, Any]]:
        """Takes a waiting job forward by one slice, where `health` says `in_slices`. Streams
        {"id", "state", "stage", "step", "total", "loss", "message"}; the last one is the job as in
        `job_status`, with `slices_left` (0 when it is over). `keep` ends it with what it has
        learned so far."""
        owner = owner_of(request)
        events = self.service.absorb_slice(job_id, keep=keep, owner=owner)
        with closing(cast("Generator[Any]", events)):
            for event in events:
                yield {"id": job_id, "state": "running", **progress_json(event)}
        need = self.service.slices_left(job_id, owner=owner)
        job = self.service.job(job_id, owner=owner).job
        yield {**job_json(job), "slices_left": need.slices if need else 0}

    @endpoint
    def job_status(
        self, job_id: str, since: int = 0, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """A job, its place in the queue, and the points of its curve with `seq` above `since`."""
        status = self.service.job(job_id, since=since, owner=owner_of(request))
        points = [asdict(metric) for metric in status.metrics]
        return {**job_json(status.job), "position": status.position, "metrics": points}

    @endpoint
    def list_jobs(self, request: gr.Request | None = None) -> list[dict[str, Any]]:
        """All jobs, newest first."""
        return [job_json(job) for job in self.service.jobs(owner=owner_of(request))]

    @endpoint
    def stop_job(
        self, job_id: str, keep: bool = True, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Stops a job; `keep` publishes what was learned so far, otherwise it is discarded."""
        return job_json(self.service.stop_job(job_id, keep=keep, owner=owner_of(request)))

    @endpoint
    def resume_job(self, job_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Queues an interrupted or failed job again, from its last checkpoint."""
        return job_json(self.service.resume_job(job_id, owner=owner_of(request)))

    @endpoint
    def list_documents(
        self, query: str = "", request: gr.Request | None = None
    ) -> list[dict[str, Any]]:
        """Documents that were read in."""
        found = self.service.documents(query=query, owner=owner_of(request))
        return [document_json(document) for document in found]

    @endpoint
    def delete_document(
        self, document_id: str, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Deletes a document; adapters made of it stay."""
        freed = self.service.delete_document(document_id, owner=owner_of(request))
        return {"freed_bytes": freed}

    @endpoint
    def study_items(
        self, document_id: str, request: gr.Request | None = None
    ) -> list[dict[str, Any]]:
        """A document's study questions: {"question", "answer", "kind", "evidence", "origin",
        "start", "end", "page"}; start and end are characters of the text."""
        owner = owner_of(request)
        items = self.service.study_items(document_id, owner=owner)
        return items_json(items, self.service.pages(document_id, owner=owner))

    @endpoint
    def update_study_items(
        self, document_id: str, items: list[dict[str, Any]], request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Replaces all study questions. Each needs `question` and `answer`, and may have what
        `study_items` gives; its place is `start` and `end`, else its `page`. New and changed ones
        are a person's."""
        owner = owner_of(request)
        checked = items_of(items, self.service.pages(document_id, owner=owner))
        self.service.set_study_items(document_id, checked, owner=owner)
        return {"count": len(checked)}

    @endpoint
    def list_adapters(
        self, query: str = "", request: gr.Request | None = None
    ) -> list[dict[str, Any]]:
        """What was absorbed."""
        found = self.service.adapters(query=query, owner=owner_of(request))
        return [adapter_json(adapter) for adapter in found]

    @endpoint
    def get_adapter(self, adapter_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """One adapter, with its recipe and numbers."""
        return adapter_json(self.service.adapter(adapter_id, owner=owner_of(request)))

    @endpoint
    def exam(self, adapter_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """What an adapter's exam found: {"exam", "absorption", "forgetting", "memory_map",
        "pinned", "study"}, each null where it was not measured."""
        return exam_json(self.service.adapter(adapter_id, owner=owner_of(request)))

    @endpoint
    def update_adapter(
        self, adapter_id: str, changes: dict[str, Any], request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Changes any of `name`, `tags` (a list) and `note`."""
        checked = changes_of(changes)
        changed = self.service.update_adapter(adapter_id, **checked, owner=owner_of(request))
        return adapter_json(changed)

    @endpoint
    def delete_adapter(self, adapter_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Deletes an adapter and its conversations."""
        owner = owner_of(request)
        self.service.drop_kept(adapter_id, token=token_of(request), owner=owner)
        freed = self.service.delete_adapter(adapter_id, owner=owner)
        return {"freed_bytes": freed}

    @endpoint
    def health(self) -> dict[str, Any]:
        """Version, device, base model, free disk."""
        return self.service.health()


READING = ("absorb", "estimate", "import_adapter", "pull")
MODEL = (*GENERATING, "leak", "push")
SLICES = ("absorb_slice",)
ENDPOINTS = (
    "absorb", "estimate", "job_status", "list_jobs", "stop_job", "resume_job", "list_documents",
    "delete_document", "study_items", "update_study_items", "list_adapters", "get_adapter",
    "exam", "update_adapter", "delete_adapter", *SLICES,
    *GENERATING, "citations", *SHARING, "health",
)  # fmt: skip
"""The public names. Adding one is a decision; taking one away breaks programs."""


def wire(service: LiftChat) -> None:
    """Registers the endpoints; called inside the app's blocks."""
    api = Api(service)
    for name in ENDPOINTS:
        groups = {"chat": MODEL, "intake": READING, "slices": SLICES}
        group = next((group for group, names in groups.items() if name in names), None)
        gr.api(
            cast("Callable[..., Any]", getattr(api, name)),
            api_name=name,
            api_visibility="public",
            concurrency_id=group,
            concurrency_limit={"chat": 4, "intake": 2, "slices": 8}.get(group or "", 16),
        )
