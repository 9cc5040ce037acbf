"""Every setting, read once at start from the environment, `.env` and secret files, nowhere else.

A wrong value stops the start with the key, what is wrong and what is wanted.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import SettingsError
from model.engine import Precision, SamplingParams

Length = Literal["short", "medium", "long"]


class Settings(BaseSettings):
    """Field descriptions are the comments of `.env.example`, which `env_example` writes."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    # -- platforms -----------------------------------------------------------------------------
    discord_token: SecretStr | None = Field(
        None, description="Bot token from Discord's developer portal. Empty: no Discord."
    )
    discord_api_url: str | None = Field(
        None,
        description="Discord HTTP API to use instead of the official one, such as a proxy, with "
        "its version (https://proxy.example/api/v10).",
    )
    discord_gateway_url: str | None = Field(
        None, description="Discord gateway to use instead of the official one (ws:// or wss://)."
    )
    shard_ids: str = Field(
        "",
        description="Which of Discord's shards this process serves, where several share a "
        "PostgreSQL database: 0-3, or 0,2. Empty: all.",
    )
    shard_count: int | None = Field(
        None, ge=1, description="How many shards there are in all; the same for each process."
    )
    telegram_token: SecretStr | None = Field(
        None, description="Bot token from @BotFather. Empty: no Telegram."
    )
    telegram_api_url: str | None = Field(
        None, description="Telegram Bot API server to use instead of the official one."
    )
    telegram_webhook_url: str | None = Field(
        None,
        description="Address on which Telegram brings updates, through a proxy of yours "
        "(https://bot.example/telegram). Empty: they are fetched by long polling.",
    )
    telegram_webhook_listen: str = Field(
        "127.0.0.1:8081", description="Where the bot listens for that proxy, by plain HTTP."
    )
    telegram_webhook_secret: SecretStr | None = Field(
        None,
        description="What shows that it is Telegram who calls: 1 to 256 of A-Z, a-z, 0-9, _ and -. "
        "Empty: made of the token.",
    )

    # -- where things are kept -----------------------------------------------------------------
    database_url: str = Field(
        "sqlite:///cliffhanger.db",
        repr=False,  # it may hold a password
        description="sqlite:///relative.db, sqlite:////absolute.db or postgresql://user@host/name.",
    )
    queue_url: str = Field(
        "memory://",
        repr=False,  # it may hold a password
        description="memory:// writes stories in the bot's own process; "
        "redis://:password@host:6379/0 (rediss:// for TLS) has workers on other machines, those "
        "with the same MODEL, write them too.",
    )
    queue_max_waiting: int = Field(
        200, ge=1, description="Stories in line before newcomers are asked to come back later."
    )
    worker_grace_s: float = Field(
        30,
        ge=0,
        allow_inf_nan=False,
        description="Seconds in which `cliffhanger worker`, asked to stop, finishes what it has "
        "begun; the rest goes back in line.",
    )
    cache_dir: Path | None = Field(
        None, description="Where fetched models are kept. Empty: the user's cache folder."
    )

    # -- the model -----------------------------------------------------------------------------
    model: str = Field(
        "default",
        description='"default", a folder, or a Hub id (pranavpsv/gpt2-genre-story-generator). With '
        'ENGINE_URL the name of a model there; "default": the only one it has.',
    )
    genres_file: Path | None = Field(
        None, description="YAML genre table for a model of your own. Empty: the six film genres."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="Where the model runs; auto takes a GPU where there is one."
    )
    precision: Literal["auto"] | Precision = Field(
        "auto",
        description="What the weights are held in; auto takes the fastest that the processor has. "
        "float32 is exact, and slower.",
    )
    threads: int | None = Field(
        None, ge=1, description="CPU threads for the model. Empty: one for each core."
    )
    slots: int = Field(16, ge=1, le=512, description="Stories written at the same time.")
    engine_url: str | None = Field(
        None,
        repr=False,  # it may hold a password
        description="A model server with OpenAI's API to write in place of this machine, such as "
        "vLLM or llama.cpp's (http://127.0.0.1:8000/v1).",
    )
    engine_api_key: SecretStr | None = Field(None, description="The model server's key, if any.")
    engine_genre_tokens: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Whether its model has genre tokens; auto finds out at the start, where the "
        "server counts tokens.",
    )
    engine_timeout_s: float = Field(
        120,
        gt=0,
        allow_inf_nan=False,
        description="Longest silence of the model server, in seconds, before a story has failed.",
    )

    # -- how stories are written ---------------------------------------------------------------
    temperature: float = Field(0.9, description="Above 0; higher is wilder.")
    top_k: int = Field(50, description="Choose among the k likeliest tokens; 0 takes all.")
    top_p: float = Field(
        0.95, description="Choose among the likeliest tokens that reach this probability together."
    )
    repetition_penalty: float = Field(1.1, description="Above 1 discourages repeated words.")
    min_new_tokens: int = Field(
        12, ge=0, description="Tokens before which no story ends, so that none comes out empty."
    )
    length_short: int = Field(100, ge=1, description="Most tokens of a short story.")
    length_medium: int = Field(220, ge=1, description="Most tokens of a story, unless asked.")
    length_long: int = Field(450, ge=1, description="Most tokens of a long story.")

    # -- fair use ------------------------------------------------------------------------------
    max_prompt_chars: int = Field(600, ge=1, description="Longest prompt, in characters.")
    max_title_chars: int = Field(100, ge=1, description="Longest title, in characters.")
    max_pending: int = Field(
        20, ge=1, description="Stories one member may have waiting or being written."
    )
    daily_quota: int = Field(
        200, ge=0, description="Stories one member may ask for in 24 hours; 0 is no limit."
    )
    cooldown_s: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds between two stories of one member; 0 is none.",
    )
    blocked_words: str = Field(
        "", description="Comma-separated words refused in prompts and masked in stories."
    )

    # -- running -------------------------------------------------------------------------------
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="How much to log."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="text for people, json for machines: an object a line."
    )
    metrics_addr: str | None = Field(
        None,
        description="Where to answer /metrics, /healthz and /readyz by HTTP, such as "
        "127.0.0.1:9100; not for the open network. Empty: nowhere.",
    )

    @model_validator(mode="after")
    def _shards_are_some_of_all(self) -> Self:
        for shard in self.shards:
            if self.shard_count is None:
                raise ValueError("SHARD_IDS needs SHARD_COUNT, the number of shards in all")
            if shard >= self.shard_count:
                raise ValueError(
                    f"SHARD_IDS names {shard}, but of SHARD_COUNT={self.shard_count} shards the "
                    f"last is {self.shard_count - 1}"
                )
        return self

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("shard_ids")
    @classmethod
    def _are_numbers(cls, value: str) -> str:
        _numbers(value)
        return value

    @field_validator(
        "discord_token",
        "telegram_token",
        "telegram_webhook_secret",
        "engine_api_key",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        """An empty file is as good as none, as an empty variable is."""
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("discord_api_url", "telegram_api_url", "engine_url")
    @classmethod
    def _is_web_address(cls, value: str | None) -> str | None:
        return _begins_with(value, "http://", "https://")

    @field_validator("telegram_webhook_listen", "metrics_addr")
    @classmethod
    def _is_host_and_port(cls, value: str | None) -> str | None:
        try:
            host, port = urlsplit(f"//{value}").hostname, urlsplit(f"//{value}").port
        except ValueError:
            host = port = None
        if value is not None and (not host or not port or any(char in value for char in "/?#@")):
            raise ValueError("must be an address and a port, such as 127.0.0.1:8081")
        return value

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _is_webhook_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value.get_secret_value()):
            raise ValueError("must be 1 to 256 of A-Z, a-z, 0-9, _ and -")
        return value

    @model_validator(mode="after")
    def _webhook_is_whole(self) -> Self:
        url = self.telegram_webhook_url
        if url is not None:
            if self.telegram_token is None:
                raise ValueError("TELEGRAM_WEBHOOK_URL is set, TELEGRAM_TOKEN is not")
            _check_webhook_url(url, is_public=self.telegram_api_url is None)
            return self
        for name in ("telegram_webhook_listen", "telegram_webhook_secret"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name.upper()} is set, TELEGRAM_WEBHOOK_URL is not")
        return self

    @field_validator("discord_gateway_url")
    @classmethod
    def _is_socket_address(cls, value: str | None) -> str | None:
        return _begins_with(value, "ws://", "wss://")

    def sampling(self, length: Length = "medium", seed: int = 0) -> SamplingParams:
        """The operator's sampling for a story of this length."""
        return SamplingParams(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            repetition_penalty=self.repetition_penalty,
            min_new_tokens=self.min_new_tokens,
            max_new_tokens={
                "short": self.length_short,
                "medium": self.length_medium,
                "long": self.length_long,
            }[length],
            seed=seed,
        )

    @property
    def shards(self) -> frozenset[int]:
        """`shard_ids`, taken apart."""
        return _numbers(self.shard_ids)

    @property
    def metrics_at(self) -> tuple[str, int] | None:
        """`metrics_addr`, taken apart."""
        parts = urlsplit(f"//{self.metrics_addr or ''}")
        return (parts.hostname, parts.port) if parts.hostname and parts.port else None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown: tokens, keys, and the passwords in URLs."""
        values = [getattr(self, name) for name in type(self).model_fields]
        tokens = [one.get_secret_value().strip() for one in values if isinstance(one, SecretStr)]
        return (
            *tokens,
            *(word for one in values if isinstance(one, str) for word in _passwords(one)),
        )

    @property
    def banned(self) -> tuple[str, ...]:
        """`blocked_words`, taken apart."""
        return tuple(word for part in self.blocked_words.split(",") if (word := part.strip()))


def load_settings(**overrides: Any) -> Settings:
    """Settings from secret files, `.env`, the environment and `overrides`; each wins over those
    before it. Secret files are called as the keys in small letters, `discord_token`, and lie where
    Docker or systemd (LoadCredential) puts them.

    Raises SettingsError that names each wrong key.
    """
    try:
        folders = [folder for folder in _secret_folders() if folder.is_dir()]
        settings = Settings(**{"_secrets_dir": folders or None} | overrides)
    except ValidationError as error:
        lines = [
            ": ".join([*(str(key).upper() for key in problem["loc"][:1]), problem["msg"]])
            for problem in error.errors()
        ]
        raise SettingsError(_explain(lines)) from None
    except UnicodeDecodeError as error:
        raise SettingsError(f".env is not UTF-8 text, or a secret file: {error}") from None
    except OSError as error:
        where = error.filename or ".env"
        raise SettingsError(f"{where} cannot be read: {error.strerror}") from None
    try:
        settings.sampling()
    except ValueError as error:
        field, _, problem = str(error).partition(" ")
        raise SettingsError(_explain([f"{field.upper()} {problem}"])) from None
    return settings


def _secret_folders() -> list[Path]:
    given = os.environ.get("CREDENTIALS_DIRECTORY")  # systemd.exec(5)
    return [Path("/run/secrets"), *([Path(given)] if given else [])]


def _numbers(ranges: str) -> frozenset[int]:
    """The numbers of "0-3,7". Raises ValueError."""
    numbers: set[int] = set()
    for part in filter(None, (part.strip() for part in ranges.split(","))):
        first, dash, last = part.partition("-")
        if not (first.isdecimal() and (last.isdecimal() or not dash)):
            raise ValueError("must be numbers and ranges of them, such as 0-3 or 0,2")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)


def _passwords(url: str) -> list[str]:
    """The password in a URL, as it stands there and as it is meant; none in any other text."""
    try:
        password = urlsplit(url).password if "://" in url else None
    except ValueError:  # whoever needs it as a URL will say what is wrong
        password = None
    return [password, unquote(password)] if password else []


def _begins_with(value: str | None, *schemes: str) -> str | None:
    if value is not None and not value.lower().startswith(schemes):
        raise ValueError(f"must begin with {' or '.join(schemes)}")
    return value


WEBHOOK_PORTS = (443, 80, 88, 8443)
"""What Telegram's own servers call (core.telegram.org/bots/api#setwebhook)."""


