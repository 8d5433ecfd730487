"""The best weights so far by the exam, kept beside the checkpoints of a run.

Ties go to the later weights, which have read more. A file is whole or not there; one of a later
step than the checkpoint that a run goes on from is not used, since that exam will be held again.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lift_chat.lift.checkpoint import outdated
from lift_chat.lift.train import TrainState

NAME = "best-{:08d}.safetensors"


class Best:
    """`offer` after each exam, `take` at the end. Scores are percent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.step = self.taken = 0
        self.score = float("-inf")
        self._masters: list[torch.Tensor] = []

    def offer(self, state: TrainState, score: float) -> None:
        """Keeps the weights of `state` if no score before was higher. Raises OSError."""
        if score < self.score:
            return
        self._masters = [master.detach().clone() for master in state.optimizer.masters]
        self.step, self.score = state.step, score
        tensors = {str(i): master.cpu() for i, master in enumerate(self._masters)}
        facts = {"step": str(state.step), "score": repr(score)}
        target = self._folder / NAME.format(state.step)
        draft = target.with_suffix(".draft")
        save_file(tensors, draft, metadata=facts)
        os.replace(draft, target)
        for other in outdated(self._files(), target):
            other.unlink()

    def take(self, state: TrainState) -> None:
        """Gives `state` the best weights; nothing changes if it has them."""
        self.taken = self.step
        if self.step and self.step != state.step:
            state.optimizer.load_masters(self._masters)

    def restore(self, state: TrainState, step: int) -> None:
        """Reads the best up to `step`, if it is there and whole."""
        for path in self._files():
            try:
                with safe_open(path, framework="pt") as file:
                    facts = file.metadata()
                    tensors = [file.get_tensor(str(i)) for i in range(len(state.optimizer.masters))]
            except (OSError, SafetensorError, ValueError):
                continue
            if int(facts["step"]) <= step:
                self.step, self.score = int(facts["step"]), float(facts["score"])
                self._masters = [tensor.to(state.device) for tensor in tensors]
                return

    def _files(self) -> list[Path]:
        """Newest first."""
        return sorted(self._folder.glob("best-*.safetensors"), reverse=True)
