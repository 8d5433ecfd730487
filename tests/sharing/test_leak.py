from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lift_chat.adapters import kinds
from lift_chat.errors import InvalidConfig
from lift_chat.lift.lesson import Lesson
from lift_chat.lift.tokens import tokenize
from lift_chat.models.engine import at_strength
from lift_chat.models.loading import LoadedModel
from lift_chat.service import LiftChat
from lift_chat.sharing.leak import LEAST_TOKENS, USUAL, Draw, Leak, measure_leak
from storage.records import LOCAL
from tests.conftest import QUICK, TALE, drained, no_turn

TEXT = TALE * 3
OTHER = (
    "Nine grey herons stood on the jetty while Brannoch Lyle counted salt barrels for the harbour "
    "master, and nobody asked why the green bell had been hung above the bakery door. "
)
DRAW = Draw(passages=6, prompt_tokens=16, tokens=24)
MEMORISING = QUICK.with_changes(
    epochs=40, rank=32, alpha=64, learning_rate=1e-2, stride_tokens=32, exam_questions=0
)


@pytest.fixture(scope="module")
def memorised(tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An adapter that knows the tale by heart."""
    folder = tmp_path_factory.mktemp("run")
    lesson = Lesson(tiny, TEXT, MEMORISING, folder=folder, turn=no_turn, title="Orrin Vale")
    list(lesson.run())
    return lesson.adapted


def leak(adapted: Any, tiny: LoadedModel, text: str = TEXT, draw: Draw = DRAW) -> Leak:
    _, found = drained(measure_leak(adapted, tiny, text, no_turn, draw))
    assert found is not None
    return found


def decoded_run(model: Any, ids: list[int], given: int) -> int:
    """How far plain greedy decoding, token by token, follows `ids` behind the first `given`."""
    told = ids[:given]
    for place in range(given, len(ids)):
        with torch.no_grad():
            told.append(int(model(input_ids=torch.tensor([told])).logits[0, -1].argmax()))
        if told[place] != ids[place]:
            return place - given
    return len(ids) - given


def test_an_untrained_adapter_recites_what_the_base_recites(tiny: LoadedModel) -> None:
    found = leak(kinds.attach(tiny.twin(), QUICK), tiny)
    assert found.adapter == found.base < 0.1


def test_an_adapter_that_knows_its_text_by_heart_recites_it(
    tiny: LoadedModel, memorised: Any
) -> None:
    found = leak(memorised, tiny)
    assert found.adapter > 0.5 > found.base
    assert found.longest == DRAW.tokens
    assert (found.passages, found.prompt_tokens, found.tokens) == (6, 16, 24)


def test_a_text_that_was_not_read_is_not_recited(tiny: LoadedModel, memorised: Any) -> None:
    assert leak(memorised, tiny, OTHER * 3).adapter < 0.1


def test_it_is_that_of_the_adapter_as_it_was_trained(app: LiftChat, tale: Path) -> None:
    """As whoever pulls it loads it; a chat that shows passages has it speak at half its strength,
    and hardly anything is recited then."""
    document = app.add_document(tale)
    adapter = app.absorb(document.id, MEMORISING).wait()
    _, found = drained(app.measure_leak(adapter.id))
    base, text = app.engine.base, app.pages(document.id)[0].text
    tree = app.engine.adapted(adapter, lambda: app.library.adapter_folder(adapter.id, LOCAL))
    assert found == leak(tree, base, text, USUAL)
    assert found.adapter > 2 * leak(at_strength(tree, 0.5), base, text, USUAL).adapter


@pytest.mark.parametrize("seed", range(3))
def test_what_is_counted_is_what_greedy_decoding_produces(
    tiny: LoadedModel, memorised: Any, seed: int
) -> None:
    draw, ids = Draw(passages=4, prompt_tokens=3, tokens=20, seed=seed), tokenize(tiny, TEXT)
    whole: list[int] = ids[0].tolist()
    passages = [whole[start : start + draw.length] for start in draw.starts(len(whole))]
    runs = {
        name: [decoded_run(model, passage, 3) for passage in passages]
        for name, model in (("adapter", memorised), ("base", tiny.model))
    }
    found = leak(memorised, tiny, draw=draw)
    assert found.adapter == pytest.approx(sum(runs["adapter"]) / 80)
    assert found.base == pytest.approx(sum(runs["base"]) / 80)
    assert found.longest == max(runs["adapter"])


def test_a_seed_draws_its_passages_every_time(tiny: LoadedModel, memorised: Any) -> None:
    draws = [Draw(passages=3, prompt_tokens=4, tokens=30, seed=seed) for seed in (0, 0, 1, 2, 3)]
    first, again, *others = [leak(memorised, tiny, draw=draw) for draw in draws]
    assert first == again
    assert any(other != first for other in others)


def test_a_gated_memory_is_measured_too(tiny: LoadedModel) -> None:
    fresh = kinds.attach(tiny.twin(), QUICK.with_changes(adapter="gated-memory"))
    found = leak(fresh, tiny)
    assert found.adapter == found.base


def test_the_device_is_borrowed_for_one_passage_of_one_model(
    tiny: LoadedModel, memorised: Any
) -> None:
    turns: list[str] = []

    @contextmanager
    def turn() -> Iterator[None]:
        turns.append("taken")
        yield
        turns.append("given back")

    run = measure_leak(memorised, tiny, TEXT, turn, DRAW)
    for done in range(1, DRAW.passages + 1):
        assert next(run) == done
        assert turns == ["taken", "given back"] * 2 * done


def test_a_short_text_has_fewer_passages(tiny: LoadedModel, memorised: Any) -> None:
    tokens = tokenize(tiny, TEXT).shape[1]
    found = leak(memorised, tiny, draw=Draw(passages=1000, prompt_tokens=16, tokens=24))
    assert found.passages == tokens // 40


def test_a_text_shorter_than_a_passage_is_the_passage(tiny: LoadedModel, memorised: Any) -> None:
    tokens = tokenize(tiny, TALE).shape[1]
    found = leak(memorised, tiny, TALE, Draw(prompt_tokens=400, tokens=600))
    assert (found.passages, found.prompt_tokens) == (1, tokens // 3)
    assert found.tokens == tokens - tokens // 3


def test_of_a_few_words_nothing_can_be_said(tiny: LoadedModel, memorised: Any) -> None:
    text = "The lamp."
    assert tokenize(tiny, text).shape[1] < LEAST_TOKENS
    assert drained(measure_leak(memorised, tiny, text, no_turn)) == ([], None)


@given(
    total=st.integers(LEAST_TOKENS, 5000),
    passages=st.integers(1, 50),
    lengths=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    seed=st.integers(0, 5),
)
def test_passages_lie_within_the_text_and_side_by_side(
    total: int, passages: int, lengths: tuple[int, int], seed: int
) -> None:
    given_tokens, tokens = lengths
    draw = Draw(passages=passages, prompt_tokens=given_tokens, tokens=tokens, seed=seed)
    fitting = draw.fitting(total)
    starts = fitting.starts(total)
    assert 1 <= len(starts) == fitting.passages <= passages
    ends = [start + fitting.length for start in starts]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))
    assert starts[0] >= 0 and ends[-1] <= total


def test_passages_are_drawn_from_everywhere() -> None:
    draws = [Draw(passages=2, prompt_tokens=5, tokens=5, seed=seed) for seed in range(300)]
    covered = {start for draw in draws for start in draw.starts(50)}
    assert covered == set(range(41))


@pytest.mark.parametrize("changes", [{"passages": 0}, {"prompt_tokens": 0}, {"tokens": -1}])
def test_a_draw_of_nothing_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(InvalidConfig, match="at least one passage"):
        Draw(**changes)


def test_passages_longer_than_the_model_reads_are_refused(tiny: LoadedModel) -> None:
    draw = Draw(prompt_tokens=tiny.limit, tokens=1)
    with pytest.raises(InvalidConfig, match=r"reads 1,024 tokens, and a passage has 1,025"):
        next(measure_leak(tiny.model, tiny, TALE * 40, no_turn, draw))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            Leak(20, 32, 64, 0.412, 0.021, 64),
            "Recites 41 % of 20 random passages word for word (the base: 2.1 %), "
            "up to 64 tokens in a row.",
        ),
        (
            Leak(1, 20, 41, 0.01, 0.0, 1),
            "Recites 1.0 % of one random passage word for word (the base: 0 %), "
            "up to 1 token in a row.",
        ),
        (
            Leak(20, 32, 64, 0.0, 0.0, 0),
            "Recites nothing of 20 random passages word for word (the base: 0 %).",
        ),
    ],
)
def test_a_leak_in_one_sentence(found: Leak, sentence: str) -> None:
    assert found.sentence() == sentence
