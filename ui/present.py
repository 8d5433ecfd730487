"""Pure formatting: records in, text out. No widget, no service, no HTML (that is `cards`).

Text that comes from documents or from models is made harmless here for markdown; `cards` escapes
what it puts into HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from storage.records import Adapter, Chapter, Document, Job, Message, Metric
from ui.curves import EXAM, TRAINING, exam_sentence, loss_sentence
from ui.words import STAGES, STATES

JOINER = "\u2060"
"""Invisible and unbreakable: between the characters of a markup it makes them plain text."""

WRITING = "writing"
"""The stage in which study questions are written; as long as the training, or longer."""

LANGUAGES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fr": "French",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "nl": "Dutch", "pl": "Polish",
    "pt": "Portuguese", "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian",
    "zh": "Chinese",
}  # fmt: skip


def size(count: int) -> str:
    """Bytes as people read them, in decimal units: 3400000 -> "3.4 MB"."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("the last unit takes everything")


def duration(seconds: float) -> str:
    """Seconds as "40 s", "6 min", "2 h 05 min"."""
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def day(moment: str) -> str:
    """An ISO time as a day in the server's zone; "" stays ""."""
    if not moment:
        return ""
    local = datetime.fromisoformat(moment).astimezone()
    return f"{local.day} {local:%b %Y}"


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def title(document: Document) -> str:
    return document.title or document.name


def language(code: str) -> str:
    return LANGUAGES.get(code, code)


def base_name(base_model: str) -> str:
    """The last part of a Hub id or path: "org/Model-1B" -> "Model-1B"."""
    if base_model == "embedded":
        return "Embedded model"
    return base_model.rstrip("/").rsplit("/", 1)[-1]


def document_line(document: Document) -> str:
    parts = [document.author, plural(document.pages, "page"), language(document.language)]
    return " · ".join(part for part in [*parts, size(document.bytes)] if part)


def adapter_line(adapter: Adapter) -> str:
    parts = [base_name(adapter.base_model), size(adapter.bytes), day(adapter.created_at)]
    return " · ".join(part for part in parts if part)


def losses(metrics: Mapping[str, Any]) -> tuple[float, float] | None:
    """Loss on the document before and after, if both were measured."""
    before, after = metrics.get("loss_before"), metrics.get("loss_after")
    if isinstance(before, int | float) and isinstance(after, int | float):
        return float(before), float(after)
    return None


def gain(adapter: Adapter) -> str:
    """ "loss 3.10 → 0.42", or "" for an adapter that came without numbers."""
    pair = losses(adapter.metrics)
    return f"loss {pair[0]:.2f} → {pair[1]:.2f}" if pair else ""


def tags(text: str) -> list[str]:
    """Comma-separated tags, trimmed, without doubles, in the order typed."""
    names = (" ".join(part.split()) for part in text.split(","))
    return list(dict.fromkeys(name for name in names if name))


def state(job: Job) -> str:
    return STATES.get(job.state, job.state)


def stage(job: Job) -> str:
    return STAGES.get(job.stage, job.stage.replace("_", " ").capitalize())


def share(job: Job) -> float:
    """How much of a long stage is done, in 0..1: of the writing, then of the training with its
    exams; the short stages around them count nothing."""
    if job.state == "done" or job.stage in ("after", "saving"):
        return 1.0
    if job.stage not in (WRITING, TRAINING, EXAM) or job.total <= 0:
        return 0.0
    return min(1.0, max(0.0, job.step / job.total))


