"""What a command may ask of the outside: a service, a library to read, a page to serve.

The seam between the command line and the rest of the program. `lift_chat.__main__` fills it with
the real things, tests with small fakes; commands know only this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import typer

from lift_chat.errors import NotFound
from lift_chat.settings import Settings

if TYPE_CHECKING:
    from lift_chat.models.loading import LoadedModel
    from lift_chat.service import LiftChat
    from storage.library import Library

Entry = TypeVar("Entry")


class OpenService(Protocol):
    """Takes the library's lock, or raises `LibraryInUse`; `worker` also runs what is queued."""

    def __call__(self, settings: Settings, *, worker: bool) -> LiftChat: ...


class ReadLibrary(Protocol):
    """Needs no lock: works beside a running server. Raises `NotFound` where there is none."""

    def __call__(self, settings: Settings) -> Library: ...


class ChangeLibrary(Protocol):
    """Takes the lock, loads no model. Raises `NotFound` where there is no library."""

    def __call__(self, settings: Settings) -> Library: ...


class LoadBase(Protocol):
    """Makes what loads the base model alone; no library is needed or looked at. The loader raises
    `ModelUnavailable`."""

    def __call__(self, settings: Settings) -> Callable[[], LoadedModel]: ...


class Serve(Protocol):
    """Serves the page until the process is told to end."""

    def __call__(self, settings: Settings, *, browser: bool) -> None: ...


@dataclass(frozen=True)
class Program:
    open: OpenService
    read: ReadLibrary
    change: ChangeLibrary
    serve: Serve
    base: LoadBase


def program_of(context: typer.Context) -> Program:
    """The program that the command line was started with."""
    program = context.find_object(Program)
    if program is None:
        raise RuntimeError("the command line was started without a Program")
    return program


def open_service(context: typer.Context, *, worker: bool, **flags: Any) -> LiftChat:
    """The service for the settings that `flags` give; use it as a context manager."""
    return program_of(context).open(Settings.from_flags(**flags), worker=worker)


def read_library(context: typer.Context, home: Path | None) -> Library:
    """The library for reading."""
    return program_of(context).read(Settings.from_flags(home=home))


def change_library(context: typer.Context, home: Path | None) -> Library:
    """The library for changing rows and files; use it as a context manager."""
    return program_of(context).change(Settings.from_flags(home=home))


def listed(
    context: typer.Context, home: Path | None, of: Callable[[Library], list[Entry]]
) -> list[Entry]:
    """`of(library)`, or nothing where there is no library yet."""
    try:
        library = read_library(context, home)
    except NotFound:
        return []
    with library:
        return of(library)
