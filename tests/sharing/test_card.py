from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, metadata_load
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lift_chat.errors import InvalidConfig
from lift_chat.lift.recipe import LiftConfig
from lift_chat.sharing.card import model_card
from lift_chat.sharing.card_facts import CardFacts
from lift_chat.sharing.leak import Leak
from lift_chat.sharing.markdown import one_line
from tests.sharing.test_markdown import HOSTILE

CANARY = "sable quist burned her letters"
METRICS: dict[str, Any] = {
    "loss_before": 3.1,
    "loss_after": 0.42,
    "document_tokens": 812,
    "trained_tokens": 12_345,
    "trained_seconds": 61.4,
    "steps": 240,
    "device": "NVIDIA H200 | <b>",
    "dtype": "bfloat16",
    "absorption": 0.63,
    "exam": {
        "questions": 16,
        "base": {"closed": 3.4, "truncated": 21.0},
        "adapter": {"closed": 41.2, "truncated": 48.5},
        "control": {"name": f"Another book, in which {CANARY}", "closed": 2.5},
        "answers": [{"question": f"Who? {CANARY}", "gold": CANARY, "base_closed": CANARY}],
        "history": [{"step": 0, "closed": 3.4}],
    },
    "forgetting": {
        "loss_before": 3.45,
        "loss_after": 3.5,
        "quiz_before": 84.4,
        "quiz_after": 81.2,
        "warning": f"It forgot {CANARY}.",
    },
    "memory_map": [{"page": 1, "label": CANARY, "before": 3.0, "after": 1.0}],
    "pinned": [{"question": CANARY, "gold": CANARY, "answers": [{"step": 1, "text": CANARY}]}],
    "study": {"asked": 9, "written": 9, "kept": 8, "dropped": {CANARY: 1}},
}
FACTS = CardFacts(
    name="The Lamp of Orrin Vale",
    kind="lora",
    base_model="SmolLM2-135M-Instruct",
    base_hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    base_revision="12fd25f77366fa6b3b4b768ec3050bf629380bac",
    recipe=LiftConfig.preset("read").to_dict(),
    metrics=METRICS,
    title="The Lamp of Orrin Vale",
    author="Ilse Tarn",
    language="en",
    pages=12,
    characters=4321,
    tokens=812,
    sha256="0123456789ab" + "c" * 52,
    rank=32,
    made_with="lift-chat 0.1.0",
)
LEAK = Leak(20, 32, 64, 0.41, 0.02, 64)


def card(**changes: Any) -> ModelCard:
    """As the Hub's own client reads it; an exam that it cannot read raises."""
    return ModelCard(model_card(replace(FACTS, **changes)))