def progress_sentence(job: Job, metrics: Sequence[Metric], position: int) -> str:
    """What the bar and the curve show, in words."""
    if job.state == "queued":
        ahead = plural(position - 1, "document") if position > 1 else ""
        return f"Waiting in the queue, {ahead} before it." if ahead else "Waiting; it is next."
    if job.state == "failed":
        return job.error or "It failed."
    if job.is_over:
        return job.message or _ending(job, metrics)
    long = job.stage in (WRITING, TRAINING)
    parts = [f"{stage(job)}, {share(job):.0%}" if long else stage(job)]
    if metrics and metrics[-1].eta_seconds is not None:
        parts.append(f"about {duration(metrics[-1].eta_seconds)} left")
    if metrics and metrics[-1].tokens_per_second:
        parts.append(f"{metrics[-1].tokens_per_second:,.0f} tokens/s")
    return f"{', '.join(parts)}. {learned_sentence(metrics)}".rstrip()


def _ending(job: Job, metrics: Sequence[Metric]) -> str:
    ending = {
        "done": "Absorbed.",
        "cancelled": "Stopped; nothing was kept.",
        "interrupted": "Interrupted. Resume goes on from the last checkpoint.",
    }[job.state]
    return f"{ending} {learned_sentence(metrics)}".rstrip()


def learned_sentence(metrics: Sequence[Metric]) -> str:
    """Loss and exam so far, as far as there are any."""
    return f"{loss_sentence(metrics)} {exam_sentence(metrics)}".strip()


def page_list(numbers: Sequence[int]) -> str:
    """ "Page 3", or "Pages 3, 17" in the order of the document, each once."""
    once = sorted(set(numbers))
    return f"Page{'s' if len(once) > 1 else ''} {', '.join(map(str, once))}"


def strength_note(strength: float) -> str:
    return f"At {strength:.0%} of the strength it was trained with."


def chapter_choices(outline: Sequence[Chapter]) -> list[tuple[str, int]]:
    """(title, index into the outline) of the highest level that offers a choice.

    Deeper entries are left out: unticking a section inside a ticked chapter would do nothing.
    """
    for level in sorted({chapter.level for chapter in outline}):
        choices = [(c.title, i) for i, c in enumerate(outline) if c.level == level]
        if len(choices) > 1:
            return choices
    return []


def harmless(text: str) -> str:
    """Markdown of a model or a document with nothing in it that loads, links or is HTML.

    Emphasis, lists, tables and code stay. Images and links keep only their text.
    """
    text = re.sub(r"!?\[([^\[\]]*)\]\([^()]*\)", r"\1", text)
    text = re.sub(r"\](?=[(\[:])", "]" + JOINER, text)
    text = re.sub(r"<(?=[A-Za-z/!?])", "<" + JOINER, text)
    text = re.sub(r"(?i)(https?:|ftp:)(?=//)", r"\1" + JOINER, text)
    text = re.sub(r"(?i)www\.", "www" + JOINER + ".", text)
    return re.sub(r"(?im)^([ \t>*+-]*(?:`{3,}|~{3,})[ \t]*)mermaid", r"\1text", text)


def typed(text: str) -> str:
    """What a person meant by text that came back from the page: without our invisible joiners."""
    return text.replace(JOINER, "").strip()


def bubble(role: str, text: str, note: str = "") -> dict[str, Any]:
    """One message for the Chatbot; `note` is a small line under it."""
    parts: list[dict[str, str]] = [{"type": "text", "text": harmless(text)}]
    if note:
        parts.append({"type": "text", "text": f"*{harmless(note)}*"})
    return {"role": role, "content": parts}


def bubbles(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Stored messages for the Chatbot, one bubble each, so that its indices are theirs."""
    return [bubble(m.role, m.content, str(m.facts.get("window", ""))) for m in messages]


def file_name(title: str, ending: str) -> str:
    """A name for a file that is handed out, with nothing in it that a file system minds."""
    name = re.sub(r"[^\w]+", "-", title).strip("-")[:60]
    return f"{name or 'document'}{ending}"


def origin(text: str) -> str:
    """Where an adapter came from, in words; "" for one that was made here."""
    kind, _, place = text.partition(":")
    if kind != "hub":
        return place and f"the file {place}"
    repo, _, commit = place.partition("@")
    return f"{repo} on the Hub, version {commit[:12]}"
