"""The `lift-chat` command. No sub-command means `serve`.

Parses flags, hands over to `lift_chat.commands`, and turns every failure into one sentence on
stderr with exit status 2 (wrong usage) or 1 (anything else that was foreseen). Knows the rest of
the program only through the `Program` it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from lift_chat import __version__
from lift_chat.commands.absorb import absorb
from lift_chat.commands.chat import chat
from lift_chat.commands.evaluate import evaluate
from lift_chat.commands.hub import pull, push
from lift_chat.commands.jobs import jobs_app
from lift_chat.commands.library import library_app
from lift_chat.commands.options import AsJson, BaseModel, FourBit, Home, Reader, Revision
from lift_chat.commands.output import note, say, say_fields, say_json
from lift_chat.commands.program import Program, open_service, program_of
from lift_chat.commands.sharing import export, import_
from lift_chat.commands.warmup import warmup
from lift_chat.commands.watching import STOPPED
from lift_chat.errors import LiftChatError
from lift_chat.settings import Settings

ROOT_FLAGS = ("--help", "--version", "--install-completion", "--show-completion")
GROUPS = {"jobs": jobs_app, "library": library_app}

app = typer.Typer(
    name="lift-chat",
    help="Talk to a long document that has been absorbed into a local language model.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)
app.command()(absorb)
app.command()(chat)
app.command("eval")(evaluate)
app.command()(warmup)
app.command()(export)
app.command("import")(import_)
app.command()(push)
app.command()(pull)


def run(arguments: Sequence[str], program: Program) -> int:
    """Runs one command line; the exit status."""
    arguments = with_defaults(list(arguments))
    try:
        status = app(args=arguments, prog_name="lift-chat", obj=program, standalone_mode=False)
    except typer.TyperException as error:
        problem = " ".join(error.format_message().split()).rstrip(".")
        note(f"{problem}. See: lift-chat {_help_for(arguments)}")
        return error.exit_code
    except LiftChatError as error:
        note(str(error))
        return 1
    except typer.Abort:
        return STOPPED
    return status if isinstance(status, int) else 0


def with_defaults(arguments: list[str]) -> list[str]:
    """The same command line with the words that may be left out: `serve`, and `list` of a group."""
    words = _words(arguments)
    following = arguments[len(words) :]
    flag_next = not following or following[0].startswith("-")
    if following[:1] == ["--help"] or not flag_next:
        return arguments
    if not words:
        return arguments if following[:1] and following[0] in ROOT_FLAGS else ["serve", *following]
    return [*words, "list", *following] if words[-1] in GROUPS else arguments


def _words(arguments: Sequence[str]) -> list[str]:
    """The leading words that name a command: at most two for a group, else one."""
    most = 2 if arguments and arguments[0] in GROUPS else 1
    return list(takewhile(lambda word: not word.startswith("-"), arguments[:most]))


def _help_for(arguments: Sequence[str]) -> str:
    """Where to read about the command that was meant, as far as there is such a command."""
    words = []
    known: typer.Typer | None = app
    for word in _words(arguments):
        if known is None or word not in (*_commands(known), *(GROUPS if known is app else ())):
            break
        words.append(word)
        known = GROUPS.get(word)
    return " ".join([*words, "--help"])


def _commands(group: typer.Typer) -> list[str]:
    return [
        entry.name or entry.callback.__name__
        for entry in group.registered_commands
        if entry.callback is not None
    ]


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"lift-chat {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_say_version, is_eager=True),
    ] = False,
) -> None:
    """What is common to all commands: nothing but the version."""


@app.command()
def serve(  # noqa: PLR0913 - the signature is the command line
    context: typer.Context,
    host: Annotated[
        str | None, typer.Option(help="Address to serve on; 127.0.0.1.", show_default=False)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to serve on; 7860.", show_default=False)
    ] = None,
    share: Annotated[
        bool | None, typer.Option("--share", help="Public link; needs --auth.", show_default=False)
    ] = None,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="USER:PASSWORD",
            help="Login of the page; better given as LIFT_CHAT_AUTH.",
            show_default=False,
        ),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error.", show_default=False)
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the page in a browser.")
    ] = False,
    home: Home = None,
    base_model: BaseModel = None,
    revision: Revision = None,
    load_in_4bit: FourBit = None,
    reader: Reader = None,
) -> None:
    """Serve the page; what `lift-chat` alone does."""
    settings = Settings.from_flags(
        host=host,
        port=port,
        share=share,
        auth=auth,
        log_level=log_level,
        home=home,
        base_model=base_model,
        revision=revision,
        load_in_4bit=load_in_4bit,
        reader=reader,
    )
    program_of(context).serve(settings, browser=not no_browser)


@app.command()
def doctor(
    as_json: AsJson = False,
    home: Home = None,
    base_model: BaseModel = None,
    load_in_4bit: FourBit = None,
) -> None:
    """What this machine has: device, memory, disk, versions, base model, login, library."""
    from lift_chat.doctor import examine, lines

    settings = Settings.from_flags(home=home, base_model=base_model, load_in_4bit=load_in_4bit)
    findings = examine(settings)
    if as_json:
        say_json(findings)
    else:
        say_fields(lines(findings))
    if findings["problems"]:
        raise typer.Exit(1)


@app.command()
def demo(
    context: typer.Context,
    home: Home = None,
    base_model: BaseModel = None,
    revision: Revision = None,
    load_in_4bit: FourBit = None,
) -> None:
    """The whole way on an example: questions, absorbing, the same questions again."""
    from lift_chat.demo import run_demo

    with ExitStack() as stack:
        if home is None:
            home = Path(stack.enter_context(TemporaryDirectory(prefix="lift-chat-demo-")))
        service = stack.enter_context(
            open_service(
                context,
                worker=True,
                home=home,
                base_model=base_model,
                revision=revision,
                load_in_4bit=load_in_4bit,
            )
        )
        if not run_demo(service):
            raise typer.Exit(1)
