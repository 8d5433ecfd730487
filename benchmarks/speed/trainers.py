"""The loops that others would use: transformers' Trainer and TRL's SFTTrainer.

TRL is used where it is installed, and is no dependency; tested with trl 1.16.0 and datasets 5.2.0.
"""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from benchmarks.speed.bases import Base
from benchmarks.speed.measuring import Watch
from lift_chat.lift.optimizer import BETAS, CLIP
from lift_chat.lift.recipe import LiftConfig
from lift_chat.models.rows import PADDING

Windows = list[list[int]]
Train = Callable[[Base, Any, Windows, Watch], None]
"""Trains an adapted model on the windows, `batch_segments` of them a step, and ticks after each
step."""


class _Ticks(TrainerCallback):  # type: ignore[misc]
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._watch.tick()


def trl_missing() -> str:
    """Why arm C cannot run, or ''."""
    absent = [name for name in ("trl", "datasets") if importlib.util.find_spec(name) is None]
    return f"{' and '.join(absent)} not installed" if absent else ""


def hugging_face(config: LiftConfig, *, checkpointing: bool) -> Train:
    """transformers' Trainer with its model's own loss: logits of all positions, in fp32."""

    def train(base: Base, adapted: Any, windows: Windows, watch: Watch) -> None:
        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(
                model=adapted,
                args=TrainingArguments(folder, **_arguments(base, config, checkpointing)),
                train_dataset=[{"input_ids": ids, "labels": ids} for ids in windows],
                data_collator=joined,
                callbacks=[_Ticks(watch)],
            )
            _run(trainer)

    return train


def joined(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Windows as one batch; only where one is shorter is there padding, and a mask."""
    ids = [torch.tensor(row["input_ids"]) for row in rows]
    labels = pad_sequence([torch.tensor(row["labels"]) for row in rows], True, PADDING)
    batch = {"input_ids": pad_sequence(ids, True), "labels": labels}
    if len({len(row) for row in ids}) > 1:
        batch["attention_mask"] = pad_sequence([torch.ones_like(row) for row in ids], True)
    return batch


def trl_sft(config: LiftConfig, *, checkpointing: bool) -> Train:
    """TRL's SFTTrainer, whose head never holds all logits, on windows cut before."""

    def train(base: Base, adapted: Any, windows: Windows, watch: Watch) -> None:
        trl, datasets = importlib.import_module("trl"), importlib.import_module("datasets")
        table = datasets.table.InMemoryTable.from_pydict({"input_ids": windows, "labels": windows})
        with tempfile.TemporaryDirectory() as folder:
            trainer = trl.SFTTrainer(
                model=adapted,
                args=trl.SFTConfig(
                    folder,
                    max_length=None,
                    dataset_kwargs={"skip_prepare_dataset": True},
                    **_arguments(base, config, checkpointing),
                ),
                train_dataset=datasets.Dataset(table, fingerprint="windows"),
                processing_class=base.loaded.tokenizer,
                callbacks=[_Ticks(watch)],
            )
            _run(trainer)

    return train


def _run(trainer: Any) -> None:
    trainer.remove_callback(PrinterCallback)
    trainer.train()


def _arguments(base: Base, config: LiftConfig, checkpointing: bool) -> dict[str, Any]:
    cpu = base.device.type == "cpu"
    return {
        "per_device_train_batch_size": config.batch_segments,
        "num_train_epochs": 1,
        "train_sampling_strategy": "sequential",
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "constant",
        "adam_beta1": BETAS[0],
        "adam_beta2": BETAS[1],
        "max_grad_norm": CLIP,
        "weight_decay": 0.0,
        "bf16": base.loaded.device.dtype == torch.bfloat16,
        "activation_checkpointing": checkpointing,
        "seed": config.seed,
        "use_cpu": cpu,
        "dataloader_pin_memory": not cpu,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }
