"""The text that a job absorbs: the whole document, or the chapters that were ticked."""

from __future__ import annotations

from collections.abc import Sequence

from storage.library import Library


def selected_text(library: Library, document_id: str, owner: str, chapters: Sequence[int]) -> str:
    """The document's text, or that of the ticked chapters in reading order, each part once."""
    text = library.document_text(document_id, owner)
    if not chapters:
        return text
    outline = library.outline(document_id, owner)
    parts, reached = [], 0
    for start, end in sorted((outline[i].start, outline[i].end) for i in chapters):
        if end > reached:
            parts.append(text[max(start, reached) : end])
            reached = end
    return "\n\n".join(parts)
