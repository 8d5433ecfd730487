from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from lift_chat.adapters import lora
from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import AdapterDamaged, InvalidConfig
from lift_chat.models.loading import LoadedModel
from lift_chat.sharing.joined import SERVED_RANKS
from lift_chat.sharing.vllm import Serving, served_name, write_vllm
from storage.records import LOCAL, Adapter
from tests.sharing.conftest import changed, logits

ADAPTER = Adapter(
    id="01",
    owner=LOCAL,
    document_id="02",
    name="The Lamp of Orrin Vale",
    kind="lora",
    base_model="ann/tiny",
    base_revision="c0ffee",
    base_fingerprint="",
    recipe={},
    metrics={},
    tags=(),
    note="",
    bytes=1,
    state="ready",
    created_at="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def folder(tiny: LoadedModel, tmp_path: Path) -> Path:
    (tmp_path / "adapter").mkdir()
    lora.save(changed(tiny), tmp_path / "adapter", tiny.identity)
    (tmp_path / "adapter" / "manifest.json").write_text("{}")
    return tmp_path / "adapter"


def write(folder: Path, into: Path, adapter: Adapter = ADAPTER, **changes: Any) -> Serving:
    given = {"base": "ann/tiny", "reader": None, "title": "The Lamp of Orrin Vale", **changes}
    return write_vllm(folder, adapter, into, **given)


def words_after(command: str, option: str) -> str:
    words = shlex.split(command)
    return words[words.index(option) + 1]


def test_the_folder_holds_what_vllm_takes_and_says_the_same(
    tiny: LoadedModel, folder: Path, tmp_path: Path
) -> None:
    write(folder, tmp_path / "vllm")
    assert sorted(path.name for path in (tmp_path / "vllm").iterdir()) == [
        CONFIG_FILE,
        WEIGHTS_FILE,
    ]
    config = json.loads((tmp_path / "vllm" / CONFIG_FILE).read_text())
    assert config["r"] in SERVED_RANKS and config["bias"] == "none"
    assert not config["use_dora"] and not config["modules_to_save"] and not config["use_rslora"]
    names = load_file(tmp_path / "vllm" / WEIGHTS_FILE)
    assert {name.rsplit(".", 2)[1] for name in names} == {"lora_A", "lora_B"}
    theirs = PeftModel.from_pretrained(tiny.twin(), tmp_path / "vllm").eval()
    assert torch.equal(logits(theirs, tiny), logits(changed(tiny), tiny))


def test_a_reader_becomes_a_part_of_the_adapter(
    tiny: LoadedModel, folder: Path, reader: Path, tmp_path: Path
) -> None:
    command = write(folder, tmp_path / "vllm", reader=reader).serve
    assert words_after(command, "--max-lora-rank") == "16"
    assert json.loads((tmp_path / "vllm" / CONFIG_FILE).read_text())["r"] == 16


def test_the_command_serves_the_folder_under_a_plain_name(folder: Path, tmp_path: Path) -> None:
    serving = write(folder, tmp_path / "my vllm")
    assert shlex.split(serving.serve) == [
        "vllm",
        "serve",
        "ann/tiny",
        "--revision",
        "c0ffee",
        "--enable-lora",
        "--max-lora-rank",
        "8",
        "--lora-modules",
        f"the-lamp-of-orrin-vale={tmp_path / 'my vllm'}",
    ]


def test_a_local_base_has_no_revision(folder: Path, tmp_path: Path) -> None:
    command = write(folder, tmp_path / "vllm", base="/models/tiny").serve
    assert shlex.split(command)[2:4] == ["/models/tiny", "--enable-lora"]


@pytest.mark.parametrize("name", ["a=b", "a,b"])
def test_a_path_that_vllm_would_split_is_given_as_json(
    folder: Path, tmp_path: Path, name: str
) -> None:
    command = write(folder, tmp_path / name).serve
    module = json.loads(words_after(command, "--lora-modules"))
    assert module == {"name": "the-lamp-of-orrin-vale", "path": str(tmp_path / name)}


def test_it_is_asked_in_the_words_that_were_trained(folder: Path, tmp_path: Path) -> None:
    title = "O'Hara's \"Book\"; $(x)"
    request = json.loads(words_after(write(folder, tmp_path / "v", title=title).ask, "-d"))
    assert request["model"] == "the-lamp-of-orrin-vale"
    (turn,) = request["messages"]
    assert turn["content"].startswith(f"Answer the question based on “{title}”.")
    assert request["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_gated_memory_is_refused_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="“The Lamp of Orrin Vale” is none"):
        write(folder, tmp_path / "vllm", replace(ADAPTER, kind="gated-memory"))
    assert not (tmp_path / "vllm").exists()


def test_nothing_is_written_over_and_a_failure_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(InvalidConfig, match="is there already"):
        write(folder, tmp_path / "taken")
    (folder / WEIGHTS_FILE).write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(AdapterDamaged, match=WEIGHTS_FILE):
        write(folder, tmp_path / "vllm")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "served"),
    [
        ("The Lamp", "the-lamp"),
        ("--x; rm=1,2 ", "x-rm-1-2"),
        ("白鯨", "document"),
        ("", "document"),
    ],
)
def test_a_served_name_is_letters_digits_and_hyphens(name: str, served: str) -> None:
    assert served_name(name) == served
