"""Tokens a second of an answer, alone and beside a run, and the seconds of a document switch.

Decoding alone: one token of each arm after the other, in turns, so that all arms meet the same
machine; CPU seconds are the measure, or those of the clock where a GPU computes. Arms are the bare
base, the adapter as a chat uses it, the same through PEFT's own forward, and the same merged into a
copy of the weights. Knows an open app; the command is `benchmarks.chat`.
"""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from peft.tuners.lora import Linear

from lift_chat import LiftChat
from lift_chat.adapters import lora
from lift_chat.examples import EXAMPLE
from lift_chat.models.device import Turn
from lift_chat.models.engine import at_strength
from lift_chat.models.prefix import Beginning, read, step
from storage.records import Adapter

PROMPT, TOKENS = 300, 96
"""What is read before, and what is decoded."""

SWITCHES = 6


@dataclass(frozen=True)
class Token:
    """One decoded token; `adapter` says what was adapted."""

    adapter: str
    arm: str
    wall: float
    cpu: float


@dataclass(frozen=True)
class Switch:
    """Another adapter chosen."""

    wall: float
    cpu: float


@dataclass
class Talk:
    """An answer that grows by one token at a time, whatever token that is."""

    app: LiftChat
    model: Any
    turn: Turn = nullcontext
    beginning: Beginning = field(default_factory=Beginning)
    pieces: list[list[int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        base = self.app.engine.base
        ids = base.tokenizer(EXAMPLE.markdown.read_text(encoding="utf-8"))["input_ids"][:PROMPT]
        self.pieces = read(self.model, base, ids, self.beginning, self.turn)
        self.on()

    def on(self) -> None:
        with self.turn():
            logits = step(self.model, self.app.engine.base, self.pieces, self.beginning)
            self.pieces = [[int(logits.argmax())]]


def decoding(app: LiftChat, adapter: Adapter) -> Iterator[Token]:
    arms = {name: Talk(app, model) for name, model in _models(app, adapter).items()}
    names, shape = list(arms), _shape(adapter)
    for number in range(TOKENS):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            wall, cpu = time.perf_counter(), time.process_time()
            arms[name].on()
            yield Token(shape, name, time.perf_counter() - wall, time.process_time() - cpu)


def _shape(adapter: Adapter) -> str:
    """As the recipe has it: the cost of decoding is that of its rank, by layer."""
    return f"rank {adapter.recipe['rank']}, {adapter.recipe['targets']}"


def _models(app: LiftChat, adapter: Adapter) -> dict[str, Any]:
    base, folder = app.engine.base, app.library.adapter_folder(adapter.id, "local")
    chat = lora.load(base.twin(), folder)
    theirs = lora.load(base.twin(), folder)
    for layer in theirs.lora_layers:
        layer.__class__ = Linear
    merged = lora.load(copy.deepcopy(base.model), folder).merge_and_unload()
    return {
        "base": base.model,
        "adapter": chat,
        "adapter at half strength": at_strength(chat, 0.5),
        "adapter, PEFT's forward": theirs,
        "merged": merged.eval(),
    }


def beside(app: LiftChat, adapter: Adapter, seconds: float) -> tuple[int, float]:
    """Tokens decoded while something trains, and the seconds of that; reading is not counted."""
    tree = app.engine.adapted(adapter, lambda: app.library.adapter_folder(adapter.id, "local"))
    tokens, spent = 0, 0.0
    while spent < seconds:
        talk = Talk(app, tree, app.engine.turn)
        started = time.monotonic()
        for _ in range(TOKENS):
            talk.on()
            tokens += 1
            if time.monotonic() - started + spent >= seconds:
                break
        spent += time.monotonic() - started
    return tokens, spent


def switching(app: LiftChat, adapters: tuple[Adapter, Adapter]) -> Iterator[Switch]:
    """One adapter after the other, files checked as ever."""
    for number in range(SWITCHES):
        adapter = adapters[number % 2]

        def folder(adapter: Adapter = adapter) -> Path:
            return app.library.verified_folder(adapter.id, "local")

        wall, cpu = time.perf_counter(), time.process_time()
        app.engine.adapted(adapter, folder)
        if app.device.kind == "cuda":
            torch.cuda.synchronize()  # its weights are on their way until then
        yield Switch(time.perf_counter() - wall, time.process_time() - cpu)


def decoding_table(rows: list[Token], kind: str) -> list[str]:
    """Medians of a token; what each arm's rate is of the merged one's, by the seconds that count on
    a device of this kind."""
    lines = [
        f"| adapter | decoding behind {PROMPT} tokens | tokens / CPU s | tokens / s | of merged |",
        "|---|---|--:|--:|--:|",
    ]
    for adapter in dict.fromkeys(row.adapter for row in rows):
        found: dict[str, list[Token]] = defaultdict(list)
        for row in rows:
            if row.adapter == adapter:
                found[row.arm].append(row)
        cpu = {arm: median(row.cpu for row in some) for arm, some in found.items()}
        wall = {arm: median(row.wall for row in some) for arm, some in found.items()}
        counts = cpu if kind == "cpu" else wall
        for arm in found:
            share = counts["merged"] / counts[arm]
            lines.append(
                f"| {adapter} | {arm} | {1 / cpu[arm]:.1f} | {1 / wall[arm]:.1f} | {share:.2f} |"
            )
    return lines


def switch_table(rows: list[Switch]) -> list[str]:
    cpu, wall = median(row.cpu for row in rows), median(row.wall for row in rows)
    return [
        "| document switch | CPU s, median | wall s, median | longest wall s |",
        "|---|--:|--:|--:|",
        f"| base kept | {cpu:.3f} | {wall:.3f} | {max(row.wall for row in rows):.3f} |",
    ]
