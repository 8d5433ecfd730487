"""`lift-chat push` and `pull`: adapters on the Hugging Face Hub."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from lift_chat.commands.naming import find
from lift_chat.commands.options import AdapterArgument, AsJson, BaseModel, Home, Reader
from lift_chat.commands.output import note, say, say_json
from lift_chat.commands.program import open_service
from lift_chat.commands.sharing import say_arrived
from lift_chat.errors import NotConfirmed

if TYPE_CHECKING:
    from storage.hub.repository import Token

AskToken = Annotated[
    bool,
    typer.Option(
        "--ask-token", help="Ask for a token, for this call alone, instead of “hf auth login”."
    ),
]


def push(  # noqa: PLR0913 - the signature is the command line
    context: typer.Context,
    adapter: AdapterArgument,
    repo: Annotated[
        str, typer.Option("--repo", metavar="USER/NAME", help="Where to.", show_default=False)
    ],
    public: Annotated[
        bool, typer.Option("--public", help="For everybody to see; else for you alone.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Publish without being asked once more.")
    ] = False,
    ask_token: AskToken = False,
    as_json: AsJson = False,
    home: Home = None,
    base_model: BaseModel = None,
    reader: Reader = None,
) -> None:
    """Upload an adapter with a model card; private unless --public."""
    flags = {"home": home, "base_model": base_model, "reader": reader}
    with open_service(context, worker=False, **flags) as service:
        found = find(service.adapters(), adapter, "adapter")
        push_it = partial(
            service.push_adapter, found.id, repo, public=public, token=_token(ask_token)
        )
        if public:
            note("Looking how much of the document the adapter recites…")
        try:
            pushed = push_it(confirmed=yes)
        except NotConfirmed as told:
            note(str(told))
            if not typer.confirm("Publish it?", err=True):
                raise NotConfirmed("Nothing was published.") from told
            pushed = push_it(confirmed=True)
    if as_json:
        say_json(pushed)
    else:
        seen = "for you alone" if pushed.private else "for everybody"
        say(f"“{found.name}” is at {pushed.url}, {seen}.")


def pull(
    context: typer.Context,
    repo: Annotated[str, typer.Argument(metavar="USER/NAME", show_default=False)],
    revision: Annotated[
        str | None,
        typer.Option(metavar="COMMIT", help="Which version; the newest.", show_default=False),
    ] = None,
    ask_token: AskToken = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Take in an adapter from the Hub; it is checked before it is kept."""
    with open_service(context, worker=False, home=home) as service:
        arrived = service.pull_adapter(repo, revision=revision, token=_token(ask_token))
    say_arrived(arrived, as_json)


def _token(asked: bool) -> Token:
    return typer.prompt("Token", hide_input=True, err=True).strip() if asked else None
