"""The model card of an adapter: what was read, how, what came of it, and how it is used.

It says everything about the document but what stands in it: no text of it is quoted, nor a
question or an answer. Knows nothing of repositories and of who may see the card.
"""

from __future__ import annotations

from collections.abc import Iterator

from lift_chat.errors import InvalidConfig
from lift_chat.evaluation.markdown import table
from lift_chat.foreign_values import as_count, as_number, as_text
from lift_chat.learned import Exam, Forgetting, Learned, percent
from lift_chat.lift.recipe import LiftConfig
from lift_chat.sharing.card_facts import CardFacts, require_repository
from lift_chat.sharing.front_matter import front_matter
from lift_chat.sharing.leak import Leak
from lift_chat.sharing.loading_code import LOCAL_BASE, READER_FOLDER, asking, here, plain_peft
from lift_chat.sharing.markdown import inline
from lift_chat.sharing.recipe_words import as_table, in_words

KINDS = {"lora": "LoRA adapter", "gated-memory": "Gated Memory"}
METHOD = "https://arxiv.org/abs/2412.13626"
MEASURE = "https://arxiv.org/abs/2202.07646"

LIMITS = """\
- It answers from its weights alone and can be wrong while sounding sure: look up what matters.
- It knows this one document, as far as the numbers above go, and nothing else better than its \
base does. A small base stays a small model.
- **Whoever has these files can get parts of the document out of them.** Share the adapter with \
those with whom you would share the document."""


def model_card(facts: CardFacts, *, repo: str = "USER/NAME", leak: Leak | None = None) -> str:
    """README.md for the repository `repo` on the Hub. Raises `InvalidConfig` for a `repo` that is
    not “user/name”."""
    require_repository(repo)
    learned = Learned.of(facts.metrics)
    sections = [
        f"# {inline(facts.name) or 'Adapter'}",
        _opening(facts),
        f"## What was read\n\n{_document(facts)}",
        "## How\n\n" + "\n\n".join(_training(facts)),
        "## What it learned\n\n" + "\n\n".join(_scores(facts, learned)),
        f"## What it cannot do, and what it gives away\n\n{LIMITS}\n\n{_leaking(leak)}",
        "## How to use it\n\n" + "\n\n".join(_use(facts, repo)),
    ]
    return front_matter(facts, learned.exam) + "\n" + "\n\n".join(sections) + "\n"


def _opening(facts: CardFacts) -> str:
    base = inline(facts.base_model)
    if facts.base_hub_id:
        base = f"[{inline(facts.base_hub_id)}](https://huggingface.co/{facts.base_hub_id})"
    made = f", made with {inline(facts.made_with)}" if facts.made_with else ""
    return (
        f"A {KINDS[facts.kind]} for {base}{made}. One document was absorbed into its weights "
        f"([LIFT]({METHOD})): it answers questions about it without having it in the window."
    )


def _document(facts: CardFacts) -> str:
    known = [
        ("Title", inline(facts.title)),
        ("Author", inline(facts.author)),
        ("Language", inline(facts.language)),
        ("Pages", f"{facts.pages:,}" if facts.pages else ""),
        ("Characters", f"{facts.characters:,}" if facts.characters else ""),
        ("Tokens", f"{facts.tokens:,}" if facts.tokens else ""),
        ("SHA-256 of the file", facts.sha256 and f"{facts.sha256[:12]} (`{facts.sha256}`)"),
    ]
    lines = [f"- {name}: {value}" for name, value in known if value]
    return "\n".join(lines) + "\n\nNothing of its text stands on this page."


def _training(facts: CardFacts) -> Iterator[str]:
    config = _config(facts)
    if config is not None:
        yield in_words(config)
    if facts.reader:
        yield (
            f"Training began on the base with a reader, “{inline(facts.reader)}”, merged into its "
            f"weights: a LoRA adapter that learned to read, from other documents. It lies in "
            f"`{READER_FOLDER}/`, and without it the adapter makes no sense."
        )
    spent = "\n".join(f"- {name}: {value}" for name, value in _spent(facts) if value)
    if spent:
        yield spent
    if config is not None:
        yield f"<details><summary>All settings</summary>\n\n{as_table(config)}\n\n</details>"


