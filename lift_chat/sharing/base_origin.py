"""Where others find the base of an adapter: its address on the Hub, and the reader merged into it.

Knows the loaded base by its identity alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lift_chat.models.catalog import EMBEDDED, EMBEDDED_HUB_ID, EMBEDDED_NAME
from lift_chat.models.embedded import embedded_gguf, unpack_gguf
from lift_chat.models.loading import BaseIdentity
from lift_chat.reader.merge import Found, find_reader


@dataclass(frozen=True)
class BaseOrigin:
    """`hub_id` is "" for a base that lies on this machine only; `revision` is a commit there, or
    "". A `copy` is a quantised one of what lies at `hub_id`."""

    hub_id: str
    revision: str
    copy: bool
    reader: Found | None

    @classmethod
    def of(cls, identity: BaseIdentity, wanted_reader: str) -> Self:
        """`wanted_reader` is the setting that the base was loaded with. Raises what `find_reader`
        raises."""
        reader = find_reader(wanted_reader, identity.bare) if identity.reader else None
        if identity.name == EMBEDDED_NAME:
            return cls(EMBEDDED_HUB_ID, "", copy=True, reader=reader)
        hub_id = identity.name if identity.revision else ""
        return cls(hub_id, identity.revision, copy=False, reader=reader)


def servable(name: str, origin: BaseOrigin, cache: Path) -> str:
    """The bare base as another server can load it: an id on the Hub, else a local folder.

    `name` is the base as it was chosen.
    """
    path = embedded_gguf() if name == EMBEDDED else Path(name).expanduser()
    if path is not None and path.suffix == ".gguf":
        return str(unpack_gguf(path, cache))
    return origin.hub_id or str(Path(name).expanduser().absolute())
