"""Settings: what is read, what is refused and how it is said, and that no secret gets out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.errors import SettingsError
from bot.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting in the environment, and a working folder without `.env`."""
    for name in [*os.environ]:
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_the_defaults_need_nothing() -> None:
    settings = load_settings()
    assert settings.discord_token is settings.telegram_token is None
    assert settings.database_url == "sqlite:///cliffhanger.db"
    assert settings.queue_url == "memory://"
    assert settings.sampling("short", seed=7).max_new_tokens == 100
    assert settings.sampling().max_new_tokens == 220
    assert settings.sampling("long").max_new_tokens == 450
    assert settings.sampling(seed=7).seed == 7


def test_the_environment_wins_over_the_file_and_overrides_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("SLOTS=2\nTHREADS=3\nMODEL=größe\nDISCORD_TOKEN=\n", encoding="utf-8")
    monkeypatch.setenv("SLOTS", "4")
    monkeypatch.setenv("QUEUE_MAX_WAITING", "5")
    settings = load_settings(queue_max_waiting=6)
    assert (settings.slots, settings.threads, settings.queue_max_waiting) == (4, 3, 6)
    assert settings.model == "größe"
    assert settings.discord_token is None


def test_the_word_list_is_taken_apart() -> None:
    assert load_settings(blocked_words=" damn, red herring ,,").banned == ("damn", "red herring")
    assert load_settings().banned == ()


def test_the_log_level_in_any_case() -> None:
    assert load_settings(log_level="debug").log_level == "DEBUG"


def test_secrets_are_read_from_files_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = {
        "discord_token": "of the file\n",
        "telegram_token": "\n",
        "queue_url": "redis://queue",
        "other": "x",
    }
    for name, value in secrets.items():
        (tmp_path / name).write_text(value)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = load_settings()
    assert settings.discord_token is not None
    assert settings.discord_token.get_secret_value() == "of the file"
    assert settings.telegram_token is None
    assert settings.queue_url == "redis://queue"
    monkeypatch.setenv("DISCORD_TOKEN", "of the environment")
    token = load_settings().discord_token
    assert token is not None and token.get_secret_value() == "of the environment"


def test_where_metrics_are_is_taken_apart() -> None:
    assert load_settings().metrics_at is None
    assert load_settings(metrics_addr="127.0.0.1:9100").metrics_at == ("127.0.0.1", 9100)
    assert load_settings(metrics_addr="[::1]:9100").metrics_at == ("::1", 9100)


