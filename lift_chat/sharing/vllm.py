"""An adapter for vLLM: the folder that its server takes, and how the server is started and asked.

vLLM serves plain LoRA adapters on a base without a reader, so a reader becomes a part of the
adapter (`joined`). It allots the same rank to all adapters, one of `SERVED_RANKS`, and takes none
with DoRA or with whole modules of its own. Nothing is imported from it.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from lift_chat.adapters import lora
from lift_chat.adapters.folder import drafted, read_config, read_tensors, write_adapter
from lift_chat.adapters.lora_config import parse
from lift_chat.errors import InvalidConfig
from lift_chat.models.prompts import frame, user
from lift_chat.sharing.joined import joined, served_rank
from storage.records import Adapter

PORT = 8000
"""vLLM's own default."""


@dataclass(frozen=True)
class Serving:
    """Command lines for a POSIX shell: one that serves the adapter, one that asks it."""

    serve: str
    ask: str


def write_vllm(
    folder: Path, adapter: Adapter, into: Path, *, base: str, reader: Path | None, title: str
) -> Serving:
    """Writes `into`, whole or not at all, from an adapter's `folder`.

    `base` is what vLLM is to load: a Hub id or a local folder, without any reader; `reader` the
    folder of the one that the adapter was trained on. `title` is that of the document, as it
    stands in the questions that were trained.

    Raises `InvalidConfig` for a Gated Memory or if something lies at `into`, and what `joined`
    raises.
    """
    if adapter.kind != lora.KIND:
        raise InvalidConfig(f"vLLM serves LoRA adapters only, and “{adapter.name}” is none.")
    into = into.absolute()
    with drafted(into) as draft:
        rank = joined(reader, folder, draft) if reader else _copied(folder, draft)
    name = served_name(adapter.name)
    revision = adapter.base_revision if base == adapter.base_model else ""
    return Serving(_serve(base, revision, rank, name, into), _ask(name, title))


def served_name(name: str) -> str:
    """What the adapter is called in requests: letters, digits and hyphens of its name."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-") or "document"


def _copied(folder: Path, draft: Path) -> int:
    config = read_config(folder)
    rank = served_rank(parse(config).r)
    write_adapter(draft, config, read_tensors(folder))
    return rank


def _serve(base: str, revision: str, rank: int, name: str, folder: Path) -> str:
    pinned = ["--revision", revision] if revision else []
    words = ["vllm", "serve", base, *pinned, "--enable-lora", "--max-lora-rank", str(rank)]
    return shlex.join([*words, "--lora-modules", _module(name, folder)])


def _module(name: str, folder: Path) -> str:
    """vLLM splits “name=path” at every “=”, and reads what has a comma as JSON."""
    path = str(folder)
    if "=" in path or "," in path:
        return json.dumps({"name": name, "path": path})
    return f"{name}={path}"


def _ask(name: str, title: str) -> str:
    request = {
        "model": name,
        "messages": [user(frame(title, "Who is this about?"))],
        "chat_template_kwargs": {"enable_thinking": False},  # as it was trained
    }
    address = f"http://localhost:{PORT}/v1/chat/completions"
    header = "Content-Type: application/json"
    return shlex.join(["curl", address, "-H", header, "-d", json.dumps(request)])
