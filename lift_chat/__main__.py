"""The composition root: the only module that sees the command line, the service and the page.

Settings, then logging, then the service with its worker, then the page. SIGTERM and SIGINT end
all of it in order: the page first, then the worker, which leaves a checkpoint, then the library.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lift_chat.cli import run
from lift_chat.commands.program import Program
from lift_chat.errors import LiftChatError, NotFound
from lift_chat.settings import Settings

if TYPE_CHECKING:
    from lift_chat.lent import Lend
    from lift_chat.models.loading import LoadedModel
    from lift_chat.service import LiftChat
    from storage.library import Library

QUIETED = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
    "urllib3": logging.WARNING,
    "PIL": logging.WARNING,
    "transformers": logging.WARNING,
    "pypdf": logging.ERROR,
    "bitsandbytes": logging.ERROR,
}
"""Libraries whose lower levels say nothing about lift-chat: requests, optional extras that are
not there, and, with pypdf, words of the document."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> None:
    """Entry point of `lift-chat` and of `python -m lift_chat`."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter gets a question mark, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    misplaced = misplaced_packages(Path(__file__).resolve().parent.parent)
    if misplaced:
        print(misplaced, file=sys.stderr)
        sys.exit(1)
    program = Program(
        open=open_service, read=read_library, change=change_library, serve=serve, base=load_base
    )
    sys.exit(run(sys.argv[1:], program))


def misplaced_packages(beside: Path) -> str:
    """One sentence if `storage` or `ui` would be imported from elsewhere than `beside`, or ''.

    They are top-level packages, so another project in the same environment could replace them.
    """
    for name in ("storage", "ui"):
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if found != beside / name:
            return (
                f"lift-chat needs its own package “{name}” in {beside}, but "
                f"{f'{found} would be used' if found else 'there is none'}: "
                f"install it into an environment of its own."
            )
    return ""


def configure_process(level: str) -> None:
    """What is logged, and that the Hub's client tells the Hub nothing but what it is asked to.

    The client reads that when it is imported, so this comes before everything else.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    logging.basicConfig(level=level, format=LOG_FORMAT, stream=sys.stderr)
    for name, quiet in QUIETED.items():
        logging.getLogger(name).setLevel(quiet)
    if not sys.warnoptions:
        # Libraries tell other libraries' authors what will change; the user cannot help it.
        warnings.simplefilter("ignore", FutureWarning)


def open_service(settings: Settings, *, worker: bool) -> LiftChat:
    """For commands: only warnings are logged, results are what they print."""
    configure_process("WARNING")
    from lift_chat.service import LiftChat

    return LiftChat.open(settings=settings, worker=worker)


def read_library(settings: Settings) -> Library:
    from storage.library import Library

    return Library.read_only(settings.home)


def change_library(settings: Settings) -> Library:
    from storage.library import Library

    configure_process("WARNING")
    if not settings.home.is_dir():
        raise NotFound(f"There is no library in {settings.home}.")
    return Library.open(settings.home)


def load_base(settings: Settings) -> Callable[[], LoadedModel]:
    # At once: libraries may have something to say when they are imported.
    configure_process("WARNING")

    def load() -> LoadedModel:
        from lift_chat.evaluation.measuring import load_base

        return load_base(settings)

    return load


def serve(settings: Settings, *, browser: bool, lend: Lend | None = None) -> None:
    """Returns after SIGTERM or SIGINT, with everything closed. `lend` as in `LiftChat.open`."""
    configure_process(settings.log_level)
    log = logging.getLogger(__name__)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    from lift_chat.service import LiftChat
    from ui.app import build_app, launch_options

    with LiftChat.open(settings=settings, worker=True, lend=lend) as service:
        if service.in_slices:
            service.prepare()
        app = build_app(service)
        options = {
            **launch_options(settings),
            "inbrowser": browser and has_display(),
            "prevent_thread_lock": True,
        }
        try:
            app.launch(**options)
            ended.wait()
        except OSError as error:
            raise LiftChatError(
                f"The page cannot be served on {settings.host}:{settings.port}, which is in use "
                f"or not allowed; choose another --port."
            ) from error
        finally:
            log.info("closing")
            app.close()
    log.info("closed")


def has_display() -> bool:
    """Whether a browser can show itself; a text browser would take the terminal over."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


if __name__ == "__main__":
    main()
