"""Options that several commands share. A flag that is not given is None, never a default: the
defaults live in `Settings`, under the environment and the configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="FOLDER", help="The library's folder.", show_default=False),
]
BaseModel = Annotated[
    str | None,
    typer.Option(
        "--base-model",
        metavar="MODEL",
        help="auto, embedded, a Hub id, a folder or a .gguf file.",
        show_default=False,
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision", metavar="COMMIT", help="Revision of a Hub model.", show_default=False
    ),
]
FourBit = Annotated[
    bool | None,
    typer.Option("--load-in-4bit", help="Load the base model in 4 bits.", show_default=False),
]
Reader = Annotated[
    str | None,
    typer.Option(
        "--reader",
        metavar="READER",
        help="Warm start of the base: auto, none, or a folder of `lift-chat warmup`.",
        show_default=False,
    ),
]
Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="EXECUTOR",
        help="Absorb now: local (here), ray (on a cluster) or hf-jobs (machines of Hugging Face).",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="Id, start of an id, or name.", show_default=False)
]
AdapterArgument = Annotated[
    str, typer.Argument(metavar="ADAPTER", help="Id, start of an id, or name.", show_default=False)
]
