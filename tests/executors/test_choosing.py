from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from lift_chat import LiftChat
from lift_chat.errors import ExecutorUnavailable, InvalidConfig
from lift_chat.executors.ray_worker import FORGOTTEN_SECONDS, forget_old, packed, unpack
from lift_chat.settings import Settings
from tests.ui.conftest import free_port


def test_without_ray_one_sentence_says_what_to_install_and_the_library_stays_free(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ray", None)
        with pytest.raises(InvalidConfig, match=r"pip install 'lift-chat\[ray\]'"):
            LiftChat.open(settings=settings.model_copy(update={"executor": "ray"}))
    with LiftChat.open(settings=settings):
        pass


def test_an_executor_that_there_is_not_is_one_sentence(bare_environment: None) -> None:
    with pytest.raises(
        InvalidConfig, match="--executor: 'slurm' should be 'local', 'ray' or 'hf-jobs'"
    ):
        Settings(executor="slurm")


def test_files_are_the_same_after_the_journey(tmp_path: Path) -> None:
    (tmp_path / "there" / "control-0").mkdir(parents=True)
    (tmp_path / "there" / "order.json").write_bytes(b"{}")
    (tmp_path / "there" / "control-0" / "weights").write_bytes(bytes(range(256)))
    unpack(packed(tmp_path / "there"), tmp_path / "here")
    assert packed(tmp_path / "here") == packed(tmp_path / "there")
    assert set(packed(tmp_path / "here")) == {"order.json", "control-0/weights"}


def test_checkpoints_that_nobody_comes_back_for_are_forgotten(tmp_path: Path) -> None:
    for name, age in (("old", FORGOTTEN_SECONDS + 60), ("young", 60)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "state").touch()
        os.utime(tmp_path / name, times=(time.time() - age,) * 2)
    forget_old(tmp_path)
    assert [folder.name for folder in tmp_path.iterdir()] == ["young"]
    forget_old(tmp_path / "none")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:{port}", "No Ray answers at 127.0.0.1:{port}"),
        ("ray://127.0.0.1:{port}", "on a machine of the cluster"),
        ("nonsense", "Ray cannot be had"),
    ],
)
def test_a_cluster_that_is_not_there_is_one_sentence(
    address: str, sentence: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(free_port())
    monkeypatch.setenv("RAY_ADDRESS", address.format(port=port))
    with pytest.raises(ExecutorUnavailable, match=sentence.format(port=port)):
        LiftChat.open(settings=settings.model_copy(update={"executor": "ray"}))
