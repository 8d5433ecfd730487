"""HTML of the page: cards, facts, progress. Pure functions; every value is escaped here.

What can be clicked is a `<button data-kind data-id>`, so it is reached by keyboard; `CLICK` turns
the click into an event whose data is the kind and the id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from lift_chat.learned import Learned, percent
from storage.records import Adapter, Document, Job, Metric, Page
from ui import memory_map, present
from ui.words import NOTHING_FOUND

if TYPE_CHECKING:
    from lift_chat.costs import Estimate

CLICK = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-id]');
  if (!button || !element.contains(button)) return;
  document.querySelectorAll('.lc-card[aria-current]').forEach(
    (card) => card.removeAttribute('aria-current'));
  button.setAttribute('aria-current', 'true');
  trigger('click', {kind: button.dataset.kind, id: button.dataset.id});
});
"""


def _card(*, kind: str, item_id: str, head: str, line: str, foot: str, drawing: str = "") -> str:
    return (
        f'<li><button class="lc-card" type="button" data-kind="{kind}" '
        f'data-id="{escape(item_id)}"><span class="lc-card-title">{escape(head)}</span>'
        f'<span class="lc-card-line">{escape(line)}</span>{drawing}'
        f'<span class="lc-card-foot">{foot}</span></button></li>'
    )


def chip(text: str, tone: str = "") -> str:
    return f'<span class="lc-chip {tone}">{escape(text)}</span>'


def adapter_card(adapter: Adapter, trouble: str = "") -> str:
    """`trouble` says in a sentence why the adapter does not fit the loaded model, if so."""
    learned = Learned.of(adapter.metrics)
    foot = learned_chips(learned) or chip(present.gain(adapter) or adapter.kind, "good")
    if adapter.state == "missing":
        foot = chip("files missing", "bad")
    elif trouble:
        foot = chip("other base model", "warn")
    foot += "".join(chip(tag) for tag in adapter.tags)
    return _card(
        kind="adapter",
        item_id=adapter.id,
        head=adapter.name,
        line=present.adapter_line(adapter),
        foot=foot,
        drawing=memory_map.strip(learned.memory_map),
    )


def learned_chips(learned: Learned) -> str:
    """Exam, absorption and forgetting, as far as they were measured."""
    shown, exam = "", learned.exam
    if exam and exam.base.closed is not None and exam.adapter.closed is not None:
        tone = "good" if exam.adapter.closed > exam.base.closed else "warn"
        shown += chip(f"exam {exam.base.closed:.0f} → {percent(exam.adapter.closed)}", tone)
    if learned.absorption is not None:
        shown += chip(f"{max(0.0, learned.absorption) * 100:.0f} % absorbed")
    if learned.forgetting and learned.forgetting.warning:
        shown += chip("forgot other things", "warn")
    return shown


def document_card(document: Document) -> str:
    foot = chip("not absorbed yet", "quiet")
    return _card(
        kind="document",
        item_id=document.id,
        head=present.title(document),
        line=present.document_line(document),
        foot=foot,
    )


def job_card(job: Job) -> str:
    """A run that is under way, or that ended in a way that asks for a decision."""
    percent = round(100 * present.share(job))
    if job.is_over:
        foot = chip(present.state(job), "bad")
    elif job.state == "queued":
        foot = chip("waiting", "quiet")
    else:
        foot = f"{bar(percent, job.name)}<span>{percent} %</span>"
    line = "" if job.state == "queued" else present.stage(job)
    line = job.error if job.state == "failed" else line
    return _card(kind="job", item_id=job.id, head=job.name, line=line, foot=foot)


def shelf(heading: str, cards: Sequence[str]) -> str:
    """A headed list of cards; nothing at all when there are none."""
    if not cards:
        return ""
    return f'<h2 class="lc-shelf">{escape(heading)}</h2><ul class="lc-cards">{"".join(cards)}</ul>'


def library(adapters: Sequence[str], documents: Sequence[str], *, searching: bool) -> str:
    """The shelves of finished adapters and of unread documents, made of their cards."""
    html = shelf("Absorbed", adapters) + shelf("Read in, not absorbed yet", documents)
    return html or (empty(NOTHING_FOUND) if searching else "")


def empty(sentence: str) -> str:
    return f'<p class="lc-empty">{escape(sentence)}</p>'


