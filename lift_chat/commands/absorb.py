"""`lift-chat absorb`: reads files, says what it read, queues them, and follows if asked to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lift_chat.commands.options import AsJson, BaseModel, Executor, FourBit, Home, Revision
from lift_chat.commands.output import note, say, say_json
from lift_chat.commands.preview import say_document, say_estimate
from lift_chat.commands.program import open_service
from lift_chat.commands.recipes import check_chapters, config_of
from lift_chat.commands.watching import STOPPED, end_of, run_to_end
from lift_chat.errors import LiftChatError
from lift_chat.lift.recipe import LiftConfig
from storage.records import Job

if TYPE_CHECKING:
    from lift_chat.service import LiftChat

Entry = dict[str, Any]


def absorb(  # noqa: PLR0913 - the signature is the command line
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", show_default=False)],
    preset: Annotated[str, typer.Option(help="skim, read or study.")] = "read",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Changes one setting of the preset."),
    ] = None,
    chapters: Annotated[
        str, typer.Option(metavar="1-4,7", help="Only these chapters, as --dry-run numbers them.")
    ] = "",
    name: Annotated[str, typer.Option(help="Name of the adapter.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Absorb now and show how it goes.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what was read and the cost; keep nothing.")
    ] = False,
    executor: Executor = None,
    as_json: AsJson = False,
    home: Home = None,
    base_model: BaseModel = None,
    revision: Revision = None,
    load_in_4bit: FourBit = None,
) -> None:
    """Absorb documents into adapters.

    Queues one job per file; the next `lift-chat` runs them, or this command does with --wait or
    with --executor.
    """
    if name and len(files) > 1:
        raise typer.BadParameter("--name fits one file only.")
    if dry_run and (wait or executor):
        raise typer.BadParameter("--dry-run excludes --wait and --executor.")
    wait = wait or executor is not None
    config = config_of(preset, changes or (), chapters)
    flags = {
        "home": home,
        "base_model": base_model,
        "revision": revision,
        "load_in_4bit": load_in_4bit,
        "executor": executor,
    }
    with open_service(context, worker=wait, **flags) as service:
        command = _Absorb(service, config, name=name, quiet=as_json)
        entries = [command.preview(file) if dry_run else command.queue(file) for file in files]
        if wait:
            entries = [command.finish(entry) for entry in entries]
    if as_json:
        say_json(entries)
    elif not (wait or dry_run) and any(entry.get("state") == "queued" for entry in entries):
        say("It is absorbed when the next `lift-chat` runs; --wait does it at once.")
    if command.interrupted:
        raise typer.Exit(STOPPED)
    if any("error" in entry for entry in entries):
        raise typer.Exit(1)


class _Absorb:
    """One call of the command. Every method gives the JSON entry of one file and prints what a
    person wants to know; an error of one file is printed and does not keep the others."""

    def __init__(self, service: LiftChat, config: LiftConfig, *, name: str, quiet: bool) -> None:
        self._service, self._config, self._name = service, config, name
        self._say = (lambda text: None) if quiet else say
        self._quiet = quiet
        self.interrupted = False

    def preview(self, file: Path) -> Entry:
        """What was read and what it would cost; a document that is new here is forgotten again."""
        service = self._service
        known = {document.id for document in service.documents()}
        try:
            document = service.add_document(file)
            try:
                outline = service.outline(document.id)
                check_chapters(self._config, outline)
                if not self._quiet:
                    say_document(document, outline)
                estimate = service.estimate(document.id, self._config)
            finally:
                if document.id not in known:
                    service.delete_document(document.id)
        except LiftChatError as error:
            return _failed({"file": str(file)}, error)
        if not self._quiet:
            say_estimate(estimate)
        return {
            "file": str(file),
            "document": document,
            "chapters": outline,
            "recipe": self._config.to_dict(),
            "estimate": {**vars(estimate), "fits": estimate.fits},
        }

    def queue(self, file: Path) -> Entry:
        """The job of this file: a new one, or the one that is there already."""
        service, entry = self._service, {"file": str(file)}
        try:
            document = service.add_document(file)
            entry["document_id"] = document.id
            check_chapters(self._config, service.outline(document.id))
            job = service.absorb(document.id, self._config, name=self._name).status().job
        except LiftChatError as error:
            return _failed(entry, error)
        for warning in document.quality.get("warnings", ()):
            note(f"{document.name}: {warning}")
        if job.state == "done":
            self._say(f"“{job.name}” was absorbed before, in this way: adapter {job.adapter_id}.")
        else:
            self._say(f"“{job.name}” is job {job.id}.")
        return {**entry, **entry_of(job)}

    def finish(self, entry: Entry) -> Entry:
        """Follows the job to its end, unless Ctrl-C ends this before."""
        if self.interrupted or entry.get("state", "done") == "done":
            return entry
        job = run_to_end(self._service, entry["job_id"])
        if job is None:
            self.interrupted = True
            return entry
        entry = {**entry, **entry_of(job)}
        if job.state != "done" or not job.adapter_id:
            note(end_of(job))
            code = job.error_code or job.state
            return {**entry, "error": {"code": code, "message": end_of(job)}}
        adapter = self._service.adapter(job.adapter_id)
        self._say(adapter.summary())
        self._say(f"Ask it: lift-chat chat {adapter.id}")
        return {**entry, "adapter": adapter}


def entry_of(job: Job) -> Entry:
    return {"job_id": job.id, "state": job.state, "adapter_id": job.adapter_id}


def _failed(entry: Entry, error: LiftChatError) -> Entry:
    note(str(error))
    return {**entry, "error": {"code": error.code, "message": str(error)}}