def test_the_hub_finds_the_base_the_library_and_the_kind(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(model_card(FACTS), encoding="utf-8")
    head = metadata_load(tmp_path / "README.md")
    assert head is not None
    exam = head.pop("model-index")
    assert head == {
        "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
        "base_model_relation": "adapter",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "tags": ["lift-chat", "long-document", "lora"],
        "language": ["en"],
    }
    assert exam[0]["name"] == FACTS.name


def test_the_hub_reads_the_exam_with_its_control() -> None:
    results = card().data.eval_results
    closed = "Token F1 in percent, closed book, "
    cut = "Token F1 in percent, with the document cut to the window, "
    assert [(r.dataset_config, r.metric_type, r.metric_name, r.metric_value) for r in results] == [
        ("closed-book", "f1", closed + "with the adapter", 41.2),
        ("closed-book", "f1", closed + "base model", 3.4),
        ("closed-book", "f1", closed + "with the adapter of another document", 2.5),
        ("truncated-document", "f1", cut + "with the adapter", 48.5),
        ("truncated-document", "f1", cut + "base model", 21.0),
    ]
    assert {r.dataset_name for r in results} == {"Questions about “The Lamp of Orrin Vale”"}


def test_an_exam_that_was_not_held_is_not_claimed() -> None:
    without = card(metrics={})
    assert without.data.eval_results is None
    assert "Nothing was measured." in without.text
    exam = {"questions": 4, "base": {"closed": 1.0}, "adapter": {"closed": 2.0}, "control": None}
    assert len(card(metrics={"exam": exam}).data.eval_results) == 2


def test_the_page_says_what_was_read_how_and_what_came_of_it() -> None:
    text = model_card(FACTS, leak=LEAK)
    for said in (
        "- Author: Ilse Tarn",
        "- Pages: 12",
        "- Tokens: 812",
        f"0123456789ab (`{FACTS.sha256}`)",
        "The preset was *read*.",
        "A LoRA of rank 32 and alpha 64 was trained on the layers of each MLP.",
        "6 passes over the text alone came first, then 2 passes over everything.",
        "| learning\\_rate | 0\\.0012 |",
        "- Tokens trained: 12,345",
        "- Seconds of training: 61",
        "16 questions set aside before training",
        "Exam: 3.4 % before, 41 % now.",
        "| closed book | 3.4 % | 41 % | 2.5 % |",
        "| with the document cut to the window | 21 % | 48 % |  |",
        "3.10 before, 0.42 after",
        "Learned 63 % of what having the passage open gives.",
        "Loss on an unrelated text 3.45 before, 3.50 now; general quiz 84 % before, 81 % now",
        "can get parts of the document out of them",
        LEAK.sentence(),
        "given 32 tokens and had to go on with the next 64",
        "lift-chat pull USER/NAME",
    ):
        assert said in text, said


def test_without_a_measurement_the_page_says_so() -> None:
    assert "How much of the text it recites was not measured." in model_card(FACTS)


def test_no_text_of_the_document_or_of_the_exam_is_quoted() -> None:
    recipe = {**FACTS.recipe, "based_on": CANARY}
    for facts in (
        FACTS,
        replace(FACTS, recipe=recipe),
        replace(FACTS, recipe={**recipe, "lines": CANARY}),
        replace(FACTS, metrics={**METRICS, "dtype": CANARY}),
    ):
        assert CANARY not in model_card(facts, leak=LEAK).casefold()


def test_general_ability_that_was_lost_is_said_without_quoting() -> None:
    assert "lost general ability" in model_card(FACTS)
    sound = {**METRICS, "forgetting": {**METRICS["forgetting"], "warning": ""}}
    assert "lost general ability" not in model_card(replace(FACTS, metrics=sound))


def test_a_base_that_is_not_on_the_hub_must_be_given() -> None:
    local = card(base_hub_id="", base_revision="", base_model="tiny | folder")
    assert "base_model" not in local.data.to_dict()
    assert "base_model_relation" not in local.data.to_dict()
    assert "The base, tiny &#124; folder, has no address on the Hub" in local.text
    assert 'from_pretrained("PATH/TO/BASE"' in local.text
    assert "--base-model" not in local.text


def test_a_gated_memory_is_loaded_by_lift_chat_alone() -> None:
    gated = card(kind="gated-memory", rank=0, recipe=LiftConfig(adapter="gated-memory").to_dict())
    assert (gated.data.library_name, gated.data.base_model) == ("lift-chat", FACTS.base_hub_id)
    assert "```python" not in gated.text and "PeftModel" not in gated.text
    assert "lift-chat pull USER/NAME" in gated.text
    assert "Memories beside the attention" in gated.text


def test_a_reader_is_named_and_loaded_first() -> None:
    text = model_card(replace(FACTS, reader="tales <b>"), repo="ann/lamp")
    assert "a reader, “tales &lt;b&gt;”, merged" in text
    first, second = (
        text.index('"ann/lamp", subfolder="reader"'),
        text.rindex('model, "ann/lamp", auto'),
    )
    assert first < second


def test_the_recipe_of_another_program_is_left_out() -> None:
    for recipe in ({}, {"trainer": "other"}, {**FACTS.recipe, "rank": 7}):
        text = model_card(replace(FACTS, recipe=recipe))
        assert "All settings" not in text and "The preset" not in text
        assert "- Tokens trained: 12,345" in text


def pages(text: str) -> list[str]:
    """The types of all that a card's body consists of, and the HTML in it."""
    blocks = MarkdownIt("commonmark").enable("table").parse(text)
    found = [t for block in blocks for t in [block, *(block.children or [])]]
    return [t.content if t.type.startswith("html") else f"{t.type} {t.attrs}" for t in found]


def check_hostile(text: str) -> None:
    """Hostile words give the card of harmless ones: the same head, and the same parts."""
    everywhere = {
        name: text for name in ("name", "base_model", "reader", "title", "author", "made_with")
    }
    harmless = {name: "plain" for name in everywhere}
    metrics = {**METRICS, "device": text}
    hostile = card(**everywhere, metrics=metrics, language=f"{text}!")
    plain = card(**harmless, metrics={**METRICS, "device": "plain"}, language="plain!")
    head, expected = hostile.data.to_dict(), plain.data.to_dict()
    for data, title in ((head, one_line(text)), (expected, "plain")):
        (index,) = data.pop("model-index")
        assert index["name"] == title
        names = {result["dataset"].pop("name") for result in index["results"]}
        assert names == {f"Questions about “{title}”"}
        data["results"] = index["results"]
    assert head == expected
    assert pages(hostile.text) == pages(plain.text)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_change_nothing_but_themselves(text: str) -> None:
    check_hostile(text)


@given(st.text(st.characters() | st.sampled_from("\n-:|`<>[]#\"'\\ "), min_size=1, max_size=40))
def test_any_name_changes_nothing_but_itself(text: str) -> None:
    if one_line(text):
        check_hostile(text)


def test_code_for_a_hostile_title_is_one_string() -> None:
    for title in HOSTILE:
        text = model_card(replace(FACTS, title=title))
        code = text.split("```python\n")[2].split("\n```")[0]
        compile(code, "card", "exec")
        scope: dict[str, Any] = {}
        exec(code.splitlines()[0], scope)
        (turn,) = scope["turns"]
        assert f"“{one_line(title)}”" in turn["content"]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "pickle"},
        {"base_hub_id": 'x"); import os #'},
        {"base_hub_id": "a/b/c"},
        {"base_hub_id": "../b"},
        {"base_revision": 'main")'},
        {"base_revision": "-x"},
        {"sha256": "0123"},
    ],
)
def test_facts_that_could_become_code_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig):
        replace(FACTS, **changes)


@pytest.mark.parametrize("repo", ["", "name", "a/b/c", 'a/b"', "a/b\n", "-a/b", "a/.."])
def test_a_repository_that_is_none_is_refused(repo: str) -> None:
    with pytest.raises(InvalidConfig, match="user/name"):
        model_card(FACTS, repo=repo)
