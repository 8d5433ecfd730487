"""`lift-chat export` and `import`: an adapter as one file, for another machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lift_chat.commands.naming import find
from lift_chat.commands.options import AdapterArgument, AsJson, BaseModel, Home, Reader
from lift_chat.commands.output import note, say, say_json, size
from lift_chat.commands.program import open_service
from lift_chat.errors import InvalidConfig

if TYPE_CHECKING:
    from storage.records import Adapter


def export(  # noqa: PLR0913 - the signature is the command line
    context: typer.Context,
    adapter: AdapterArgument,
    target: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.zip", help="Where to; a folder with --vllm.", show_default=False
        ),
    ],
    document: Annotated[
        bool, typer.Option("--document", help="With the document and its study questions.")
    ] = False,
    vllm: Annotated[
        bool, typer.Option("--vllm", help="As a folder that vLLM serves; says how.")
    ] = False,
    home: Home = None,
    base_model: BaseModel = None,
    reader: Reader = None,
) -> None:
    """Write an adapter into one file, for another machine."""
    if document and vllm:
        raise InvalidConfig("vLLM has no use for the document: leave out --document or --vllm.")
    flags = {"home": home, "base_model": base_model, "reader": reader}
    with open_service(context, worker=False, **flags) as service:
        found = find(service.adapters(), adapter, "adapter")
        if vllm:
            serving = service.export_vllm(found.id, target)
            note("Serve it, and ask it:")
            say(f"{serving.serve}\n{serving.ask}")
        else:
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
    say_arrived(arrived, as_json)


def say_arrived(adapter: Adapter, as_json: bool) -> None:
    if as_json:
        say_json(adapter)
    else:
        say(adapter.summary())
        say(f"Id {adapter.id}, from {adapter.origin}.")
