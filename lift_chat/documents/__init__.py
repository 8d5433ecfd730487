"""Documents: files of any origin become pages of clean text with chapters, safely."""

from __future__ import annotations

from lift_chat.documents.intake import ReadDocument, read
from lift_chat.documents.limits import IntakeLimits

__all__ = ["IntakeLimits", "ReadDocument", "read"]
