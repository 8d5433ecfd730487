"""What a Space reads of this repository agrees with what the project says elsewhere."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from lift_chat.models.embedded import PACKAGE

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TESTED = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
)


def head() -> dict[str, Any]:
    """The block at the head of README."""
    _, block, _ = README.split("---\n", 2)
    told: dict[str, Any] = yaml.safe_load(block)
    return told


def test_requirements_are_the_projects_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["space"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if not line.startswith("#")]
    assert listed == wanted, "make requirements.txt"


def test_the_space_runs_the_gradio_that_is_tested() -> None:
    assert head()["sdk"] == "gradio" and head()["sdk_version"] == TESTED["gradio"]


def test_the_space_is_configured_for_signing_in_and_for_pushing() -> None:
    told = head()
    assert told["hf_oauth"] is True and told["hf_oauth_scopes"] == ["contribute-repos"]
    assert (ROOT / told["app_file"]).is_file()
    assert told["suggested_hardware"] and told["title"] == "lift-chat"
    assert 0 < len(told["short_description"]) <= 60, "the Hub takes no more"


def test_the_space_has_the_projects_licence_and_python() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert head()["license"] == project["license"].lower()
    (least,) = re.findall(r">=3\.(\d+)", project["requires-python"])
    assert int(head()["python_version"].removeprefix("3.")) >= int(least)


def test_the_space_installs_the_embedded_model_that_is_tested() -> None:
    tree = ast.parse((ROOT / "app.py").read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    name = PACKAGE.replace("_", "-")
    assert f"{name}=={TESTED[name]}" in texts and "--no-deps" in texts


def lender() -> Any:
    spec = importlib.util.spec_from_file_location("space_app", ROOT / "app.py")
    assert spec and spec.loader
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    return app.lender()


def test_a_gpu_is_borrowed_on_zerogpu_hardware_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    brought = ModuleType("spaces")
    brought.GPU = lambda **_: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", brought)
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert lender() is None
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert lender() is brought.GPU
