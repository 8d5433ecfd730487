"""Reading an uploaded file in, for every drop zone of the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lift_chat.errors import LiftChatError
from ui.errors import warn
from ui.payloads import theirs

if TYPE_CHECKING:
    from lift_chat.service import LiftChat


def read_in(service: LiftChat, path: str | None, owner: str) -> str:
    """The document's id; "" when there was no file, or when it was refused with a warning.

    A warning instead of an error: an error would cover the drop zone until it is dismissed, and
    the next thing the person does is to drop another file there.
    """
    if not path:
        return ""
    try:
        upload = theirs(Path(path), owner)
        return service.add_document(upload, name=upload.name, owner=owner).id
    except LiftChatError as error:
        warn(error)
        return ""
