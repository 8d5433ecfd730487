"""How sure a difference between two arms is: a paired bootstrap over documents.

Documents are the unit, since an adapter is one document's and its questions share its fate: they
are drawn with all of their questions (cluster bootstrap; Efron and Tibshirani 1993, percentile
interval of chapter 13; for comparing systems Koehn 2004, "Statistical Significance Tests for
Machine Translation Evaluation"). Knows numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

RESAMPLES = 10_000
PERCENT = 95.0

FEWEST = 6
"""Documents below which no range counts as clear: that all of n differences have one sign by chance
has probability 2^(1 - n), and the draws of fewer than six that agree never reach zero."""


@dataclass(frozen=True)
class Interval:
    """A mean difference and the range that `PERCENT` of the resampled ones lie in.

    `low` and `high` are None where there are too few documents to draw from.
    """

    difference: float
    low: float | None
    high: float | None
    documents: int
    questions: int

    @property
    def is_clear(self) -> bool:
        """Whether zero lies outside of the range, and enough documents say so."""
        if self.low is None or self.high is None or self.documents < FEWEST:
            return False
        return self.low > 0 or self.high < 0


def paired_interval(
    documents: Sequence[Sequence[float]], *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Of the differences of two arms, one per question, in one list per document.

    The mean is over questions. Raises `ValueError` if there is no question.
    """
    groups = [list(group) for group in documents if group]
    if not groups:
        raise ValueError("There is no question that both arms answered.")
    sums = torch.tensor([sum(group) for group in groups], dtype=torch.float64)
    counts = torch.tensor([len(group) for group in groups], dtype=torch.float64)
    mean = float(sums.sum() / counts.sum())
    low = high = None
    if len(groups) > 1:
        random = torch.Generator().manual_seed(seed)
        drawn = torch.randint(len(groups), (resamples, len(groups)), generator=random)
        means = sums[drawn].sum(1) / counts[drawn].sum(1)
        tail = (1 - PERCENT / 100) / 2
        ends = torch.quantile(means, torch.tensor([tail, 1 - tail], dtype=torch.float64))
        low, high = float(ends[0]), float(ends[1])
    return Interval(mean, low, high, len(groups), int(counts.sum()))
