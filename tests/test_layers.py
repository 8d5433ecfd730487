"""The shape of the house: who imports whom, who may use what, and how large things get.

Reads source, imports none of it. Each check is also run on a tree that breaks it.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

IMPORTS = {
    "ui": {"ui", "lift_chat", "storage"},
    "lift_chat": {"lift_chat", "storage"},
    "storage": {"storage"},
}
"""Which of our packages a package may import."""

COMPOSITION_ROOT = "lift_chat/__main__.py"
"""The one file of `lift_chat` that may import `ui`."""

OWNERS = {
    "gradio": "ui",
    "gradio_client": "ui",
    "torch": "lift_chat",
    "transformers": "lift_chat",
    "peft": "lift_chat",
    "bitsandbytes": "lift_chat",
    "pypdf": "lift_chat",
    "ray": "lift_chat",
    "sqlite_utils": "storage",
    "huggingface_hub": "storage",
}
"""Which package may use what."""

FILE_LINES = 250
FUNCTION_LINES = 60
LARGER_FILES = {
    "lift_chat/service.py": "the facade: a verb is three lines, and all verbs are one contract",
    "storage/library.py": "the facade of storage: a verb is a line and its sentence",
}
"""Files above the limit, each with the reason."""

LARGER_FUNCTIONS: dict[str, str] = {}
"""Functions above the limit as `file:name`, each with the reason."""


@dataclass(frozen=True)
class Source:
    path: str
    package: str
    lines: int
    tree: ast.Module


def sources(root: Path) -> Iterator[Source]:
    for package in IMPORTS:
        for path in sorted((root / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            name = path.relative_to(root).as_posix()
            yield Source(name, package, len(text.splitlines()), ast.parse(text, name))


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, wherever in the file it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." if node.level else str(node.module)
        elif isinstance(node, ast.Call) and _called(node).endswith("import_module"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant):
                yield node.lineno, str(first.value)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def wrong_ways(source: Source) -> Iterator[str]:
    allowed = IMPORTS[source.package]
    if source.path == COMPOSITION_ROOT:
        allowed = allowed | {"ui"}
    for line, module in imported(source.tree):
        first = module.partition(".")[0]
        if module == ".":
            yield f"{source.path}:{line} imports relatively"
        elif first in IMPORTS and first not in allowed:
            yield f"{source.path}:{line} imports {module}"


def stolen_libraries(source: Source) -> Iterator[str]:
    for line, module in imported(source.tree):
        owner = OWNERS.get(module.partition(".")[0], source.package)
        if owner != source.package:
            yield f"{source.path}:{line} uses {module}, which belongs to {owner}"


def unsafe_loading(source: Source) -> Iterator[str]:
    for line, module in imported(source.tree):
        if module.partition(".")[0] in ("pickle", "cPickle", "dill", "cloudpickle", "marshal"):
            yield f"{source.path}:{line} imports {module}"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
            yield f"{source.path}:{node.lineno} uses torch.load"
        if isinstance(node, ast.ImportFrom) and node.module == "torch":
            yield from (
                f"{source.path}:{node.lineno} imports torch.load"
                for alias in node.names
                if alias.name == "load"
            )
        for name, value in _given(node):
            if name == "trust_remote_code" and not _is_false(value):
                yield f"{source.path}:{value.lineno} may trust remote code"


def _given(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Keyword arguments and dictionary entries with a constant key."""
    if isinstance(node, ast.keyword) and node.arg:
        yield node.arg, node.value
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                yield str(key.value), value


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def too_long(source: Source) -> Iterator[str]:
    if source.lines > FILE_LINES and source.path not in LARGER_FILES:
        yield f"{source.path} has {source.lines} lines"
    for name, lines, start in functions(source.tree):
        if lines > FUNCTION_LINES and f"{source.path}:{name}" not in LARGER_FUNCTIONS:
            yield f"{source.path}:{start} {name} has {lines} lines"


