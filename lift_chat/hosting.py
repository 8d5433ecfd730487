"""Where the program runs: on somebody's own machine, or as a Hugging Face Space for many.

Says what the environment says at that moment. Knows nothing of what is done differently.
"""

from __future__ import annotations

import os
from pathlib import Path

DISK = Path("/data")
"""Where a Space's lasting disk is mounted, if it has one; all else goes with a restart."""


def space_id() -> str | None:
    """The Space that this process serves, as the Hub's own variables say; None elsewhere."""
    return os.environ.get("SPACE_ID") if os.environ.get("SYSTEM") == "spaces" else None


def lasting_disk(folder: str) -> Path | None:
    """That folder on the Space's lasting disk; None where there is none that can be written to."""
    return DISK / folder if space_id() and disk_lasts() else None


def disk_lasts() -> bool:
    """Whether what is kept here is there after a restart, as far as the environment says."""
    return space_id() is None or (DISK.is_dir() and os.access(DISK, os.W_OK))
