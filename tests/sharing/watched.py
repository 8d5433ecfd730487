"""Inspects adapters under an audit hook, in a process of its own; a hook cannot be taken off again.

`python -m tests.sharing.watched FOLDER`: inspects what lies in `FOLDER/adapters`, `FOLDER/foreign`
and `FOLDER/archives`, unpacking into `FOLDER/scratch`, and prints by name what came of each, as
JSON: what refused it, and each event that an inspection has no business to cause. Behind them come
inspections that are bad on purpose (`CONTROLS`), so that it is seen that the hook sees.
"""

from __future__ import annotations

import codecs
import ctypes
import gc
import importlib
import json
import marshal
import os
import pickle
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from lift_chat.errors import UnsafeAdapter
from lift_chat.sharing.exchange import MOST_BYTES, MOST_FILES
from lift_chat.sharing.parcel import allowed, open_parcel
from storage import archive

FORBIDDEN = ("import", "exec", "compile", "os.system", "os.exec", "os.fork", "os.posix_spawn")
FORBIDDEN_FAMILIES = ("subprocess.", "socket.", "ctypes.", "pickle.", "marshal.", "urllib.")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """Between `over` and its end, every event is looked at; what is not allowed is noted, and does
    not happen."""

    def __init__(self) -> None:
        self._reading: tuple[str, ...] | None = None
        self._writing = ""
        self._seen: list[str] = []
        sys.addaudithook(self._hook)

    @contextmanager
    def over(self, case: Path, scratch: Path) -> Iterator[list[str]]:
        """What happens while `case` is inspected: it may be read, and `scratch` be written to."""
        self._seen = []
        self._reading, self._writing = (str(case), str(scratch)), str(scratch)
        try:
            yield self._seen
        finally:
            self._reading = None

    def _hook(self, event: str, values: tuple[Any, ...]) -> None:
        if self._reading is None:
            return
        if event in FORBIDDEN or event.startswith(FORBIDDEN_FAMILIES):
            self._refuse(f"{event} {str(values[:1])[:80]}")
        if event == "open" and not isinstance(values[0], int):
            path, flags = os.path.realpath(os.fsdecode(values[0])), values[2] or 0
            places = (self._writing,) if flags & WRITING else self._reading
            if not path.startswith(places):
                self._refuse(f"open {path}")
        if event in ("os.rename", "os.remove", "os.mkdir", "os.symlink", "os.link", "os.truncate"):
            paths = [os.path.realpath(p) for p in values[:2] if isinstance(p, str)]
            if not all(path.startswith(self._writing) for path in paths):
                self._refuse(f"{event} {paths}")

    def _refuse(self, seen: str) -> None:
        self._seen.append(seen)
        raise PermissionError(seen)


Inspection = Callable[[Path, Path], object]


def adapter(case: Path, scratch: Path) -> object:
    return open_parcel(case)


def foreign(case: Path, scratch: Path) -> object:
    return open_parcel(case, known_as="ann/lamp")


def zipped(case: Path, scratch: Path) -> object:
    archive.extract(case, scratch, allowed=allowed, most_files=MOST_FILES, most_bytes=MOST_BYTES)
    return open_parcel(scratch)


def unpickling(case: Path, scratch: Path) -> object:
    return pickle.loads((case / "adapter_model.bin").read_bytes())


CONTROLS: dict[str, tuple[Inspection, str]] = {
    "pickle": (unpickling, "pickle.find_class"),
    "import": (lambda c, _: __import__("antigravity"), "import"),
    "module by name": (lambda c, _: importlib.import_module("antigravity"), "open "),
    "compile": (lambda c, _: compile("1", "x", "exec"), "compile"),
    "exec": (lambda c, _: exec((lambda: 1).__code__), "exec"),
    "marshal": (lambda c, _: marshal.loads(b"N"), "marshal.loads"),
    "command": (lambda c, _: os.system("true"), "os.system"),
    "process": (lambda c, _: subprocess.run(["true"], check=False), "subprocess.Popen"),
    "socket": (lambda c, _: socket.socket(), "socket.__new__"),
    "library": (lambda c, _: ctypes.CDLL(None), "ctypes.dlopen"),
    "reading elsewhere": (lambda c, _: Path("/etc/hostname").read_text(), "open /etc/hostname"),
    "following a link": (lambda c, _: (c / "link").read_text(), "open /etc/hostname"),
    "writing into the case": (lambda c, _: (c / "new").write_text("x"), "open"),
    "moving out": (lambda c, s: os.rename(c / "adapter_model.bin", s.parent / "x"), "os.rename"),
}
"""Bad inspections with what must be seen of them."""


def inspect(watch: Watch, inspection: Inspection, case: Path, scratch: Path) -> dict[str, Any]:
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    refused = broken = ""
    with watch.over(case, scratch) as seen:
        try:
            inspection(case, scratch)
        except UnsafeAdapter as error:
            refused = str(error)
        except BaseException as error:  # a crash is no refusal, whatever it is
            broken = f"{type(error).__name__}: {error}"
    return {"refused": refused, "broken": broken, "seen": seen}


def modules() -> int:
    """Layers of any model that are in memory."""
    return sum(issubclass(type(one), torch.nn.Module) for one in gc.get_objects())


def main(folder: Path) -> None:
    scratch = folder / "scratch"
    load_file(folder / "warm.safetensors")  # what the library does once is not an inspection's,
    codecs.lookup("cp437")  # and neither is how Python reads the names in an archive
    before = modules()
    watch = Watch()
    report: dict[str, Any] = {}
    for kind in (adapter, foreign, zipped):
        for case in sorted((folder / kind.__name__).iterdir()):
            report[f"{kind.__name__}/{case.stem}"] = inspect(watch, kind, case, scratch)
    report["layers"] = modules() - before
    one = torch.nn.Linear(1, 1)
    report["layers of one"] = modules() - before
    del one
    for name, (bad, _) in CONTROLS.items():
        report[f"control/{name}"] = inspect(watch, bad, folder / "control", scratch)
    print(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
