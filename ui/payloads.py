"""What goes over the API: files and JSON in, checked; records out, without their owner.

Everything here may come from a stranger, so each shape is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder

from lift_chat.errors import InvalidConfig
from lift_chat.lift.progress import ProgressEvent
from lift_chat.quotas import somebody
from lift_chat.study_list import page_of, span_of
from storage.records import Adapter, Document, Job, Message, Page, StudyItem
from ui.private_files import FILES
from ui.words import UPLOAD_FIRST

Json = dict[str, Any]

EXAM = ("exam", "absorption", "forgetting", "memory_map", "pinned", "study")
"""What an adapter's metrics say of its exam and what goes with it; an older one lacks some."""

ITEM = {"question": str, "answer": str, "kind": str, "evidence": str, "origin": str,
        "start": int, "end": int, "page": int}  # fmt: skip
"""The shape of a study item over the API."""


def uploaded(file: Any, owner: str) -> Path:
    """The path of a file that `owner` uploaded. Raises `InvalidConfig` for any other path on the
    server, `SignInNeeded` for nobody."""
    given = file.get("path") if isinstance(file, Mapping) else file
    path = theirs(Path(str(given or "")).resolve(), owner)
    if not path.is_relative_to(Path(get_upload_folder()).resolve()) or not path.is_file():
        raise InvalidConfig(UPLOAD_FIRST)
    return path


def theirs(path: Path, owner: str) -> Path:
    """As `uploaded`, of a path that Gradio has found to be one of an upload."""
    if not FILES.belongs(path, somebody(owner)):
        raise InvalidConfig(UPLOAD_FIRST)
    return path


def name_of(file: Mapping[str, Any]) -> str:
    """The name the caller gave the file, without folders; "" where there is none."""
    return Path(str(file.get("orig_name") or file.get("path") or "")).name


def messages_of(messages: Any) -> str | list[Message]:
    """Raises `InvalidConfig` unless it is a text or a list of {role, content}."""
    if isinstance(messages, str):
        return messages
    shape = "messages must be a text, or a list of {role: user or assistant, content: text}."
    if not isinstance(messages, list):
        raise InvalidConfig(shape)
    for message in messages:
        known = isinstance(message, Mapping) and message.get("role") in ("user", "assistant")
        if not known or not isinstance(message.get("content"), str):
            raise InvalidConfig(shape)
    return [Message(role=message["role"], content=message["content"]) for message in messages]


def changes_of(changes: Any) -> Json:
    """Raises `InvalidConfig` for anything but a name, a list of tags and a note."""
    wanted = {"name": str, "tags": list, "note": str}
    fine = isinstance(changes, Mapping) and all(
        key in wanted and isinstance(value, wanted[key]) for key, value in changes.items()
    )
    if not fine or not all(isinstance(tag, str) for tag in changes.get("tags", [])):
        raise InvalidConfig("changes may hold name (text), tags (list of texts) and note (text).")
    return dict(changes)


def items_of(items: Any, pages: Sequence[Page]) -> list[StudyItem]:
    """Study items of a document with these pages; its place is start and end, else its page.

    Raises `InvalidConfig` for another shape. What they say is checked by the service.
    """
    if not isinstance(items, list):
        raise InvalidConfig("items must be a list of study items.")
    return [_item(number, item, pages) for number, item in enumerate(items, 1)]


def _item(number: int, item: Any, pages: Sequence[Page]) -> StudyItem:
    fine = isinstance(item, Mapping) and all(
        name in ITEM and type(value) is ITEM[name] for name, value in item.items()
    )
    if not fine or not {"question", "answer"} <= set(item):
        raise InvalidConfig(
            f"Item {number}: a study item holds question and answer (texts), and may hold kind, "
            f"evidence, origin (texts), start, end and page (whole numbers)."
        )
    if ("start" in item) != ("end" in item):
        raise InvalidConfig(f"Item {number}: start and end come together.")
    told = {name: value for name, value in item.items() if name != "page"}
    if "start" not in told:
        told["start"], told["end"] = span_of(pages, item.get("page", page_of(pages, 0)))
    return StudyItem(**told)


def items_json(items: Sequence[StudyItem], pages: Sequence[Page]) -> list[Json]:
    return [{**asdict(item), "page": page_of(pages, item.start)} for item in items]


def exam_json(adapter: Adapter) -> Json:
    """The parts named by `EXAM`; null where the adapter was made without it."""
    return {name: adapter.metrics.get(name) for name in EXAM}


def job_json(job: Job) -> Json:
    return _without_owner(asdict(job))


def progress_json(event: ProgressEvent) -> Json:
    names = ("stage", "step", "total", "loss", "message")
    return {name: getattr(event, name) for name in names}


def document_json(document: Document) -> Json:
    return _without_owner(asdict(document))


def file_json(path: Path) -> Json:
    """A file as Gradio hands it out; a client downloads it."""
    meta = {"_type": "gradio.FileData"}
    return {"path": str(path), "orig_name": path.name, "size": path.stat().st_size, "meta": meta}


def adapter_json(adapter: Adapter) -> Json:
    return _without_owner({**asdict(adapter), "tags": list(adapter.tags)})


def _without_owner(values: Json) -> Json:
    return {name: value for name, value in values.items() if name != "owner"}
