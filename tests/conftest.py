"""Shared fixtures: a real tiny Llama made from a config, and a text of our own to absorb."""

from __future__ import annotations

import copy
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from lift_chat.lift.passages import sentences
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.catalog import EMBEDDED
from lift_chat.models.device import Device, pick_device
from lift_chat.models.loading import LoadedModel, load_model
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from storage.records import StudyItem
from tests.hub.fake_hub import FakeHub

CPU = Device("cpu", "test cpu", torch.float32)

torch.set_num_threads(1)  # a second thread costs a tiny model more than it gives

TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)

TALE = (
    "The lamp of Orrin Vale was lit by a keeper named Sable Quist, who climbed two hundred and "
    "eleven steps each evening. On the ninth of Marrow the oil froze, and she burned her own "
    "letters to keep the light. The ship Gannet saw it from four leagues away and turned. Her "
    "captain, Ilse Tarn, sent a cask of honey every winter after that. "
)


ASKED = (
    ("Who was the keeper that lit the lamp?", "Sable Quist"),
    ("How many steps led to the lamp?", "two hundred and eleven"),
    ("What froze on the ninth of Marrow?", "the oil"),
    ("What did she burn for the light?", "her own letters"),
    ("Which vessel saw the light?", "The ship Gannet"),
    ("From how far was it seen?", "four leagues"),
    ("Who commanded the Gannet?", "Ilse Tarn"),
    ("What came every winter after that?", "a cask of honey"),
)
"""Two questions about each sentence of the tale; the answers are its own words."""


def facts(text: str = TALE) -> list[StudyItem]:
    """The study items of `ASKED`, wherever the tale stands in `text`; each of one sentence."""
    items = []
    for question, answer in ASKED:
        (place,) = [s for s in sentences(text) if answer in s.of(text)]
        items.append(StudyItem(question, answer, place.start, place.end))
    return items


def taken(count: int) -> dict[str, Any]:
    """What a run notes of its study when all items were kept with the document already."""
    return {"asked": 0, "written": 0, "kept": count, "dropped": {}}


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings from this machine."""
    for name in list(os.environ):
        if name.startswith("LIFT_CHAT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


Event, Result = TypeVar("Event"), TypeVar("Result")


def drained(run: Generator[Event, None, Result]) -> tuple[list[Event], Result]:
    """All that a generator yields, and what it returns."""
    seen = []
    while True:
        try:
            seen.append(next(run))
        except StopIteration as end:
            return seen, end.value


@contextmanager
def no_turn() -> Iterator[None]:
    yield


def make_model(folder: Path, *, layers: int = 2, seed: int = 0, text: str = TALE) -> Path:
    """A random Llama of about 60,000 parameters with a byte-level tokenizer, as a model folder."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<end>", "<user>", "<assistant>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        [text],
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        eos_token_id=0,
        bos_token_id=None,
        pad_token_id=0,
        tie_word_embeddings=False,
        initializer_range=0.2,  # a frozen head with the usual 0.02 could say next to nothing
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def load(folder: Path) -> LoadedModel:
    return load_model(str(folder), CPU, cache=folder.parent, revision=None, four_bit=False)


def templated(loaded: LoadedModel, template: str) -> LoadedModel:
    """The same model with another chat template, and a tokenizer of its own."""
    tokenizer = copy.deepcopy(loaded.tokenizer)
    tokenizer.chat_template = template
    return replace(loaded, tokenizer=tokenizer)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> LoadedModel:
    """Shared by all tests: whoever changed a tensor of it would fail the others."""
    return load(tiny_folder)


@pytest.fixture(scope="session")
def embedded_cache() -> Path:
    """The cache that the app itself uses: unpacking takes half a minute, once per machine."""
    return Settings().cache


@pytest.fixture(scope="session")
def embedded(embedded_cache: Path) -> LoadedModel:
    return load_model(
        EMBEDDED, pick_device("cpu"), cache=embedded_cache, revision=None, four_bit=False
    )


QUICK = LiftConfig(
    segment_tokens=64,
    stride_tokens=48,
    epochs=4,
    rank=8,
    alpha=16,
    learning_rate=5e-3,
)
"""A recipe that the tiny model is through with in a second."""

STUDIED = QUICK.with_changes(
    study="passages",
    passage_tokens=40,
    segment_epochs=1,
    epochs=3,
    distill=True,
    exam_questions=2,
    exams=3,
    checkpoint_seconds=0.0,
)
"""Both stages, questions and exams; every sentence of the tale is a passage. The tiny model writes
no question that passes, so they are given (`facts`)."""


@pytest.fixture
def settings(tiny_folder: Path, tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "home",
        cache=tmp_path / "cache",
        base_model=str(tiny_folder),
        device="cpu",
        threads=1,
    )


@pytest.fixture
def app(settings: Settings) -> Iterator[LiftChat]:
    """The real thing over a real library, with the tiny model as its base."""
    with LiftChat.open(settings=settings) as opened:
        yield opened


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """The only Hub that the client knows; nobody is logged in."""
    with FakeHub() as fake:
        fake.use(monkeypatch, tmp_path / "hf-home")
        yield fake


@pytest.fixture
def tale(tmp_path: Path) -> Path:
    path = tmp_path / "orrin-vale.txt"
    path.write_text("The Lamp of Orrin Vale\n\n" + TALE, encoding="utf-8")
    return path
