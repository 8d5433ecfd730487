"""The base model of a program's settings: loaded, with its reader merged into it.

The one place that puts loading and warm start together; everything else is handed the result.
"""

from __future__ import annotations

from lift_chat.models.device import Device
from lift_chat.models.loading import LoadedModel, load_model
from lift_chat.reader.merge import with_reader
from lift_chat.settings import Settings


def load_base(settings: Settings, name: str, device: Device) -> LoadedModel:
    """`name` as the catalog chose it. Raises `ModelUnavailable`, `AdapterDamaged` or
    `AdapterMismatch`, the last two for a reader that cannot be used."""
    loaded = load_model(
        name,
        device,
        cache=settings.cache,
        revision=settings.revision,
        four_bit=settings.load_in_4bit,
    )
    return with_reader(loaded, settings.reader)
