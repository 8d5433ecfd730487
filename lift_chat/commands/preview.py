"""What was read of a file and what absorbing it would cost, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lift_chat.commands.output import count, duration, say, say_fields, size
from storage.records import Chapter, Document

if TYPE_CHECKING:
    from lift_chat.costs import Estimate

SHOWN_CHAPTERS = 40


def say_document(document: Document, outline: Sequence[Chapter]) -> None:
    """What was read of a file."""
    say_fields(
        [
            ("File", f"{document.name} ({document.kind}, {size(document.bytes)})"),
            ("Title", document.title),
            ("Author", document.author),
            ("Language", document.language),
            ("Text", f"{count(document.pages, 'page')}, {document.characters:,} characters"),
        ]
    )
    for warning in document.quality.get("warnings", ()):
        say(f"Warning:  {warning}")
    if outline:
        say("Chapters:")
    for number, chapter in enumerate(outline[:SHOWN_CHAPTERS], start=1):
        say(f"  {number:>3}  {'  ' * (chapter.level - 1)}{chapter.title} (page {chapter.page})")
    if len(outline) > SHOWN_CHAPTERS:
        say(f"  and {len(outline) - SHOWN_CHAPTERS} more")


def say_estimate(estimate: Estimate) -> None:
    """What absorbing would cost."""
    memory = f"{size(estimate.memory_bytes)} needed, {size(estimate.free_memory_bytes)} free"
    say_fields(
        [
            ("Tokens", f"{estimate.document_tokens:,}, {estimate.trained_tokens:,} with repeats"),
            ("Steps", f"{estimate.steps:,}"),
            ("Time", f"about {duration(estimate.seconds)}"),
            ("Memory", memory + ("" if estimate.fits else ": does not fit")),
            ("Adapter", size(estimate.adapter_bytes)),
            ("Basis", estimate.basis),
        ]
    )
