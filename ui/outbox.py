"""Files on their way to a browser or a program.

They lie among Gradio's own files, which alone it serves, and go with them after a day.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ui import present
from ui.private_files import FILES

if TYPE_CHECKING:
    from lift_chat.service import LiftChat


def exported(service: LiftChat, adapter_id: str, owner: str, *, document: bool) -> Path:
    """An adapter as a .zip that is named after it; served to its owner alone."""
    name = present.file_name(service.adapter(adapter_id, owner=owner).name, ".zip")
    with TemporaryDirectory() as folder:
        file = service.export_adapter(
            adapter_id, Path(folder) / name, document=document, owner=owner
        )
        return Path(FILES.hand_out(file, owner))