def functions(tree: ast.Module) -> Iterator[tuple[str, int, int]]:
    """(name, lines, first line) of every function, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1, node.lineno


Check = Callable[[Source], Iterator[str]]

CHECKS: dict[str, Check] = {
    "imports go ui -> lift_chat -> storage": wrong_ways,
    "every library has one owner": stolen_libraries,
    "no code comes out of files": unsafe_loading,
    "files and functions stay small": too_long,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_house_keeps_its_rules(check: Check) -> None:
    found = list(sources(ROOT))
    assert {source.package for source in found} == set(IMPORTS)
    assert [problem for source in found for problem in check(source)] == []


def test_every_package_is_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = set(project["tool"]["setuptools"]["packages"])
    there = {Path(source.path).parent.as_posix().replace("/", ".") for source in sources(ROOT)}
    assert there == shipped


def needless(exceptions: Iterable[str], found: Sequence[Source]) -> list[str]:
    """Exceptions for files and functions that are gone or small enough."""
    sizes = {source.path: source.lines - FILE_LINES for source in found}
    for source in found:
        for name, lines, _ in functions(source.tree):
            place = f"{source.path}:{name}"
            sizes[place] = max(sizes.get(place, 0), lines - FUNCTION_LINES)
    return [place for place in exceptions if sizes.get(place, 0) <= 0]


def test_every_exception_is_still_needed(tmp_path: Path) -> None:
    assert needless([*LARGER_FILES, *LARGER_FUNCTIONS], list(sources(ROOT))) == []
    tree = tree_with(tmp_path, "ui/a.py", LONG_FUNCTION + "def g(): pass\n")
    listed = ["ui/a.py:f", "ui/a.py:g", "ui/a.py", "ui/gone.py"]
    assert needless(listed, tree) == listed[1:]


LONG_FUNCTION = "def f():\n" + "    x = 1\n" * FUNCTION_LINES
BAD = [
    (wrong_ways, "storage/a.py", "import lift_chat.errors"),
    (wrong_ways, "storage/a.py", "def f():\n    from ui import app"),
    (wrong_ways, "lift_chat/a.py", "from ui.app import build_app"),
    (wrong_ways, "lift_chat/commands/__main__.py", "import ui"),
    (wrong_ways, "lift_chat/a.py", "import importlib\nimportlib.import_module('ui.app')"),
    (wrong_ways, "lift_chat/a.py", "from . import errors"),
    (stolen_libraries, "lift_chat/a.py", "import gradio as gr"),
    (stolen_libraries, "lift_chat/a.py", "import sqlite_utils"),
    (stolen_libraries, "lift_chat/a.py", "from huggingface_hub import get_token"),
    (stolen_libraries, "ui/a.py", "if True:\n    import torch.nn"),
    (stolen_libraries, "ui/a.py", "import pypdf"),
    (stolen_libraries, "storage/a.py", "from transformers import AutoModel"),
    (stolen_libraries, "storage/a.py", "import peft, bitsandbytes"),
    (unsafe_loading, "lift_chat/a.py", "import pickle"),
    (unsafe_loading, "lift_chat/a.py", "import torch\ntorch.load('x')"),
    (unsafe_loading, "lift_chat/a.py", "from torch import load"),
    (unsafe_loading, "lift_chat/a.py", "f(trust_remote_code=True)"),
    (unsafe_loading, "lift_chat/a.py", "f(trust_remote_code=settings.trust)"),
    (unsafe_loading, "lift_chat/a.py", "options = {'trust_remote_code': True}"),
    (too_long, "ui/a.py", "x = 1\n" * (FILE_LINES + 1)),
    (too_long, "ui/a.py", LONG_FUNCTION),
    (
        too_long,
        "ui/a.py",
        "class A:\n" + "".join(f"    {line}\n" for line in LONG_FUNCTION.splitlines()),
    ),
]
GOOD = [
    (wrong_ways, COMPOSITION_ROOT, "def serve():\n    from ui.app import build_app"),
    (wrong_ways, "ui/a.py", "import lift_chat\nimport storage.records"),
    (stolen_libraries, "lift_chat/a.py", "import torch, json, storage"),
    (unsafe_loading, "lift_chat/a.py", "f(trust_remote_code=False)\nmodel.load('x')"),
    (too_long, "ui/a.py", "x = 1\n" * FILE_LINES),
]


def tree_with(root: Path, path: str, text: str) -> list[Source]:
    target = root / path
    target.parent.mkdir(parents=True)
    target.write_text(text)
    return list(sources(root))


@pytest.mark.parametrize(("check", "path", "text"), BAD)
def test_a_broken_rule_is_found(check: Check, path: str, text: str, tmp_path: Path) -> None:
    (source,) = tree_with(tmp_path, path, text)
    problems = list(check(source))
    assert problems
    assert all(problem.startswith(path) for problem in problems)


@pytest.mark.parametrize(("check", "path", "text"), GOOD)
def test_a_kept_rule_is_not_complained_about(
    check: Check, path: str, text: str, tmp_path: Path
) -> None:
    (source,) = tree_with(tmp_path, path, text)
    assert list(check(source)) == []
