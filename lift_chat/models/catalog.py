"""Which base model for this machine, and why.

Picks only what needs no download: the embedded model, or a recommended one whose files are
already in the Hugging Face cache. Anything else is named by the user. Sizes are those of the bf16
weights; a 4-bit load needs about a third.
"""

from __future__ import annotations

from dataclasses import dataclass

from lift_chat.errors import ModelUnavailable
from lift_chat.models.device import Device
from lift_chat.models.embedded import INSTALL, embedded_gguf
from storage.hub.snapshots import cached_snapshot

EMBEDDED = "embedded"
EMBEDDED_NAME = "SmolLM2-135M-Instruct (embedded)"
EMBEDDED_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""Where the original lies, of which the embedded model is a quantised copy."""
GB = 10**9


@dataclass(frozen=True)
class Recommendation:
    """`needs` is the device memory in bytes that absorbing takes at 2048-token windows."""

    repo: str
    parameters: str
    licence: str
    needs: int


RECOMMENDED = (
    Recommendation("Qwen/Qwen3-8B", "8B", "apache-2.0", 22 * GB),
    Recommendation("Qwen/Qwen3-4B", "4B", "apache-2.0", 10 * GB),
    Recommendation("Qwen/Qwen3-1.7B", "1.7B", "apache-2.0", 5 * GB),
)


@dataclass(frozen=True)
class Choice:
    """`name` as the loader takes it; `why` is one sentence for people."""

    name: str
    why: str


def choose(wanted: str, device: Device) -> Choice:
    """The base model to load. Raises `ModelUnavailable` when there is none to be had."""
    if wanted != "auto":
        return Choice(wanted, "It was asked for by name.")
    fitting = _fitting(device)
    for entry in fitting:
        if cached_snapshot(entry.repo) is not None:
            return Choice(
                entry.repo,
                f"The largest recommended model that fits {device.name} and is on this disk.",
            )
    if embedded_gguf() is None:
        raise ModelUnavailable(
            f"There is no base model on this machine: install the embedded one with "
            f"“{INSTALL}”, or name one with --base-model."
        )
    if fitting:
        best = fitting[0]
        why = (
            f"Nothing larger is on this disk. {device.name} could run {best.repo} "
            f"({best.parameters}, {best.licence}): start with --base-model {best.repo}."
        )
    else:
        why = f"The right size for {device.kind.upper()} without downloads."
    return Choice(EMBEDDED, why)


def _fitting(device: Device) -> list[Recommendation]:
    if device.kind != "cuda":
        return []
    memory = device.total_memory()
    return [entry for entry in RECOMMENDED if entry.needs <= memory]
