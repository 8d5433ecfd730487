"""What a chat may show of a document, and what it shows where nobody chose.

Apart from `context` and without torch, so that a command line can name them at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

ContextMode = Literal["retrieved", "truncated", "none"]
"""The passages that the question's words find; head and tail; nothing. What fits whole is shown
whole, unless it is nothing."""

CONTEXT_MODES: tuple[ContextMode, ...] = get_args(ContextMode)

DEFAULT_CONTEXT: ContextMode = "retrieved"
"""Answers are clearly better with it: with the embedded model on FairytaleQA, token F1 39.1 against
29.3 with head and tail."""

STRENGTHS: Mapping[ContextMode, float] = {"retrieved": 0.5, "truncated": 1.0, "none": 1.0}
"""How much of the adapter answers best, by what is shown: found passages mostly hold the answer
themselves, and at full strength it talks over them (`benchmarks/results/recipes.md`)."""
