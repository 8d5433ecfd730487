"""A pushed LoRA adapter needs nothing of this project: it is loaded from the Hub by the lines on
its card, in a process where none of our packages can be imported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lift_chat.lift.tokens import tokenize
from lift_chat.models.device import Device
from lift_chat.service import LiftChat
from lift_chat.settings import Settings
from storage.records import LOCAL
from tests.conftest import QUICK, TALE
from tests.hub.fake_hub import FakeHub
from tests.sharing.conftest import logits

REPO = "ann/lamp"

CHILD = """
import importlib, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("lift_chat", "storage", "ui"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Blocked())
for name in ("lift_chat", "storage", "ui"):
    try:
        importlib.import_module(name)
    except ImportError:
        continue
    sys.exit(f"{name} can be imported")

import torch
from safetensors.torch import save_file

torch.set_num_threads(1)
loading, asking, ids, out = sys.argv[1:]
exec(open(loading).read())
with torch.no_grad():
    logits = model(input_ids=torch.tensor([[int(word) for word in ids.split()]])).logits
save_file({"logits": logits.contiguous()}, out)
exec(open(asking).read())
"""


def blocks(card: str) -> list[str]:
    return re.findall(r"```python\n(.*?)\n```", card, re.DOTALL)


def loaded_elsewhere(card: str, base: Path, ids: list[int], work: Path) -> tuple[torch.Tensor, str]:
    """The logits of what the card's lines load, and what its next lines print."""
    work.mkdir()
    for name, block in zip(("loading", "asking"), blocks(card), strict=True):
        code = block.replace("PATH/TO/BASE", str(base))
        (work / f"{name}.py").write_text(code, encoding="utf-8")
    (work / "child.py").write_text(CHILD, encoding="utf-8")
    told = " ".join(map(str, ids))
    done = subprocess.run(
        [sys.executable, "-I", "child.py", "loading.py", "asking.py", told, "logits.safetensors"],
        cwd=work,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return load_file(work / "logits.safetensors")["logits"], done.stdout


Kind = tuple[bool, torch.dtype]
KINDS: dict[str, Kind] = {
    "bare": (False, torch.float32),
    "reader": (True, torch.float32),
    "reader-bf16": (True, torch.bfloat16),
}
"""Whether the base has a reader, and the dtype of both."""


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_lines_on_the_card_load_what_answers_here(
    settings: Settings,
    reader: Path,
    tale: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hub: FakeHub,
    kind: Kind,
) -> None:
    with_reader, dtype = kind
    device = Device("cpu", "test cpu", dtype)
    monkeypatch.setattr("lift_chat.service.pick_device", lambda _: device)
    used = str(reader) if with_reader else "none"
    with LiftChat.open(settings=settings.model_copy(update={"reader": used})) as app:
        adapter = app.absorb(app.add_document(tale).id, QUICK).wait(120)
        folder = app.library.adapter_folder(adapter.id, LOCAL)
        base = app.engine.base
        adapted = app.engine.adapted(adapter, lambda: folder)
        with app.engine.turn():  # the worker may be reading ahead through the same tree
            for tree in (adapted, base.model):  # ours for CPUs rounds in another order
                tree.set_attn_implementation("sdpa")
            ours, unread = logits(adapted, base), logits(base.model, base)
        monkeypatch.setenv("HF_TOKEN", hub.sign_in("ann"))
        app.push_adapter(adapter.id, REPO)
    card = hub.repos["model", REPO].head.files["README.md"].data.decode()
    ids = tokenize(base, TALE)[0, :64].tolist()
    theirs, said = loaded_elsewhere(card, Path(settings.base_model), ids, tmp_path / "elsewhere")
    assert theirs.dtype == dtype
    # PEFT rounds between the two products of an update, ours does not: in fp32 it makes no odds.
    close = {torch.float32: 1e-5, torch.bfloat16: 3 * 2**-8}[dtype]
    assert (theirs - ours).norm() <= close * ours.norm()
    assert not torch.allclose(unread, ours, atol=0.1)
    assert said.strip()


def test_the_child_has_none_of_our_packages(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(CHILD.replace("sys.meta_path.insert", "(lambda *_: 0)"))
    (tmp_path / "lift_chat.py").touch()  # as if it were installed
    ours = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); exec(open('child.py').read())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", ours], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1 and "lift_chat can be imported" in done.stderr
