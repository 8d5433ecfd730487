"""`lift-chat library`: adapters and their documents. Reading needs no lock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lift_chat.commands.naming import find
from lift_chat.commands.options import AdapterArgument, AsJson, Home
from lift_chat.commands.output import count, note, say, say_fields, say_json, say_table, size
from lift_chat.commands.program import change_library, listed, read_library
from lift_chat.errors import LiftChatError, NotFound
from lift_chat.learned import Exam, Learned, percent
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
            ("Base model", found.made_for),
            ("Recipe", _pairs(found.recipe)),
            ("Measured", _pairs(_flat(found.metrics))),
            *_learned(Learned.of(found.metrics)),
            ("Tags", " ".join(found.tags)),
            ("Note", found.note),
            ("Made", found.created_at),
        ]
    )


def _flat(metrics: dict[str, object]) -> dict[str, object]:
    """The single numbers and texts; what has parts is told in sentences."""
    return {
        name: value
        for name, value in metrics.items()
        if name != "absorption" and not isinstance(value, dict | list)
    }


def _learned(found: Learned) -> list[tuple[str, str]]:
    forgetting, exam = found.forgetting, found.exam
    return [
        ("Exam", exam.sentence().removeprefix("Exam: ") if exam else ""),
        ("With excerpts", _with_excerpts(exam) if exam else ""),
        ("Control", _control(exam) if exam else ""),
        ("Absorption", found.absorbed()),
        (
            "Forgetting",
            f"{forgetting.warning} {forgetting.sentence()}".strip() if forgetting else "",
        ),
        ("Study", found.study.sentence() if found.study else ""),
    ]


def _with_excerpts(exam: Exam) -> str:
    before, now = exam.base.truncated, exam.adapter.truncated
    if before is None or now is None:
        return ""
    return f"{percent(before)} before, {percent(now)} now."


def _control(exam: Exam) -> str:
    if exam.control is None:
        return ""
    name = f" “{exam.control_name}”" if exam.control_name else ""
    return f"{percent(exam.control)} with another document's adapter{name}."


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


@library_app.command()
def cards(
    context: typer.Context,
    document: Annotated[
        str,
        typer.Argument(
            metavar="DOCUMENT", help="Id, start of an id, or file name.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.csv", help="Where to.", show_default=False)
    ],
    home: Home = None,
) -> None:
    """Write a document's study questions as flashcards that Anki imports."""
    from lift_chat.lift.study.cards import to_csv

    library = read_library(context, home)
    found = find(library.documents(LOCAL), document, "document")
    items = library.study_items(found.id, LOCAL)
    if not items:
        raise NotFound(f"There are no study questions about “{found.title or found.name}” yet.")
    try:
        out.write_text(to_csv(items, found.title or found.name), encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be written: {error.strerror}.") from error
    say(f"{count(len(items), 'flashcard')} in {out}.")


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
