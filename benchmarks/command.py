"""The command of a measurement as its results name it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def command(module: str) -> str:
    """Absolute paths by their last part: where things lie on a machine is no result."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", "-m", module, *words])
