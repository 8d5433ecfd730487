"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lift_chat.lift.presets import PRESETS
from lift_chat.settings import Settings
from tests.conftest import QUICK
from tests.test_kill import served

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.slow
def test_the_client_script_absorbs_chats_lists_and_deletes(
    settings: Settings, tale: Path, tmp_path: Path
) -> None:
    (script,) = [text for text in SCRIPTS if "gradio_client" in text]
    # The tiny model has a window of 1024 tokens only, so the recipe is told; the rest is verbatim.
    options = {key: value for key, value in QUICK.to_dict().items() if key != "based_on"}
    path = tmp_path / "script.py"
    with served(settings) as server:
        path.write_text(
            script.replace(":7860", f":{server.port}").replace('"skim", {}', f'"skim", {options}')
        )
        ran = subprocess.run(
            [sys.executable, str(path), str(tale)], capture_output=True, text=True, timeout=300
        )
    assert ran.returncode == 0, ran.stderr
    assert "done" in ran.stdout and "orrin" in ran.stdout.lower()
    assert "freed_bytes" in ran.stdout.splitlines()[-1]


def test_the_presets_that_it_names_exist() -> None:
    named = set(re.findall(r'(?:preset\("|sys\.argv\[1\]\), ")(\w+)"', README))
    assert named and named <= set(PRESETS)


def test_the_endpoints_that_it_names_are_the_public_ones(settings: Settings) -> None:
    from ui.api import ENDPOINTS

    assert set(re.findall(r"`(/\w+)`", README)) == {f"/{name}" for name in ENDPOINTS}
