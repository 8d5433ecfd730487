"""What reading one document may cost. Known to the parent, which enforces, and to the child.

Knows nothing of formats; a format's own finer limits (zip ratios, pypdf's budgets) live with it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class IntakeLimits:
    """Ceilings for one file. Sizes are bytes, times are seconds."""

    file_bytes: int = 100 * 2**20
    """Largest file that is opened at all."""

    pages: int = 5_000
    """Most pages (spine items, sections) of one document."""

    characters: int = 20_000_000
    """Most characters of text in one document."""

    memory_bytes: int = 1_500_000_000
    """Address space of the parsing process (not enforced on Windows)."""

    cpu_seconds: int = 60
    """Processor time of the parsing process (not enforced on Windows)."""

    wall_seconds: float = 90.0
    """Time on the clock after which the parsing process is killed."""

    page_seconds: float = 5.0
    """Processor time that one page of a PDF may take before it is read the quick way."""

    scratch_bytes: int = 128 * 2**20
    """Largest temporary file that a library may write while parsing."""

    answer_bytes: int = 128 * 2**20
    """Most bytes that the parsing process may send back."""


LIMITS = IntakeLimits()