def bar(percent: int, label: str) -> str:
    return (
        f'<span class="lc-bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent}" aria-label="{escape(label)}">'
        f'<span style="width:{percent}%"></span></span>'
    )


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """A definition list; rows without a value are left out."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in rows
        if value
    )
    return f'<dl class="lc-facts">{items}</dl>'


def heading(text: str, line: str = "") -> str:
    below = f'<p class="lc-sub">{escape(line)}</p>' if line else ""
    return f'<h2 class="lc-title">{escape(text)}</h2>{below}'


def notice(sentences: Sequence[str], tone: str = "warn") -> str:
    items = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)
    return f'<div class="lc-notice {tone}" role="note">{items}</div>' if items else ""


def adapter_details(adapter: Adapter, document: str, trouble: str) -> str:
    pair = present.losses(adapter.metrics)
    rows = [
        ("Document", document),
        ("Came from", present.origin(adapter.origin)),
        ("Base model", adapter.made_for),
        ("Loss before", f"{pair[0]:.3f}" if pair else ""),
        ("Loss after", f"{pair[1]:.3f}" if pair else ""),
        ("Recipe", recipe_line(adapter.recipe)),
        ("Size", present.size(adapter.bytes)),
        ("Made on", present.day(adapter.created_at)),
    ]
    return heading(adapter.name) + notice([trouble]) + facts(rows)


def recipe_line(recipe: Mapping[str, Any]) -> str:
    named = [
        ("preset", recipe.get("based_on")),
        ("epochs", recipe.get("epochs")),
        ("rank", recipe.get("rank")),
    ]
    return ", ".join(f"{name} {value}" for name, value in named if value is not None)


def document_details(document: Document) -> str:
    rows = [
        ("Author", document.author),
        ("Pages", f"{document.pages:,}"),
        ("Characters", f"{document.characters:,}"),
        ("Language", present.language(document.language)),
        ("Format", document.kind),
        ("File", f"{document.name} ({present.size(document.bytes)})"),
        ("Added", present.day(document.created_at)),
    ]
    warnings = [str(sentence) for sentence in document.quality.get("warnings", [])]
    return heading(present.title(document)) + facts(rows) + notice(warnings)


def page_text(page: Page) -> str:
    return f'<div class="lc-page" tabindex="0"><p>{escape(page.text)}</p></div>'


def progress(job: Job, metrics: Sequence[Metric], position: int) -> str:
    """The head of a run: name, state, bar and the sentence that screen readers announce."""
    tone = {"done": "good", "failed": "bad", "interrupted": "warn"}.get(job.state, "")
    percent = round(100 * present.share(job))
    sentence = present.progress_sentence(job, metrics, position)
    line = bar(percent, f"Progress of {job.name}") if job.state in ("running", "done") else ""
    extra = notice([job.message]) if job.message and not job.is_over else ""
    return (
        f'<div class="lc-run"><h2 class="lc-title">{escape(job.name)} '
        f"{chip(present.state(job), tone)}</h2>{line}"
        f'<p class="lc-status" role="status" aria-live="polite">{escape(sentence)}</p>{extra}</div>'
    )


def job_list(jobs: Sequence[Job], positions: Mapping[str, int]) -> str:
    """All runs, newest first, with their place in the queue."""
    rows = []
    for job in jobs:
        tone = {"done": "good", "failed": "bad", "interrupted": "warn"}.get(job.state, "quiet")
        place = positions.get(job.id, 0)
        text = f"waiting, number {place}" if place else present.state(job)
        rows.append(
            f'<li><button class="lc-row" type="button" data-kind="job" data-id="{escape(job.id)}">'
            f'<span class="lc-row-title">{escape(job.name)}</span>'
            f'<span class="lc-row-line">{escape(present.day(job.created_at))}</span>'
            f"{chip(text, tone)}</button></li>"
        )
    if not rows:
        return ""
    return f'<h2 class="lc-shelf">All runs</h2><ul class="lc-rows">{"".join(rows)}</ul>'


def estimate(cost: Estimate) -> str:
    """Time, memory, tokens; with a warning when the memory does not suffice."""
    times = cost.trained_tokens / cost.document_tokens if cost.document_tokens else 0
    rows = [
        ("Time", f"about {present.duration(cost.seconds)}"),
        ("Memory", f"{present.size(cost.memory_bytes)} of {present.size(cost.free_memory_bytes)}"),
        ("Text", f"{cost.document_tokens:,} tokens, each seen about {times:.0f} times"),
        ("On disk", present.size(cost.adapter_bytes)),
    ]
    trouble = "" if cost.fits else "This needs more memory than is free now. Try a lower rank."
    basis = f'<p class="lc-sub">{escape(cost.basis)}</p>' if cost.basis else ""
    return facts(rows) + basis + notice([trouble])


def hero(sentence: str, small_print: str) -> str:
    return (
        f'<div class="lc-hero"><p>{escape(sentence)}</p>'
        f'<p class="lc-sub">{escape(small_print)}</p></div>'
    )