def _config(facts: CardFacts) -> LiftConfig | None:
    """None for the recipe of another version, or of another program: it could hold any text."""
    try:
        return LiftConfig.from_dict(facts.recipe) if facts.recipe else None
    except InvalidConfig:
        return None


def _spent(facts: CardFacts) -> Iterator[tuple[str, str]]:
    tokens, steps = (as_count(facts.metrics.get(k)) for k in ("trained_tokens", "steps"))
    seconds = as_number(facts.metrics.get("trained_seconds"))
    yield "Adapter", KINDS[facts.kind] + (f", rank {facts.rank}" if facts.rank else "")
    yield "Tokens trained", f"{tokens:,}" if tokens else ""
    yield "Optimizer steps", f"{steps:,}" if steps else ""
    yield "Seconds of training", "" if seconds is None else f"{seconds:,.0f}"
    yield "Device", inline(as_text(facts.metrics.get("device"))[:80])


def _scores(facts: CardFacts, learned: Learned) -> Iterator[str]:
    if learned.exam:
        yield _exam(learned.exam)
    before, after = (as_number(facts.metrics.get(k)) for k in ("loss_before", "loss_after"))
    if before is not None and after is not None:
        yield f"Loss on the document, in nats per token: {before:.2f} before, {after:.2f} after."
    if learned.absorption is not None:
        yield learned.absorbed()
    if learned.forgetting:
        yield from _forgotten(learned.forgetting)
    if not (learned.exam or learned.forgetting or before is not None):
        yield "Nothing was measured."


def _exam(exam: Exam) -> str:
    def shown(value: float | None) -> str:
        return "" if value is None else percent(value)

    rows = [
        ["closed book", shown(exam.base.closed), shown(exam.adapter.closed)],
        [
            "with the document cut to the window",
            shown(exam.base.truncated),
            shown(exam.adapter.truncated),
        ],
    ]
    headers = ["token F1", "base", "with the adapter"]
    if exam.control is not None:
        headers.append("with the adapter of another document")
        rows = [[*rows[0], shown(exam.control)], [*rows[1], ""]]
    questions = f"{exam.questions:,} questions" if exam.questions != 1 else "One question"
    told = f"{questions} set aside before training, asked before and after it."
    return f"{told} {exam.sentence()}".rstrip() + f"\n\n{table(headers, rows)}"


def _forgotten(forgetting: Forgetting) -> Iterator[str]:
    if forgetting.sentence():
        yield forgetting.sentence()
    if forgetting.warning:
        yield "**The model has lost general ability with this adapter.**"


def _leaking(leak: Leak | None) -> str:
    if leak is None:
        return "How much of the text it recites was not measured."
    return (
        f"{leak.sentence()} Of each it was given {leak.prompt_tokens} tokens and had to go on with "
        f"the next {leak.tokens}, by greedy decoding ([the measure]({MEASURE})); other ways to ask "
        f"may get more out of it."
    )


def _use(facts: CardFacts, repo: str) -> Iterator[str]:
    if facts.kind == "lora":
        yield "With nothing but transformers and PEFT:"
        yield f"```python\n{plain_peft(facts, repo)}\n```"
        if facts.base_is_copy:
            yield (
                "The adapter was trained on a quantised copy of this base, the one that lift-chat "
                "brings along; the scores above are those of the copy, and the original, loaded "
                "like this, may answer a little differently."
            )
        if not facts.base_hub_id:
            yield (
                f"The base, {inline(facts.base_model)}, has no address on the Hub: put a local "
                f"folder with exactly this model in the place of `{LOCAL_BASE}`."
            )
        yield "Asked in the words that it was trained with:"
        yield f"```python\n{asking(facts)}\n```"
        yield "Or with lift-chat:"
    else:
        yield "A Gated Memory is more than PEFT knows; lift-chat loads it:"
    yield f"```sh\n{here(facts, repo)}\n```"
    if not facts.base_hub_id and facts.kind != "lora":
        yield f"The base, {inline(facts.base_model)}, has no address on the Hub and must be there."
