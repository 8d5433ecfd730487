"""`lift-chat jobs`: what waits, runs and ran. Reading needs no lock and works beside a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from lift_chat.commands.holder import holder_of
from lift_chat.commands.naming import find
from lift_chat.commands.options import (
    AsJson,
    BaseModel,
    Executor,
    FourBit,
    Home,
    JobArgument,
    Revision,
)
from lift_chat.commands.output import say, say_fields, say_json, say_table
from lift_chat.commands.program import change_library, listed, open_service, read_library
from lift_chat.commands.watching import (
    STOPPED,
    Seen,
    follow,
    run_to_end,
    say_end,
    stage_of,
    statuses,
)
from lift_chat.errors import IllegalTransition
from lift_chat.learned import percent
from lift_chat.settings import Settings
from storage.records import LOCAL, Job

if TYPE_CHECKING:
    from storage.library import Library

jobs_app = typer.Typer(help="Jobs: what waits, runs and ran.", rich_markup_mode=None)


@jobs_app.command("list")
def show_list(context: typer.Context, as_json: AsJson = False, home: Home = None) -> None:
    """All jobs, newest first."""
    found = listed(context, home, lambda library: library.jobs(LOCAL))
    if as_json:
        say_json(found)
        return
    if not found:
        say("No jobs yet. Start with: lift-chat absorb FILE")
        return
    held = bool(holder_of(Settings.from_flags(home=home).home))
    rows = [(job.id, state_of(job, held=held), progress_of(job), job.name) for job in found]
    say_table(("id", "state", "done", "name"), rows)


@jobs_app.command()
def show(
    context: typer.Context, job: JobArgument, as_json: AsJson = False, home: Home = None
) -> None:
    """One job, with its recipe and the last point of its curve."""
    library = read_library(context, home)
    found = find(library.jobs(LOCAL), job, "job")
    metrics = library.metrics(found.id)
    if as_json:
        say_json({"job": found, "metrics": metrics})
        return
    losses = [metric.loss for metric in metrics if metric.loss is not None]
    exams = [metric.exam for metric in metrics if metric.exam is not None]
    recipe = (f"{key}={value}" for key, value in found.recipe.items())
    say_fields(
        [
            ("Job", found.id),
            ("Name", found.name),
            ("Document", found.document_id),
            ("State", state_of(found, held=bool(holder_of(library.root)))),
            ("Done", progress_of(found)),
            ("Loss", f"{losses[0]:.3f} first, {losses[-1]:.3f} last" if losses else ""),
            ("Exam", f"{percent(exams[0])} first, {percent(exams[-1])} last" if exams else ""),
            ("Adapter", found.adapter_id or ""),
            ("Message", found.error or found.message),
            ("Attempts", str(found.attempts)),
            ("Queued", found.created_at),
            ("Started", found.started_at),
            ("Ended", found.finished_at),
            ("Recipe", ", ".join(recipe)),
        ]
    )


@jobs_app.command()
def watch(context: typer.Context, job: JobArgument, home: Home = None) -> None:
    """Follow a job to its end; Ctrl-C ends the watching, not the job."""
    library = read_library(context, home)
    found = find(library.jobs(LOCAL), job, "job")
    root = library.root
    last = follow(statuses(_look(library, found.id), goes_on=lambda: bool(holder_of(root))))
    if not last.is_over:
        say(f"Nothing runs “{last.name}” now. Go on with: lift-chat jobs resume {last.id} --wait")
    elif not say_end(last):
        raise typer.Exit(1)


def _look(library: Library, job_id: str) -> Callable[[int], Seen]:
    def look(since: int) -> Seen:
        job = library.job(job_id, LOCAL)
        position = library.queue_position(job_id) if job.state == "queued" else 0
        return Seen(job, tuple(library.metrics(job_id, since)), position)

    return look


@jobs_app.command()
def stop(
    context: typer.Context,
    job: JobArgument,
    discard: Annotated[
        bool, typer.Option("--discard", help="Throw away what was learned so far.")
    ] = False,
    home: Home = None,
) -> None:
    """Stop a job. What it has learned becomes an adapter, or is thrown away with --discard."""
    with change_library(context, home) as library:
        found = find(library.jobs(LOCAL), job, "job")
        if found.state == "queued" and found.step and not discard:
            raise IllegalTransition(
                f"“{found.name}” waits with a checkpoint, and nothing runs it; "
                f"go on with: lift-chat jobs resume {found.id}, or throw it away with --discard."
            )
        stopped = library.request_stop(found.id, LOCAL, keep=not discard)
    # No process runs it: this one holds the lock. The request waits for the next start.
    end = "is thrown away" if discard else "becomes an adapter"
    if stopped.state == "running":
        say(f"What “{stopped.name}” has learned {end} when the next `lift-chat` runs.")
    else:
        say(f"“{stopped.name}” is {stopped.state}.")


@jobs_app.command()
def resume(  # noqa: PLR0913 - the signature is the command line
    context: typer.Context,
    job: JobArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Run it now and show how it goes.")] = False,
    executor: Executor = None,
    home: Home = None,
    base_model: BaseModel = None,
    revision: Revision = None,
    load_in_4bit: FourBit = None,
) -> None:
    """Go on with an interrupted or failed job, from its last checkpoint."""
    with change_library(context, home) as library:
        found = find(library.jobs(LOCAL), job, "job")
        # What ran when the program ended goes on by itself.
        if found.state not in ("queued", "running"):
            found = library.requeue_job(found.id, LOCAL)
    if not (wait or executor):
        say(f"“{found.name}” goes on when the next `lift-chat` runs.")
        return
    flags = {
        "executor": executor,
        "home": home,
        "base_model": base_model,
        "revision": revision,
        "load_in_4bit": load_in_4bit,
    }
    with open_service(context, worker=True, **flags) as service:
        ended = run_to_end(service, found.id)
    if ended is None:
        raise typer.Exit(STOPPED)
    if not say_end(ended):
        raise typer.Exit(1)


def state_of(job: Job, *, held: bool) -> str:
    """The state in words: a job that no process runs is waiting, whatever its row says."""
    if job.state == "running":
        return f"running, {stage_of(Seen(job, (), 0))}" if held else "waiting, with a checkpoint"
    return job.state


def progress_of(job: Job) -> str:
    return f"{job.step / job.total:.0%}" if job.total and job.step else ""