def _check_webhook_url(url: str, *, is_public: bool) -> None:
    """A Bot API server of one's own may call by plain HTTP, and any port."""
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
        raise ValueError("TELEGRAM_WEBHOOK_URL must be an address and a path alone")
    if parts.scheme != "https" and (is_public or parts.scheme != "http"):
        raise ValueError("TELEGRAM_WEBHOOK_URL must begin with https://")
    if is_public and (parts.port or 443) not in WEBHOOK_PORTS:
        ports = ", ".join(map(str, WEBHOOK_PORTS))
        raise ValueError(f"TELEGRAM_WEBHOOK_URL: Telegram calls no other ports than {ports}")


def _explain(lines: list[str]) -> str:
    return "Wrong settings (in the environment or .env; see .env.example):\n" + "\n".join(
        f"  {line}" for line in lines
    )


# -- .env.example ------------------------------------------------------------------------------
_HEADINGS = {
    "discord_token": "Platforms",
    "database_url": "Where things are kept",
    "model": "The model",
    "temperature": "How stories are written",
    "max_prompt_chars": "Fair use",
    "log_level": "Running",
}
"""By the first field below each."""
_INTRODUCTION = """\
# Cliffhanger's settings. Copy this file to .env and fill in what you need.
# A line "#KEY=value" shows a default: remove the "#" to change it. A variable of the same name
# in the environment wins over this file.
"""


def env_example() -> str:
    """The text of `.env.example`: every setting with its comment and its default."""
    lines = [_INTRODUCTION]
    for name, field in Settings.model_fields.items():
        if heading := _HEADINGS.get(name):
            lines.append(f"# -- {heading} {'-' * (95 - len(heading))}\n")
        set_to = f"{name.upper()}=" if field.default is None else f"#{name.upper()}={field.default}"
        lines.append(f"# {field.description}\n{set_to}\n")
    return "\n".join(lines)
