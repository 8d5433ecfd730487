"""Every hostile file ends as text or as one typed error, through the real intake."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from lift_chat.documents import IntakeLimits, read
from lift_chat.errors import UnreadableDocument
from tests.documents import builders as make
from tests.documents.hostile import CASES

LIMITS = IntakeLimits(page_seconds=1.0, memory_bytes=600_000_000)
MUTANTS = int(os.environ.get("LIFT_CHAT_MUTANTS", "36"))
REASONS = {
    "empty",
    "too_large",
    "wrong_type",
    "password",
    "damaged",
    "no_text",
    "bomb",
    "too_slow",
    "too_much_memory",
    "missing",
}


def outcome(path: Path) -> str:
    """ "text", or the reason. Any other exception is a bug and is passed on."""
    try:
        document = read(path, limits=LIMITS)
    except UnreadableDocument as error:
        assert error.reason in REASONS
        assert error.sentence.endswith((".", "pdf")) and len(error.sentence) > 15
        return error.reason
    assert document.text.strip()
    return "text"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """All cases, two at a time: most of the time a case waits for its process."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = {}
    for name, case in CASES.items():
        paths[name] = folder / f"{name}{case.suffix}"
        paths[name].write_bytes(case.build())
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(paths, pool.map(outcome, paths.values()), strict=True))


def test_there_are_at_least_forty_hostile_files() -> None:
    assert len(CASES) >= 40


@pytest.mark.parametrize("name", CASES)
def test_hostile_file_ends_as_it_should(name: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name] in CASES[name].outcomes


def test_no_parsing_process_is_left_over(outcomes: dict[str, str]) -> None:
    assert outcomes
    children = psutil.Process().children(recursive=True)
    assert not [child for child in children if "lift_chat.documents" in " ".join(child.cmdline())]


def mutants(original: bytes, count: int) -> Iterator[bytes]:
    """Copies with bits flipped, pieces cut out, doubled, zeroed or swapped; always the same."""
    chance = random.Random(20_260)
    for _ in range(count):
        data = bytearray(original)
        for _ in range(chance.randint(1, 6)):
            at, size = chance.randrange(len(data)), chance.choice((1, 1, 4, 30, 300))
            match chance.randrange(5):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    del data[at : at + size]
                case 2:
                    data[at:at] = data[at : at + size]
                case 3:
                    data[at : at + size] = bytes(len(data[at : at + size]))
                case _:
                    data[at : at + size] = chance.randbytes(size)
        yield bytes(data)


def test_every_mutant_of_a_valid_pdf_ends_as_text_or_a_typed_error(tmp_path: Path) -> None:
    original = make.pdf([["A ship."] * 2] * 5, outline=[("One", 0, 0), ("Two", 1, 3)])
    paths = []
    for number, data in enumerate(mutants(original, MUTANTS)):
        paths.append(tmp_path / f"{number}.pdf")
        paths[-1].write_bytes(data)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(outcome, paths))
    assert len(found) == MUTANTS
    assert "text" in found
    assert set(found) <= {"text", "damaged", "no_text", "wrong_type", "password", "too_large"}
