"""What comes from elsewhere is inspected in a process where every event is watched: all evil is
refused with its reason, and nothing is imported, run or opened on the way."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lift_chat.adapters.folder import CONFIG_FILE, WEIGHTS_FILE
from lift_chat.errors import UnsafeAdapter
from lift_chat.models.loading import LoadedModel
from lift_chat.sharing.facts import FACTS_FILE
from lift_chat.sharing.inspection import inspect_config, inspect_listing
from lift_chat.sharing.parcel import open_parcel
from tests.sharing import evil
from tests.sharing.conftest import good_parcel, zip_up
from tests.sharing.watched import CONTROLS

ROOT = Path(__file__).parents[2]
CASES = {
    **{f"adapter/{name}": case for name, case in evil.ADAPTERS.items()},
    **{f"foreign/{name}": case for name, case in evil.FOREIGN.items()},
    **{f"zipped/{name}": case for name, case in evil.ARCHIVES.items()},
}
GOOD = ("adapter/good", "foreign/good", "zipped/good")


def make(name: str, case: evil.Evil | None, parcel: Path, into: Path) -> None:
    """`case` in a place of its own, or a good one of its kind."""
    kind, _, stem = name.partition("/")
    place = into / kind / (f"{stem}.zip" if kind == "zipped" else stem)
    place.parent.mkdir(exist_ok=True)
    if kind == "zipped":
        zip_up(parcel, place)
    else:
        place.mkdir()
        for path in parcel.iterdir():
            (place / path.name).write_bytes(path.read_bytes())
    if case is not None:
        case.make(place)
    elif kind == "foreign":
        (place / FACTS_FILE).unlink()


@pytest.fixture(scope="module")
def report(tiny: LoadedModel, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """By case, what the watched process says of it."""
    folder = tmp_path_factory.mktemp("inspection")
    parcel = good_parcel(tiny, folder / "parcel")
    for name, case in {**CASES, **dict.fromkeys(GOOD)}.items():
        make(name, case, parcel, folder)
    control = folder / "control"
    control.mkdir()
    (control / "adapter_model.bin").write_bytes(evil.PICKLE)
    os.symlink(evil.HOST_FILE, control / "link")
    save_file({"one": torch.ones(1)}, folder / "warm.safetensors")
    done = subprocess.run(
        [sys.executable, "-m", "tests.sharing.watched", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", CASES)
def test_evil_is_refused_with_its_reason_and_nothing_happens(
    name: str, report: Mapping[str, Any]
) -> None:
    assert report[name]["broken"] == "" and report[name]["seen"] == []
    refused = report[name]["refused"]
    assert re.search(f"(?is){CASES[name].reason}", refused), refused
    assert refused.isprintable() and refused.endswith(".") and len(refused) < 400


@pytest.mark.parametrize("name", GOOD)
def test_a_good_one_is_taken_in_the_same_process(name: str, report: Mapping[str, Any]) -> None:
    assert report[name] == {"refused": "", "broken": "", "seen": []}


def test_no_model_is_loaded_for_an_inspection(report: Mapping[str, Any]) -> None:
    assert (report["layers"], report["layers of one"]) == (0, 1)


@pytest.mark.parametrize("name", CONTROLS)
def test_a_bad_inspection_would_be_seen(name: str, report: Mapping[str, Any]) -> None:
    seen = report[f"control/{name}"]["seen"]
    assert seen and seen[0].startswith(CONTROLS[name][1])


PLAIN = {CONFIG_FILE: 900, WEIGHTS_FILE: 90_000}


def test_of_a_repository_only_an_adapters_files_are_fetched_json_first() -> None:
    others = {
        name: 10
        for name in (
            "README.md", ".gitattributes", "adapter_model.bin", "training_args.bin", "modeling.py",
            "checkpoint.pt", "tokenizer.json", "reader/adapter_config.json",
            "reader/adapter_model.safetensors", "document/original.txt", "deep/lift_chat.json",
            CONFIG_FILE.upper(), "../lift_chat.json",
        )
    }  # fmt: skip
    theirs = inspect_listing({**PLAIN, **others})
    assert (theirs.first, theirs.then) == ((CONFIG_FILE,), (WEIGHTS_FILE,))
    ours = inspect_listing({**PLAIN, **others, FACTS_FILE: 500})
    assert (ours.first, ours.then) == ((CONFIG_FILE, FACTS_FILE), (WEIGHTS_FILE,))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no adapter_config.json"),
        ({WEIGHTS_FILE: 1}, "no adapter_config.json"),
        ({CONFIG_FILE: 1}, r"no adapter_model\.safetensors"),
        ({CONFIG_FILE: 1, "adapter_model.bin": 1}, "only a pickle"),
        ({CONFIG_FILE: 1, "adapter_model-00001-of-00002.safetensors": 1}, "several files"),
        ({**PLAIN, CONFIG_FILE: 2 << 20}, "2,097,152 bytes"),
        ({**PLAIN, FACTS_FILE: 2 << 20}, "2,097,152 bytes"),
        ({**PLAIN, WEIGHTS_FILE: 1 << 40}, "bytes"),
        ({**PLAIN, WEIGHTS_FILE: 0}, "0 bytes"),
    ],
)
def test_a_repository_without_a_fit_adapter_is_refused_by_its_listing(
    files: dict[str, int], reason: str
) -> None:
    with pytest.raises(UnsafeAdapter, match=reason):
        inspect_listing(files)


def test_the_json_is_inspected_before_there_are_weights(tiny: LoadedModel, tmp_path: Path) -> None:
    parcel = good_parcel(tiny, tmp_path / "parcel")
    (parcel / WEIGHTS_FILE).unlink()
    assert inspect_config(parcel).base_fingerprint == tiny.identity.fingerprint
    evil.told(kind="magic")(parcel)
    with pytest.raises(UnsafeAdapter, match="unknown kind"):
        inspect_config(parcel)


def test_a_gated_memory_is_inspected_too(tiny: LoadedModel, tmp_path: Path) -> None:
    parcel = good_parcel(tiny, tmp_path / "parcel", kind="gated-memory")
    assert open_parcel(parcel).facts.kind == "gated-memory"
    evil.told(base_fingerprint="")(parcel)
    with pytest.raises(UnsafeAdapter, match="base_fingerprint"):
        open_parcel(parcel)
