from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.estimate import beginning, read_text
from lift_chat.models.loading import LoadedModel
from tests.conftest import TALE


@pytest.mark.parametrize("content", [b"caf\xe9", b" \n", None])
def test_a_file_without_text_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "a-tale.txt"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SystemExit, match=r"a-tale\.txt[^.]*\.") as refused:
        read_text(file)

    assert "\n" not in str(refused.value)


def test_a_named_text_has_a_title_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "the-lamp.txt"
    file.write_text(TALE, encoding="utf-8")

    written = read_text(file)

    assert (written.title, written.text) == ("The Lamp", TALE)


@pytest.mark.parametrize("tokens", [5, 700])
def test_a_document_has_its_tokens_also_where_the_text_is_too_short(
    tiny: LoadedModel, tokens: int
) -> None:
    made = beginning(tiny, TALE, tokens)

    assert len(tiny.tokenizer(made, add_special_tokens=False)["input_ids"]) == tokens
    assert (TALE * 9).startswith(made)
