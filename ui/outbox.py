"""Files on their way to a browser or a program, each in a folder that nobody can guess.

They lie among Gradio's own files, which alone it serves, and go with them after a day.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from gradio.utils import get_upload_folder

from ui import present

if TYPE_CHECKING:
    from lift_chat.service import LiftChat


def exported(service: LiftChat, adapter_id: str, owner: str, *, document: bool) -> Path:
    """An adapter as a .zip that is named after it."""
    name = service.adapter(adapter_id, owner=owner).name
    folder = Path(get_upload_folder()) / secrets.token_hex(16)
    return service.export_adapter(
        adapter_id, folder / present.file_name(name, ".zip"), document=document, owner=owner
    )
