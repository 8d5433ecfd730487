"""Options of `lift-chat eval` alone: what is measured, on which documents, and how."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Collection = Annotated[
    str,
    typer.Option(
        "--set",
        metavar="NAME:PLACE",
        help="Collection, and its file, folder or Hub id; or needle:FILE.",
    ),
]
TableName = Annotated[
    str, typer.Option("--table", metavar="NAME", help="loogle, longbench, needle or fairytaleqa.")
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="FOLDER",
        help="Where collections without a place lie.",
        show_default=False,
    ),
]
Recipes = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe",
        metavar="NAME[=KEY:VALUE,...]",
        help="raw, g2, g3, ours, a preset, base (nothing is trained), or a name of your own.",
        show_default="ours",
    ),
]
Windows = Annotated[
    str,
    typer.Option(
        "--windows",
        metavar="NAMES",
        help="Of closed, truncated, retrieved, full.",
        show_default="closed,truncated,retrieved",
    ),
]
Split = Annotated[str, typer.Option("--split", help="Part of the collection, where it has any.")]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Most documents; 0 takes all.")]
Questions = Annotated[int, typer.Option("--questions", min=0, help="Most per document; 0: all.")]
MinTokens = Annotated[int, typer.Option("--min-tokens", min=0, help="Shortest document.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", min=0, help="Longest document; 0: any.")]
WindowTokens = Annotated[
    int | None,
    typer.Option("--window-tokens", min=64, help="Prompt length.", show_default="the base's"),
]
AnswerTokens = Annotated[
    int | None,
    typer.Option("--answer-tokens", min=1, max=4096, help="Longest answer.", show_default="32"),
]
Lengths = Annotated[
    str, typer.Option("--lengths", metavar="TOKENS", help="Of needle, like 1000,4000.")
]
Depths = Annotated[
    str, typer.Option("--depths", metavar="PERCENT", help="Of needle, like 0,50,100.")
]
Needles = Annotated[int, typer.Option("--needles", min=1, help="Per length and depth.")]
NoNll = Annotated[bool, typer.Option("--no-nll", help="Leave out the likelihood of gold answers.")]
JudgeModel = Annotated[
    str,
    typer.Option("--judge", metavar="MODEL", help="Judges answers, at LIFT_CHAT_WRITER_URL."),
]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where results go.")]
