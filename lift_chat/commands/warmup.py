"""`lift-chat warmup`: trains a reader, the warm start of a base model, on documents with questions.

Needs no library and changes none. A run that was ended goes on from its last checkpoint when the
same command is given again.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lift_chat.commands.options import AsJson, BaseModel, Revision
from lift_chat.commands.output import count, duration, note, say, say_fields, say_json, say_table
from lift_chat.commands.program import program_of
from lift_chat.commands.watching import LINE_EVERY, STOPPED
from lift_chat.settings import Settings

if TYPE_CHECKING:
    from lift_chat.lift.progress import ProgressEvent
    from lift_chat.models.loading import LoadedModel
    from lift_chat.reader.files import ReaderManifest
    from lift_chat.reader.lessons import ReadingDocument
    from lift_chat.reader.warmup import WarmupConfig

Result = TypeVar("Result")

FAIRYTALEQA = "fairytaleqa:"

STAGES = {
    "writing": "answering general requests",
    "training": "training",
    "before": "scores before",
    "after": "scores after",
}

SCORES = (
    ("gold section open, F1", ("open", "f1")),
    ("gold section open, exact", ("open", "exact")),
    ("three passages found, F1", ("retrieved", "f1")),
    ("short window, F1", ("truncated", "f1")),
    ("closed book, F1", ("closed", "f1")),
    ("own questions kept, % of written", ("writing", "kept_of_written")),
    ("own questions kept, % of asked for", ("writing", "kept_of_asked")),
    ("loss on ordinary prose", ("general", "loss")),
    ("general quiz, % right", ("general", "quiz")),
)
"""What of the scores is shown, and where in them it stands."""


def warmup(  # noqa: PLR0913 - the signature is the command line
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="JSONL files, or fairytaleqa:FOLDER:SPLIT.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the reader goes.")],
    validate: Annotated[
        str, typer.Option(metavar="SOURCE", help="Held out, to measure before and after.")
    ] = "",
    questions: Annotated[int, typer.Option(min=1, help="Most questions to measure with.")] = 100,
    name: Annotated[
        str, typer.Option(help="Name of the reader.", show_default="that of the folder")
    ] = "",
    rank: Annotated[int, typer.Option(help="LoRA rank; alpha is twice that.")] = 32,
    passes: Annotated[float, typer.Option(help="Passes over all sections.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
    as_json: AsJson = False,
    base_model: BaseModel = None,
    revision: Revision = None,
) -> None:
    """Train a reader: a base model's warm start before absorbing.

    The base learns once, on many documents with questions, to read, to answer and to write
    questions. Use what comes out with --reader FOLDER.
    """
    settings = Settings.from_flags(
        base_model=base_model, revision=revision, load_in_4bit=False, reader="none"
    )
    load = program_of(context).base(settings)
    from lift_chat.adapters.folder import require_free
    from lift_chat.reader.warmup import WarmupConfig

    config = WarmupConfig(rank=rank, alpha=2 * rank, passes=passes, seed=seed)
    out = out.expanduser().absolute()
    require_free(out)
    documents = [document for source in sources for document in read_source(source)]
    held_out = read_source(validate) if validate else []
    note(_told(documents))
    course = _Course(load(), config, out, questions)
    try:
        manifest = course.run(documents, held_out, name or out.name, [label_of(s) for s in sources])
    except KeyboardInterrupt:
        note("Stopped. The same command goes on from the last checkpoint.")
        raise typer.Exit(STOPPED) from None
    _say_reader(manifest, out, as_json=as_json)


class _Course:
    """From documents to a reader's folder. What a later run goes on from lies beside it."""

    def __init__(
        self, loaded: LoadedModel, config: WarmupConfig, out: Path, questions: int
    ) -> None:
        self._loaded, self._config, self._questions = loaded, config, questions
        self._out = out
        self._work = out.with_name(f"{out.name}.unfinished")

    def run(
        self,
        documents: list[ReadingDocument],
        held_out: list[ReadingDocument],
        name: str,
        sources: list[str],
    ) -> ReaderManifest:
        """Measures before and after only when training is done: a resumed run measures once."""
        from dataclasses import replace

        from lift_chat.reader.files import ReaderFacts, write_reader
        from lift_chat.reader.scores import score
        from lift_chat.reader.warmup import warm_up

        loaded, scores = self._loaded, {}
        reader = _follow(
            warm_up(loaded, documents, self._config, turn=nullcontext, folder=self._work)
        )
        if held_out:
            trained = replace(loaded, model=reader.adapted)
            asked = (held_out, nullcontext, self._questions)
            scores["before"] = _follow(score(loaded, *asked, stage="before"))
            scores["after"] = _follow(score(trained, *asked, stage="after"))
        facts = ReaderFacts(
            name=name,
            recipe=self._config.to_dict(),
            scores=scores,
            trained_tokens=reader.tokens,
            seconds=reader.seconds,
            sources=tuple(sources),
        )
        manifest = write_reader(self._out, reader.adapted, loaded, facts)
        shutil.rmtree(self._work, ignore_errors=True)
        return manifest