def test_what_is_secret_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "hush-discord")
    monkeypatch.setenv("DATABASE_URL", "postgresql://bot:hush%40store@host/name")
    monkeypatch.setenv("QUEUE_URL", "redis://:hush-queue@host")
    monkeypatch.setenv("ENGINE_URL", "http://host/v1")
    assert set(load_settings().secrets) == {
        "hush-discord",
        "hush%40store",
        "hush@store",
        "hush-queue",
    }


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load_settings().slots = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("SLOTS", "0", "greater than or equal to 1"),
        ("SLOTS", "513", "less than or equal to 512"),
        ("SLOTS", "many", "valid integer"),
        ("THREADS", "0", "greater than or equal to 1"),
        ("QUEUE_MAX_WAITING", "-1", "greater than or equal to 1"),
        ("DEVICE", "gpu", "'auto', 'cpu', 'cuda' or 'mps'"),
        ("LOG_LEVEL", "loud", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("TEMPERATURE", "0", "above 0, at most 10"),
        ("TEMPERATURE", "nan", "above 0, at most 10"),
        ("TOP_K", "-1", "0 (off) or more"),
        ("TOP_P", "1.5", "above 0, at most 1"),
        ("REPETITION_PENALTY", "0", "above 0, at most 10"),
        ("LENGTH_SHORT", "0", "greater than or equal to 1"),
        ("LENGTH_MEDIUM", "x", "valid integer"),
        ("LENGTH_LONG", "1.5", "valid integer"),
        ("MAX_PROMPT_CHARS", "0", "greater than or equal to 1"),
        ("MAX_TITLE_CHARS", "0", "greater than or equal to 1"),
        ("MAX_PENDING", "0", "greater than or equal to 1"),
        ("DAILY_QUOTA", "-1", "greater than or equal to 0"),
        ("COOLDOWN_S", "-1", "greater than or equal to 0"),
        ("COOLDOWN_S", "inf", "finite number"),
        ("DISCORD_API_URL", "discord.example", "must begin with http:// or https://"),
        ("TELEGRAM_API_URL", "ftp://telegram.example", "must begin with http:// or https://"),
        ("TELEGRAM_WEBHOOK_LISTEN", "8081", "an address and a port"),
        ("TELEGRAM_WEBHOOK_LISTEN", "127.0.0.1:many", "an address and a port"),
        ("TELEGRAM_WEBHOOK_LISTEN", "127.0.0.1:0", "an address and a port"),
        ("TELEGRAM_WEBHOOK_LISTEN", "127.0.0.1:81/x", "an address and a port"),
        ("TELEGRAM_WEBHOOK_LISTEN", "0.0.0.0:81", "is set, TELEGRAM_WEBHOOK_URL is not"),
        ("TELEGRAM_WEBHOOK_SECRET", "two words", "must be 1 to 256 of A-Z"),
        ("TELEGRAM_WEBHOOK_SECRET", "x" * 257, "must be 1 to 256 of A-Z"),
        ("TELEGRAM_WEBHOOK_SECRET", "s3cret", "is set, TELEGRAM_WEBHOOK_URL is not"),
        ("TELEGRAM_WEBHOOK_URL", "https://bot.example", "TELEGRAM_TOKEN is not"),
        ("DISCORD_GATEWAY_URL", "https://gateway.example", "must begin with ws:// or wss://"),
        ("ENGINE_URL", "localhost:8000/v1", "must begin with http:// or https://"),
        ("ENGINE_GENRE_TOKENS", "maybe", "'auto', 'yes' or 'no'"),
        ("LOG_FORMAT", "xml", "'text' or 'json'"),
        ("METRICS_ADDR", "9100", "an address and a port"),
        ("METRICS_ADDR", "localhost", "an address and a port"),
        ("METRICS_ADDR", "127.0.0.1:9100/metrics", "an address and a port"),
        ("METRICS_ADDR", "127.0.0.1:99999", "an address and a port"),
        ("ENGINE_TIMEOUT_S", "0", "greater than 0"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_wanted(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str, wanted: str
) -> None:
    monkeypatch.setenv(key, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    (line,) = [line for line in str(refused.value).splitlines() if key in line]
    assert wanted in line
    assert ".env.example" in str(refused.value)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://bot.example/hook", "must begin with https://"),
        ("bot.example", "an address and a path alone"),
        ("https:///hook", "an address and a path alone"),
        ("https://me:pw@bot.example/", "an address and a path alone"),
        ("https://bot.example/hook?a=1", "an address and a path alone"),
        ("https://bot.example:9000/hook", "no other ports than 443, 80, 88, 8443"),
    ],
)
def test_a_webhook_that_telegram_cannot_call_is_named(url: str, wanted: str) -> None:
    with pytest.raises(SettingsError, match=f"TELEGRAM_WEBHOOK_URL.*{wanted}"):
        load_settings(telegram_token="7:x", telegram_webhook_url=url)


@pytest.mark.parametrize("url", ["https://bot.example:8443/hook", "https://bot.example"])
def test_a_webhook_that_telegram_can_call(url: str) -> None:
    assert load_settings(telegram_token="7:x", telegram_webhook_url=url)
    local = "http://10.0.0.7:9000/hook"
    assert load_settings(
        telegram_token="7:x", telegram_webhook_url=local, telegram_api_url="http://10.0.0.1:8081"
    )


def test_all_wrong_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLOTS", "x")
    monkeypatch.setenv("DEVICE", "x")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert {line.split(":")[0].strip() for line in str(refused.value).splitlines()[1:]} == {
        "SLOTS",
        "DEVICE",
    }


def test_a_file_in_another_encoding() -> None:
    Path(".env").write_bytes(b"MODEL=gr\xf6\xdfe\n")
    with pytest.raises(SettingsError, match=r"\.env is not UTF-8"):
        load_settings()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_of_someone_else() -> None:
    Path(".env").write_text("MODEL=gpt2\n")
    Path(".env").chmod(0)
    with pytest.raises(SettingsError, match=r"\.env cannot be read"):
        load_settings()


@pytest.mark.parametrize("wrong", [{}, {"slots": 0}, {"temperature": 0}])
def test_no_secret_gets_out(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any]) -> None:
    secrets = {
        "DISCORD_TOKEN": "discord-hush",
        "TELEGRAM_TOKEN": "telegram-hush",
        "DATABASE_URL": "postgresql://bot:database-hush@host/name",
        "QUEUE_URL": "redis://:queue-hush@host",
        "ENGINE_URL": "http://me:engine-hush@host/v1",
        "ENGINE_API_KEY": "key-hush",
    }
    for key, value in secrets.items():
        monkeypatch.setenv(key, value)
    try:
        settings = load_settings(**wrong)
        said = f"{settings!r} {settings}"
    except SettingsError as error:
        said = f"{error!r} {error} {error.__cause__!r}"
    assert "hush" not in said
