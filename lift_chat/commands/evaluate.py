"""`lift-chat eval`: measures recipes on a collection of documents with questions.

Needs no library and changes none; what it finds goes into a folder of its own, and a run that was
ended goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lift_chat.commands.eval_options import (
    AnswerTokens,
    Collection,
    Data,
    Depths,
    JudgeModel,
    Lengths,
    Limit,
    MaxTokens,
    MinTokens,
    Needles,
    NoNll,
    Out,
    Questions,
    Recipes,
    Split,
    TableName,
    Windows,
    WindowTokens,
)
from lift_chat.commands.options import AsJson, BaseModel, FourBit, Reader, Revision
from lift_chat.commands.output import count, duration, note, say, say_json
from lift_chat.commands.program import program_of
from lift_chat.commands.watching import STAGES, STOPPED
from lift_chat.settings import Settings

if TYPE_CHECKING:
    from lift_chat.evaluation.ledger import Line
    from lift_chat.evaluation.trial import Course, Sign
    from lift_chat.models.loading import LoadedModel

STEP = 0.25
"""Share of a stage between two lines."""


def evaluate(  # noqa: PLR0913 - the signature is the command line
    context: typer.Context,
    collection: Collection = "",
    table: TableName = "",
    data: Data = None,
    recipes: Recipes = None,
    windows: Windows = "",
    split: Split = "",
    limit: Limit = 0,
    questions: Questions = 0,
    min_tokens: MinTokens = 0,
    max_tokens: MaxTokens = 0,
    window_tokens: WindowTokens = None,
    answer_tokens: AnswerTokens = None,
    lengths: Lengths = "",
    depths: Depths = "",
    needles: Needles = 1,
    no_nll: NoNll = False,
    judge: JudgeModel = "",
    out: Out = Path("eval"),
    as_json: AsJson = False,
    base_model: BaseModel = None,
    revision: Revision = None,
    load_in_4bit: FourBit = None,
    reader: Reader = None,
) -> None:
    """Measure recipes on documents with questions.

    Absorbs every document by every recipe and asks its questions; the base answers them, too.
    Results go into a folder; the same command goes on where it was ended.
    """
    settings = Settings.from_flags(
        base_model=base_model, revision=revision, load_in_4bit=load_in_4bit, reader=reader
    )
    if not (collection or table):
        raise typer.BadParameter("Name a collection with --set, or a table with --table.")
    load = program_of(context).base(settings)
    from lift_chat.evaluation.arms import Room
    from lift_chat.evaluation.measuring import Measurement, course_of
    from lift_chat.evaluation.needle import Grid
    from lift_chat.evaluation.sets import Selection
    from lift_chat.evaluation.tables import Table, table_of

    preset = table_of(table) if table else Table(collection, recipes=("ours",))
    numbers = (_numbers_of(lengths), _numbers_of(depths))
    grid = Grid(numbers[0] or preset.grid.lengths, numbers[1] or preset.grid.depths, needles)
    measurement = Measurement(
        collection=collection or preset.collection,
        recipes=recipes or preset.recipes,
        windows=[name.strip() for name in windows.split(",") if name.strip()] or preset.windows,
        selection=Selection(split or preset.split, limit, questions, min_tokens, max_tokens),
        room=Room(window_tokens, answer_tokens or preset.answer_tokens),
        gold_nll=not no_nll,
        home=data,
        grid=grid,
    )
    loaded = load()
    course = course_of(measurement, loaded, settings)
    raise typer.Exit(_run(course, loaded, settings, out, judge=judge, as_json=as_json))


def _numbers_of(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of numbers like 0,50,100.") from None


def _run(
    course: Course,
    loaded: LoadedModel,
    settings: Settings,
    folder: Path,
    *,
    judge: str,
    as_json: bool,
) -> int:
    """Measures, writes the report of what is finished, also after Ctrl-C, and prints it."""
    from lift_chat.evaluation import measuring
    from lift_chat.evaluation.markdown import markdown

    note(f"{course.collection}: {count(len(course.documents), 'document')}; results in {folder}")
    status = 0
    try:
        with closing(measuring.measure(course, loaded, folder)) as signs:
            status = _follow(signs, course)
    except KeyboardInterrupt:
        note("Stopped. The same command goes on from here.")
        status = STOPPED
    lines = measuring.finished(course, loaded, folder)
    if not lines:
        return status
    if judge and status != STOPPED:
        note(f"{judge} judges the answers.")
        lines = list(measuring.judged(lines, judge, settings, folder))
    made = measuring.reported(course, loaded, lines, folder, judge=judge)
    if as_json:
        say_json(made.to_dict())
    else:
        say(markdown(made), end="")
    return status


def _follow(signs: Iterable[Sign], course: Course) -> int:
    """Says what happens, a line at each change and at every quarter of a stage; 1 if any recipe
    failed on a document."""
    status, seen = 0, ("", "", 0.0)
    for sign in signs:
        place = f"{sign.index + 1}/{len(course.documents)} “{sign.document.title}” {sign.arm}"
        if sign.error:
            note(f"{place}: {sign.error}")
            status = 1
        elif sign.line is not None:
            note(f"{place}: {_numbers(sign.line)}")
        elif (place, sign.stage) != seen[:2] or sign.share >= seen[2] + STEP:
            share = f" {sign.share:.0%}" if 0 < sign.share < 1 else ""
            note(f"{place}: {STAGES.get(sign.stage, sign.stage)}{share}")
            seen = (place, sign.stage, sign.share)
    return status


def _numbers(line: Line) -> str:
    """One finished arm in a few words."""
    from lift_chat.evaluation.report import mean_scores

    scores = ", ".join(f"{label} {value}" for label, value in mean_scores([line]))
    trained = f", absorbed in {duration(line['train_seconds'])}" if "train_seconds" in line else ""
    return f"{scores}{trained}, answered in {duration(line['answer_seconds'])}"