def read_source(source: str) -> list[ReadingDocument]:
    """The documents of `source`. Raises `InvalidConfig` or `UnreadableDocument`."""
    from lift_chat.reader.sources import read_fairytaleqa, read_jsonl

    if not source.startswith(FAIRYTALEQA):
        return read_jsonl(Path(source))
    folder, colon, split = source.removeprefix(FAIRYTALEQA).rpartition(":")
    if not colon or not folder or not split:
        raise typer.BadParameter(f"{source!r} is not of the form fairytaleqa:FOLDER:SPLIT.")
    return read_fairytaleqa(Path(folder).expanduser(), split)


def label_of(source: str) -> str:
    """`source` as it may be passed on with a reader: without a folder of this machine."""
    if source.startswith(FAIRYTALEQA):
        return f"{FAIRYTALEQA}{source.rpartition(':')[2]}"
    return Path(source).name


def _told(documents: list[ReadingDocument]) -> str:
    sections = sum(len(document.sections) for document in documents)
    asked = sum(len(s.questions) for document in documents for s in document.sections)
    return (
        f"{count(len(documents), 'document')}, {count(sections, 'section')}, "
        f"{count(asked, 'question')}"
    )


def _follow(events: Generator[ProgressEvent, None, Result]) -> Result:
    """Says what happens, a line at each change of stage and at every tenth of one."""
    stage, shown = "", 0.0
    try:
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                result: Result = end.value
                return result
            if event.message:
                note(event.message)
            share = event.step / event.total if event.total else 0.0
            if event.stage != stage or share >= shown + LINE_EVERY:
                stage, shown = event.stage, share
                note(f"{STAGES.get(stage, stage)} {share:.0%}{_facts(event)}")
    finally:
        events.close()


def _facts(event: ProgressEvent) -> str:
    parts = []
    if event.loss is not None:
        parts.append(f"loss {event.loss:.3f}")
    if event.tokens_per_second:
        parts.append(f"{event.tokens_per_second:,.0f} tokens/s")
    if event.eta_seconds is not None:
        parts.append(f"{duration(event.eta_seconds)} left")
    return f": {', '.join(parts)}" if parts else ""


def _say_reader(manifest: ReaderManifest, out: Path, *, as_json: bool) -> None:
    if as_json:
        say_json({"folder": str(out), **vars(manifest)})
        return
    if manifest.scores:
        rows = [(label, *_pair(manifest.scores, place)) for label, place in SCORES]
        say_table(("score", "before", "after"), rows)
        say()
    say_fields(
        [
            ("Reader", manifest.name),
            ("Base", manifest.base_model),
            (
                "Trained on",
                f"{count(manifest.trained_tokens, 'token')} in {duration(manifest.seconds)}",
            ),
            ("Use it", f"lift-chat --reader {out}"),
        ]
    )


def _pair(scores: Any, place: tuple[str, str]) -> tuple[str, str]:
    group, name = place
    before, after = (scores[when][group][name] for when in ("before", "after"))
    return str(before), str(after)
