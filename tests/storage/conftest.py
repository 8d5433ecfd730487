"""A library in a folder of its own for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.library import Library


@pytest.fixture
def quick_path() -> Iterator[Path]:
    """A folder in memory where there is one: every commit waits for the disk several times."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def root(quick_path: Path) -> Path:
    return quick_path / "library"


@pytest.fixture
def library(root: Path) -> Iterator[Library]:
    with Library.open(root) as library:
        yield library
