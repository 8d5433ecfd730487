"""Where the library lies, which base model, how the page is served.

Flags win over the environment (`LIFT_CHAT_*`), the environment over `config.toml` in the user's
configuration folder, that over the defaults; some of these are others on a hosted Space. Knows
nothing of what the values are used for. The Hub's own variables (`HF_HOME`, `HF_HUB_OFFLINE`,
`HF_TOKEN`) are read by the Hub client and never changed here.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal

from platformdirs import user_cache_path, user_config_path, user_data_path
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from lift_chat.errors import InvalidConfig
from lift_chat.hosting import lasting_disk, space_id

APP = "lift-chat"
PREFIX = "LIFT_CHAT_"
TRUE_WORDS = ("1", "on", "true", "yes")

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def config_file() -> Path:
    """The user's `config.toml`; it need not exist."""
    return user_config_path(APP, appauthor=False) / "config.toml"


class Settings(BaseSettings):
    """All settings of the program, immutable. Raises `InvalidConfig` with one sentence that names
    the flag, variable or file that the bad value came from."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    run_history: ClassVar[bool] = False
    """Whether the page keeps inputs and outputs in the browser: never, books are private."""

    home: Path = Field(
        default_factory=lambda: lasting_disk(APP) or user_data_path(APP, appauthor=False)
    )
    """The library's folder."""

    cache: Path = Field(default_factory=lambda: user_cache_path(APP, appauthor=False))
    """What can be made again: the unpacked embedded model."""

    base_model: str = Field("auto", min_length=1)
    """auto, embedded, a Hub id, a folder or a .gguf file."""

    revision: str | None = None
    """Commit, tag or branch of a base model from the Hub."""

    load_in_4bit: bool = False
    """Load the base model through bitsandbytes, where the device can."""

    reader: str = Field("auto", min_length=1)
    """The warm start merged into the base: auto (the shipped one, if any), none, or a folder."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda)$")
    """auto, cpu or cuda."""

    threads: int | None = Field(None, ge=1, le=1024)
    """CPU threads that torch may use; None leaves the choice to torch."""

    executor: Literal["local", "ray", "hf-jobs"] = "local"
    """Where documents are absorbed: in this process, as tasks of a Ray cluster, or as Hugging Face
    Jobs, which the account that is logged in pays for."""

    jobs_source: str | None = None
    """What pip installs lift-chat from in a container of Hugging Face Jobs, like
    git+https://github.com/user/lift-chat@COMMIT; not needed where the image has it."""

    jobs_image: str | None = None
    """Image of that container, if it is to have lift-chat already, or another Python for pip."""

    jobs_flavor: str = Field("l4x1", min_length=1)
    """The Hub's name of the machine for each document."""

    jobs_hours: float = Field(12.0, gt=0, le=24 * 30)
    """The longest time that one document may take there."""

    jobs_at_once: int = Field(4, ge=1, le=100)
    """Documents that are worked on there at the same time."""

    host: str = Field("127.0.0.1", min_length=1)
    """Address that the page is served on. One that other machines reach requires `auth`, but on a
    Space, where visitors sign in."""

    port: int = Field(7860, ge=1, le=65535)
    """Port of the page."""

    share: bool = False
    """A public Gradio link, which requires `auth`."""

    auth: str | None = Field(None, repr=False, pattern=r"^[^:]+:.+$", validate_default=True)
    """`user:password` of the page's one login."""

    max_upload_mb: int = Field(100, ge=1, le=10_000)
    """Largest file that the page takes, in megabytes."""

    quota_mb: int | None = Field(default_factory=lambda: 2000 if space_id() else None, ge=1)
    """What one person may keep, in megabytes."""

    quota_documents: int | None = Field(default_factory=lambda: 50 if space_id() else None, ge=1)
    """How many documents one person may keep."""

    quota_jobs: int | None = Field(default_factory=lambda: 3 if space_id() else None, ge=1)
    """How many jobs of one person may wait."""

    free_disk_mb: int | None = Field(default_factory=lambda: 2000 if space_id() else None, ge=1)
    """Nothing is taken in while the library's disk has less than this left, in megabytes."""

    slice_seconds: float = Field(60, ge=5, le=600)
    """How long a device is lent for one slice of a run, where it is lent at all."""

    writer_url: str | None = None
    """An OpenAI-compatible endpoint that may write study questions, like http://localhost:8000/v1.
    Documents are sent there only under a recipe that says so."""

    writer_model: str | None = None
    """The endpoint's name of the model that writes."""

    writer_key: str | None = Field(None, repr=False)
    """The endpoint's key, where it wants one."""

    log_level: LogLevel = "INFO"
    """How much is logged to stderr."""

    def __init__(self, **flags: Any) -> None:
        try:
            super().__init__(**flags)
        except ValidationError as error:
            raise InvalidConfig(_sentence(error.errors()[0], flags)) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise InvalidConfig(f"{config_file()} cannot be read: {error}.") from error
        self._require_login()

    @classmethod
    def from_flags(cls, **flags: Any) -> Settings:
        """Settings of a command line, where a flag that was not given is None."""
        return cls(**{name: value for name, value in flags.items() if value is not None})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_file())

    @field_validator("home", "cache")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @field_validator("log_level", "device", mode="before")
    @classmethod
    def _any_case(cls, word: Any, info: ValidationInfo) -> Any:
        if not isinstance(word, str):
            return word
        return word.upper() if info.field_name == "log_level" else word.lower()

    def _require_login(self) -> None:
        reached = self.share or not is_loopback(self.host)
        if self.auth is not None or not reached or (self.space and not self.share):
            return
        reach = "a shared link can be opened by" if self.share else f"{self.host} is reachable for"
        raise InvalidConfig(
            f"A login is required, since {reach} others: set {PREFIX}AUTH=user:password "
            f"(or --auth), or stay on 127.0.0.1 without --share."
        )

    @property
    def offline(self) -> bool:
        """Whether the Hub client was told not to use the network."""
        return os.environ.get("HF_HUB_OFFLINE", "").lower() in TRUE_WORDS

    @property
    def space(self) -> str | None:
        """The Space that serves the page, where each visitor signs in; None on a desktop."""
        return space_id()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sentence(error: ErrorDetails, flags: dict[str, Any]) -> str:
    """One sentence: where the value came from, the value unless it is secret, what is wrong."""
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        return f"{_origin(name, flags)}: there is no such setting."
    if name == "auth":
        return f"{_origin(name, flags)}: must have the form user:password."
    if name == "writer_key":
        return f"{_origin(name, flags)}: must be a text."
    value = error.get("input")
    if error["type"] == "string_pattern_mismatch":
        return f"{_origin(name, flags)}: {value!r} is not one of auto, cpu, cuda."
    problem = re.sub(r"^(Input|Value|String) ", "", error["msg"]).rstrip(".")
    return f"{_origin(name, flags)}: {value!r} {problem}."


def _origin(name: str, flags: dict[str, Any]) -> str:
    if name in flags:
        return "--" + name.replace("_", "-")
    variable = PREFIX + name.upper()
    if os.environ.get(variable):
        return variable
    return f"“{name}” in {config_file()}"
