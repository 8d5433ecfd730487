"""The endpoints that let an adapter out and in: as one file, and on the Hub.

Plain JSON and files in and out. A token is never an argument: it is the visitor's own, or that of
the machine where lift-chat runs.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import gradio as gr

from lift_chat.steps import finished
from ui.errors import endpoint
from ui.outbox import exported
from ui.owner import owner_of, token_of
from ui.payloads import adapter_json, file_json, uploaded

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

SHARING = ("export_adapter", "import_adapter", "leak", "push", "pull")


class ShareApi:
    """One method per endpoint; its docstring is what the API page shows."""

    service: LiftChat

    @endpoint
    def export_adapter(
        self, adapter_id: str, document: bool = False, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """A .zip with the adapter and, if wanted, its document and study questions."""
        owner = owner_of(request)
        return file_json(exported(self.service, adapter_id, owner, document=document))

    @endpoint
    def import_adapter(
        self, file: dict[str, Any], request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Takes in what `export_adapter` gave; it is checked before it is kept."""
        owner = owner_of(request)
        return adapter_json(self.service.import_adapter(uploaded(file, owner), owner=owner))

    @endpoint
    def leak(self, adapter_id: str, request: gr.Request | None = None) -> dict[str, Any] | None:
        """How much of its document an adapter recites: {"passages", "prompt_tokens", "tokens",
        "adapter", "base", "longest"}; null where the document is gone or too short."""
        measuring = self.service.measure_leak(adapter_id, owner=owner_of(request))
        leak = finished(measuring)
        return asdict(leak) if leak else None

    @endpoint
    def push(
        self,
        adapter_id: str,
        repo: str,
        public: bool = False,
        confirmed: bool = False,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Uploads an adapter to the Hub repository “user/name”: {"repo", "commit", "url",
        "private"}. What is `public` has to be `confirmed`, knowing its `leak`."""
        pushed = self.service.push_adapter(
            adapter_id,
            repo,
            public=public,
            confirmed=confirmed,
            token=token_of(request),
            owner=owner_of(request),
        )
        return asdict(pushed)

    @endpoint
    def pull(
        self, repo: str, revision: str = "", request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Takes in the adapter of the Hub repository “user/name”; it is checked before it is
        kept."""
        arrived = self.service.pull_adapter(
            repo, revision=revision or None, token=token_of(request), owner=owner_of(request)
        )
        return adapter_json(arrived)
