"""Which executor the settings name. What it needs is imported only when it is used."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from lift_chat.errors import InvalidConfig
from lift_chat.executors.executor import Executor
from lift_chat.executors.order import Means
from lift_chat.settings import Settings


def connector(settings: Settings, means: Means) -> Callable[[], Executor]:
    """Connects when it is called. Raises `InvalidConfig` if something has to be installed first."""
    if settings.executor == "hf-jobs":
        return lambda: _on_hf_jobs(settings, means)
    if importlib.util.find_spec("ray") is None:
        raise InvalidConfig("Ray is not installed: pip install 'lift-chat[ray]'.")
    return lambda: _on_ray(means)


def _on_hf_jobs(settings: Settings, means: Means) -> Executor:
    from lift_chat.executors import on_hf_jobs

    return on_hf_jobs.connect(means, settings)


def _on_ray(means: Means) -> Executor:
    from lift_chat.executors import on_ray

    return on_ray.connect(means)
