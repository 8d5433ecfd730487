"""Which executor the settings name. What it needs is imported only when it is used."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from lift_chat.errors import InvalidConfig
from lift_chat.executors.executor import Executor
from lift_chat.executors.order import Means


def connector(name: str, means: Means) -> Callable[[], Executor]:
    """Connects when it is called. Raises `InvalidConfig` if something has to be installed first."""
    if name != "ray":
        raise InvalidConfig(f"There is no executor {name!r}.")
    if importlib.util.find_spec("ray") is None:
        raise InvalidConfig("Ray is not installed: pip install 'lift-chat[ray]'.")

    def connect() -> Executor:
        from lift_chat.executors import on_ray

        return on_ray.connect(means)

    return connect
