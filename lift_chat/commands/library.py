"""`lift-chat library`: adapters and their documents. Reading needs no lock."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from lift_chat.commands.naming import find
from lift_chat.commands.options import AdapterArgument, AsJson, Home
from lift_chat.commands.output import note, say, say_fields, say_json, say_table, size
from lift_chat.commands.program import change_library, listed, read_library
from lift_chat.errors import LiftChatError
from lift_chat.settings import Settings
from storage.records import LOCAL, Adapter

library_app = typer.Typer(help="The library: adapters and documents.", rich_markup_mode=None)

Tags = Annotated[
    list[str] | None, typer.Option("--tag", help="Only with this tag; can be repeated.")
]


@library_app.command("list")
def show_list(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Words to search for.", show_default=False)] = "",
    tags: Tags = None,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """All adapters, newest first."""
    found = listed(context, home, lambda library: library.adapters(LOCAL, query, tags or ()))
    if as_json:
        say_json(found)
    elif not found:
        nothing = "Nothing fits." if query or tags else "No adapters yet."
        say(f"{nothing} Make one with: lift-chat absorb FILE --wait")
    else:
        rows = [
            (one.id, size(one.bytes), one.base_model, " ".join(one.tags), _name(one))
            for one in found
        ]
        say_table(("id", "size", "base model", "tags", "name"), rows)


def _name(adapter: Adapter) -> str:
    return adapter.name if adapter.state == "ready" else f"{adapter.name} (files missing)"


@library_app.command()
def show(
    context: typer.Context, adapter: AdapterArgument, as_json: AsJson = False, home: Home = None
) -> None:
    """One adapter: what it was made of, how, and what it learned."""
    found = find(read_library(context, home).adapters(LOCAL), adapter, "adapter")
    if as_json:
        say_json(found)
        return
    say(found.summary())
    say_fields(
        [
            ("Id", found.id),
            ("State", found.state),
            ("Document", found.document_id),
            ("Base model", found.base_model),
            ("Revision", found.base_revision),
            ("Recipe", _pairs(found.recipe)),
            ("Measured", _pairs(found.metrics)),
            ("Tags", " ".join(found.tags)),
            ("Note", found.note),
            ("Made", found.created_at),
        ]
    )


def _pairs(values: dict[str, object]) -> str:
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
    )


@library_app.command()
def rename(
    context: typer.Context,
    adapter: AdapterArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    home: Home = None,
) -> None:
    """Give an adapter another name."""
    with change_library(context, home) as library:
        found = find(library.adapters(LOCAL), adapter, "adapter")
        renamed = library.update_adapter(found.id, LOCAL, name=name)
    say(f"“{found.name}” is now “{renamed.name}”.")


@library_app.command()
def tag(
    context: typer.Context,
    adapter: AdapterArgument,
    tags: Annotated[
        list[str] | None, typer.Argument(metavar="[TAG]...", show_default=False)
    ] = None,
    home: Home = None,
) -> None:
    """Replace an adapter's tags; none given removes all."""
    with change_library(context, home) as library:
        found = find(library.adapters(LOCAL), adapter, "adapter")
        changed = library.update_adapter(found.id, LOCAL, tags=tags or [])
    say(f"“{changed.name}”: {' '.join(changed.tags) or 'no tags'}.")


@library_app.command("rm")
def remove(
    context: typer.Context,
    adapter: AdapterArgument,
    with_document: Annotated[
        bool, typer.Option("--document", help="Delete the document that it was made of, too.")
    ] = False,
    home: Home = None,
) -> None:
    """Delete an adapter and its conversations."""
    with change_library(context, home) as library:
        found = find(library.adapters(LOCAL), adapter, "adapter")
        freed = library.delete_adapter(found.id, LOCAL)
        if with_document:
            freed += library.delete_document(found.document_id, LOCAL)
    say(f"Deleted “{found.name}”; {size(freed)} freed.")


@library_app.command()
def verify(context: typer.Context, as_json: AsJson = False, home: Home = None) -> None:
    """Compare every adapter's files with the hashes they were published with."""
    library = read_library(context, home)
    results = []
    for adapter in library.adapters(LOCAL):
        problem = ""
        try:
            library.verify_adapter(adapter.id, LOCAL)
        except LiftChatError as error:
            problem = str(error)
            note(f"“{adapter.name}” ({adapter.id}): {problem}")
        results.append({"id": adapter.id, "name": adapter.name, "problem": problem})
    damaged = sum(bool(result["problem"]) for result in results)
    if as_json:
        say_json(results)
    else:
        say(f"{len(results) - damaged} of {len(results)} adapters are as they were published.")
    if damaged:
        raise typer.Exit(1)


@library_app.command()
def repair(context: typer.Context, home: Home = None) -> None:
    """Rebuild the index from the folders."""
    with change_library(context, home) as library:
        library.repair()
        say(library.findings.sentence())
    say("The search index is made anew.")


@library_app.command()
def du(context: typer.Context, as_json: AsJson = False, home: Home = None) -> None:
    """How much disk the library takes."""
    library = read_library(context, home)
    usage, free = library.disk_usage(LOCAL), library.free_bytes()
    if as_json:
        say_json({**usage, "free": free})
        return
    say_fields(
        [*((key.capitalize(), size(value)) for key, value in usage.items()), ("Free", size(free))]
    )


@library_app.command()
def path(home: Home = None) -> None:
    """Where the library lies."""
    say(str(Settings.from_flags(home=home).home))
