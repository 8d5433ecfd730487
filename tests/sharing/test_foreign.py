"""An adapter that another program made, with nothing but plain PEFT, is taken in and answers here
as it does there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from lift_chat.adapters import lora
from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import AdapterMismatch, InvalidConfig, UnsafeAdapter
from lift_chat.models.catalog import EMBEDDED_HUB_ID, EMBEDDED_NAME
from lift_chat.models.context import ChatSettings
from lift_chat.models.engine import Engine, at_strength, mismatch_of
from lift_chat.models.loading import BaseIdentity, LoadedModel
from lift_chat.models.prompts import prompt_ids, user
from lift_chat.reader.merge import with_reader
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from lift_chat.sharing.inspection import inspect_config, inspect_listing
from lift_chat.sharing.parcel import Parcel, open_parcel
from storage.hub.repository import push
from storage.records import LOCAL, Adapter, Message
from tests.conftest import load, make_model
from tests.hub.fake_hub import FakeHub
from tests.sharing import evil
from tests.sharing.conftest import logits
from ui import cards

REPO = "ann/lamp"
QUESTION = "Who lit the lamp?"
SHORT = ChatSettings(max_new_tokens=8)

KINDS: dict[str, dict[str, Any]] = {
    "rank 5": {"r": 5, "lora_alpha": 7, "target_modules": ["q_proj", "v_proj"]},
    "rank 1 for a task": {"r": 1, "target_modules": ["down_proj"], "task_type": "CAUSAL_LM"},
    "all linear layers": {"r": 3, "target_modules": "all-linear", "lora_dropout": 0.1},
    "some layers": {"r": 4, "target_modules": ["up_proj"], "layers_to_transform": [1]},
    "some layers by name": {
        "r": 4,
        "target_modules": ["up_proj", "o_proj"],
        "layers_to_transform": 0,
        "layers_pattern": "layers",
    },
    "all but some": {
        "r": 4,
        "target_modules": ["up_proj", "o_proj"],
        "exclude_modules": ["layers.0.mlp.up_proj"],
    },
    "one module": {"r": 2, "target_modules": ["model.layers.1.self_attn.k_proj"]},
    "another start": {"r": 2, "target_modules": ["q_proj"], "init_lora_weights": "orthogonal"},
    "the largest rank": {"r": 256, "target_modules": ["gate_proj"]},
}


def plain(base: Path, folder: Path, **config: Any) -> PeftModel:
    """What PEFT writes into `folder`, and the model that it is the adapter of."""
    torch.manual_seed(5)
    made = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**config))
    with torch.no_grad():
        for weight in (w for w in made.parameters() if w.requires_grad):
            weight.add_(0.05 * torch.randn_like(weight))
    made.save_pretrained(folder)
    return made.eval()


def fetched(folder: Path, into: Path) -> Parcel:
    """As it is pulled: JSON first, weights when that was fit, and nothing else."""
    into.mkdir()
    listing = inspect_listing({path.name: path.stat().st_size for path in folder.iterdir()})
    for name in listing.first:
        shutil.copyfile(folder / name, into / name)
    inspect_config(into, known_as=REPO)
    for name in listing.then:
        shutil.copyfile(folder / name, into / name)
    return open_parcel(into, known_as=REPO)


def shared(hub: FakeHub, folder: Path) -> None:
    """On the Hub, with all that PEFT and others leave beside an adapter."""
    (folder / "training_args.bin").write_bytes(evil.PICKLE)
    (folder / "modeling.py").write_text("raise SystemExit")
    names = [path.name for path in folder.iterdir()]
    push(folder, names, REPO, public=True, token=hub.sign_in("ann"), message="Upload")


@pytest.fixture
def taken(app: LiftChat, hub: FakeHub, tiny_folder: Path, tmp_path: Path) -> Adapter:
    plain(tiny_folder, tmp_path / "theirs", **KINDS["rank 5"])
    shared(hub, tmp_path / "theirs")
    return app.pull_adapter(REPO, token=False)


@pytest.mark.parametrize("kind", KINDS)
def test_it_computes_what_plain_peft_does(
    kind: str, tiny: LoadedModel, tiny_folder: Path, tmp_path: Path
) -> None:
    theirs = plain(tiny_folder, tmp_path / "theirs", **KINDS[kind])
    parcel = fetched(tmp_path / "theirs", tmp_path / "fetched")
    ours = lora.load(tiny.twin(), parcel.folder)
    torch.testing.assert_close(logits(ours, tiny), logits(theirs, tiny))
    assert not torch.allclose(logits(ours, tiny), logits(tiny.model, tiny), atol=1e-3)


def test_it_is_talked_to_like_any_other(app: LiftChat, taken: Adapter) -> None:
    assert (taken.name, taken.recipe, taken.metrics) == (REPO, {}, {})
    assert taken.origin.startswith(f"hub:{REPO}@")
    folder = app.library.adapter_folder(taken.id, LOCAL)
    assert {path.name for path in folder.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE, "manifest.json"}
    assert app.compatible(taken) == ""
    assert "".join(app.reply(taken.id, QUESTION, SHORT)).strip()
    told = "".join(app.converse(app.start_conversation(taken.id).id, QUESTION, SHORT))
    assert told == "".join(app.reply(taken.id, QUESTION, SHORT))
    assert app.citations(taken.id, told) == []


def test_nothing_is_put_around_a_question_to_it(app: LiftChat, taken: Adapter) -> None:
    """It has no document, and was not taught in the words that one of ours was."""
    asked = [Message("user", QUESTION)]
    window = app.window(taken.id, asked, SHORT)
    assert window.prompt_tokens == len(prompt_ids(app.engine.base, [user(QUESTION)]))
    assert window.mode == "none" and "no text of the document" in window.sentence()


def test_without_a_document_it_answers_at_full_strength(app: LiftChat, taken: Adapter) -> None:
    """Half of it is what answers best beside passages, and there are none."""
    as_set = "".join(app.reply(taken.id, QUESTION, SHORT))
    full, half = (
        "".join(app.reply(taken.id, QUESTION, replace(SHORT, context="none", strength=strength)))
        for strength in (1.0, 0.5)
    )
    assert as_set == full != half


def test_its_base_is_named_and_said_to_be_unverified(taken: Adapter, tiny_folder: Path) -> None:
    said = f"{tiny_folder}; its base is not verified"
    assert taken.made_for == said
    assert said in taken.summary()
    assert said in cards.adapter_details(taken, "not here", "")


def test_a_base_without_a_name_is_no_hindrance(
    app: LiftChat, hub: FakeHub, tiny_folder: Path, tmp_path: Path
) -> None:
    plain(tiny_folder, tmp_path / "theirs", **KINDS["rank 5"])
    path = tmp_path / "theirs" / CONFIG_FILE
    config = {**json.loads(path.read_text()), "base_model_name_or_path": None}
    path.write_text(json.dumps(config))
    shared(hub, tmp_path / "theirs")
    adapter = app.pull_adapter(REPO, token=False)
    assert "for a base that it does not name; its base is not verified" in adapter.summary()
    assert app.compatible(adapter) == ""


def test_it_leaves_as_a_file_and_comes_back(app: LiftChat, taken: Adapter, tmp_path: Path) -> None:
    again = app.import_adapter(app.export_adapter(taken.id, tmp_path / "lamp.zip"))
    assert again.made_for == taken.made_for
    asked = [list(app.reply(one.id, QUESTION, SHORT)) for one in (taken, again)]
    assert asked[0] == asked[1]


def test_vllm_serves_it_as_it_is_at_the_next_rank_it_knows(
    settings: Settings, reader: Path, tiny_folder: Path, taken: Adapter, tmp_path: Path
) -> None:
    """Also where a reader is in the base: it is none of its business."""
    with_one = settings.model_copy(update={"reader": str(reader), "home": tmp_path / "there"})
    with LiftChat.open(settings=with_one, worker=False) as app:
        there = app.pull_adapter(REPO, token=False)
        serving = app.export_vllm(there.id, tmp_path / "out")
    assert "--max-lora-rank 8" in serving.serve
    assert json.loads((tmp_path / "out" / CONFIG_FILE).read_text())["r"] == 5
    assert "based on" not in serving.ask


def test_it_is_not_pushed_as_if_it_were_made_here(
    app: LiftChat, taken: Adapter, hub: FakeHub
) -> None:
    before = hub.repos["model", REPO].head
    with pytest.raises(InvalidConfig, match="made by another program"):
        app.push_adapter(taken.id, REPO, public=True, confirmed=True, token=hub.sign_in("ann"))
    assert hub.repos["model", REPO].head == before


def test_a_reader_in_the_base_is_taken_away_from_under_it(
    tiny: LoadedModel, tiny_folder: Path, reader: Path, tmp_path: Path
) -> None:
    theirs = plain(tiny_folder, tmp_path / "theirs", **KINDS["all linear layers"])
    parcel = fetched(tmp_path / "theirs", tmp_path / "fetched")
    reading = with_reader(load(tiny_folder), str(reader))
    engine = Engine(lambda: reading)
    tree = engine.adapted(adapter(parcel), lambda: parcel.folder)
    torch.testing.assert_close(logits(tree, tiny), logits(theirs, tiny), atol=1e-4, rtol=1e-4)
    nought = logits(at_strength(tree, 0), tiny)
    torch.testing.assert_close(nought, logits(tiny.model, tiny), atol=1e-4, rtol=1e-4)
    merged = logits(reading.model, tiny)
    assert not torch.allclose(merged, logits(tiny.model, tiny), atol=0.1)
    assert torch.equal(logits(engine.base.model, tiny), merged)


def adapter(parcel: Parcel, **changes: Any) -> Adapter:
    facts = parcel.facts
    values = {
        name: getattr(facts, name)
        for name in ("name", "kind", "base_model", "base_revision", "base_fingerprint")
    }
    made = Adapter(
        id="a", owner=LOCAL, document_id="", recipe={}, metrics={}, tags=(), note="", bytes=1,
        state="ready", created_at="", origin=f"hub:{REPO}@{'0' * 40}", **values,
    )  # fmt: skip
    return replace(made, **changes)


@pytest.mark.parametrize("layers", [1, 3])
def test_of_one_for_other_layers_it_is_said_before_a_weight_is_read(
    layers: int, tiny: LoadedModel, tmp_path: Path
) -> None:
    other = make_model(tmp_path / "other", layers=layers)
    plain(other, tmp_path / "theirs", **KINDS["rank 5"])
    parcel = fetched(tmp_path / "theirs", tmp_path / "fetched")
    told = Engine(lambda: tiny).mismatch(adapter(parcel), lambda: parcel.folder)
    assert "model.layers." in told and told.count(".") > 2 and told.endswith(".")
    evil.raw(WEIGHTS_FILE, lambda d: d[:-4] + b"\xff\xff\xff\xff", sealed=False)(parcel.folder)
    with pytest.raises(AdapterMismatch) as caught:
        lora.load(tiny.twin(), parcel.folder)
    assert str(caught.value) == told


def test_of_one_for_wider_layers_the_sizes_are_said(
    tiny: LoadedModel, tiny_folder: Path, tmp_path: Path
) -> None:
    plain(tiny_folder, tmp_path / "theirs", **KINDS["rank 1 for a task"])
    weights = load_file(tmp_path / "theirs" / WEIGHTS_FILE)
    for name in [name for name in weights if "lora_A" in name]:
        weights[name] = torch.zeros(1, 128)
    save_file(weights, tmp_path / "theirs" / WEIGHTS_FILE)
    parcel = fetched(tmp_path / "theirs", tmp_path / "fetched")
    told = Engine(lambda: tiny).mismatch(adapter(parcel), lambda: parcel.folder)
    assert "down_proj is 128 by 32, and the layer of this base model 64 by 32." in told


def test_one_that_claims_to_be_ours_is_looked_at_too(tiny: LoadedModel, tmp_path: Path) -> None:
    other = make_model(tmp_path / "other", layers=3)
    plain(other, tmp_path / "theirs", **KINDS["rank 5"])
    parcel = fetched(tmp_path / "theirs", tmp_path / "fetched")
    claiming = adapter(parcel, base_fingerprint=tiny.identity.fingerprint)
    told = Engine(lambda: tiny).mismatch(claiming, lambda: parcel.folder)
    assert "no such linear layer" in told


COMMIT = "f" * 40


@pytest.mark.parametrize(
    ("named", "loaded", "revision", "fits"),
    [
        ("Qwen/Qwen3-4B", "Qwen/Qwen3-4B", COMMIT, True),
        ("unsloth/qwen3-4b", "Qwen/Qwen3-4B", COMMIT, True),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-4B", COMMIT, False),
        ("/home/ann/Qwen3-8B", "Qwen/Qwen3-4B", COMMIT, True),
        ("Qwen/Qwen3-8B", "my-copy", "", True),
        (EMBEDDED_HUB_ID, EMBEDDED_NAME, "", True),
        ("Qwen/Qwen3-8B", EMBEDDED_NAME, "", False),
    ],
)
def test_a_base_that_is_known_to_be_another_is_refused_by_its_name(
    named: str,
    loaded: str,
    revision: str,
    fits: bool,
    tiny: LoadedModel,
    tiny_folder: Path,
    tmp_path: Path,
) -> None:
    plain(tiny_folder, tmp_path / "theirs", **KINDS["rank 5"])
    made = adapter(fetched(tmp_path / "theirs", tmp_path / "fetched"), base_model=named)
    base = replace(tiny, identity=BaseIdentity(loaded, revision, "0" * 64))
    told = mismatch_of(made, base)
    assert bool(told) != fits
    assert fits or (f"was made for {named}" in told and f"--base-model {named}" in told)


@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`")
@pytest.mark.parametrize(
    "config",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"bias": "lora_only"},
        {"modules_to_save": ["lm_head"]},
        {"rank_pattern": {"q_proj": 2}},
        {"alpha_pattern": {"q_proj": 2}},
        {"trainable_token_indices": [1, 2]},
        {"target_modules": ["embed_tokens"]},
        {"init_lora_weights": "pissa"},
        {"task_type": "SEQ_CLS"},
        {"target_modules": r".*\.q_proj"},
    ],
    ids=str,
)
def test_what_would_be_computed_otherwise_here_is_refused_in_one_sentence(
    config: dict[str, Any], tiny_folder: Path, tmp_path: Path
) -> None:
    """As PEFT itself writes it, which is not always where one looks for it."""
    wanted = {"r": 4, "target_modules": ["q_proj"], **config}
    if wanted.get("task_type") == "SEQ_CLS":
        plain(tiny_folder, tmp_path / "theirs", **{**wanted, "task_type": None})
        path = tmp_path / "theirs" / CONFIG_FILE
        path.write_text(json.dumps({**json.loads(path.read_text()), "task_type": "SEQ_CLS"}))
    else:
        plain(tiny_folder, tmp_path / "theirs", **wanted)
    with pytest.raises(UnsafeAdapter) as caught:
        fetched(tmp_path / "theirs", tmp_path / "fetched")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_numbers_of_a_stranger_do_not_spoil_a_page(app: LiftChat, taken: Adapter) -> None:
    hostile = {"loss_before": "<b>", "loss_after": None, "exam": [], "memory_map": {"a": 1}}
    odd = replace(taken, metrics=hostile, recipe={"rank": ["<b>"], "epochs": {}})
    assert "<b>" not in cards.adapter_card(odd) + cards.adapter_details(odd, "", "")
    assert odd.summary().startswith(f"“{REPO}”")
