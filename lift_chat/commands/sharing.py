"""`lift-chat export` and `import`: an adapter as one file, for another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lift_chat.commands.naming import find
from lift_chat.commands.options import AdapterArgument, AsJson, Home
from lift_chat.commands.output import say, say_json, size
from lift_chat.commands.program import open_service

if TYPE_CHECKING:
    from storage.records import Adapter


def export(
    context: typer.Context,
    adapter: AdapterArgument,
    target: Annotated[
        Path,
        typer.Argument(metavar="FILE.zip", help="Where to.", show_default=False),
    ],
    document: Annotated[
        bool, typer.Option("--document", help="With the document and its study questions.")
    ] = False,
    home: Home = None,
) -> None:
    """Write an adapter into one file, for another machine."""
    with open_service(context, worker=False, home=home) as service:
        found = find(service.adapters(), adapter, "adapter")
        written = service.export_adapter(found.id, target, document=document)
    say(f"“{found.name}” is in {written} ({size(written.stat().st_size)}).")


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", show_default=False)],
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Take in a file that “export” wrote; it is checked before it is kept."""
    with open_service(context, worker=False, home=home) as service:
        arrived = service.import_adapter(file)
    _say_arrived(arrived, as_json)


def _say_arrived(adapter: Adapter, as_json: bool) -> None:
    if as_json:
        say_json(adapter)
    else:
        say(adapter.summary())
        say(f"Id {adapter.id}, from {adapter.origin}.")
