"""`cliffhanger doctor`: is everything there that the bot needs? One line a check, ok or what to do.

Reads only: starts no platform, loads no weights, creates no file.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from bot.errors import OperatorError, SettingsError
from bot.house import (
    SCRIPTED,
    ask_model_server,
    chosen_platforms,
    genre_table,
    needs_model_libraries,
    queue_of,
    share_of,
)
from bot.settings import Settings, load_settings
from bot.store.database import parse_url, sqlite_path
from bot.store.migrate import current_and_head
from model.engine import EngineError

# Shapes as the platforms hand them out: three base64url parts, and "<bot id>:<35 characters>".
DISCORD_TOKEN = re.compile(r"[\w-]{18,}\.[\w-]{6,}\.[\w-]{25,}")
TELEGRAM_TOKEN = re.compile(r"\d{6,}:[\w-]{35}")
ENOUGH_DISK_BYTES = 2 * 1024**3
"""The default model unpacked, with room for its download and for years of stories."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's outcome. `advice` says what is, or what to do about it."""

    check: str
    ok: bool
    advice: str


async def examine() -> AsyncIterator[Finding]:
    """All checks, in the order an operator would mend them."""
    try:
        settings = load_settings()
        genres = genre_table(settings)
        share_of(settings, chosen_platforms(settings, []))
    except SettingsError as error:
        yield Finding("settings", False, str(error))
        return
    yield Finding("settings", True, f"read; genres: {', '.join(genres.names)}")
    for finding in _tokens(settings):
        yield finding
    if settings.engine_url is not None:
        yield await _model_server(settings, settings.engine_url)
    else:
        yield _model(settings)
    yield await _database(settings)
    yield await _queue(settings)
    yield await _metrics(settings)
    yield _disk(settings)


def _tokens(settings: Settings) -> list[Finding]:
    rows = [
        ("Discord token", "DISCORD_TOKEN", settings.discord_token, DISCORD_TOKEN),
        ("Telegram token", "TELEGRAM_TOKEN", settings.telegram_token, TELEGRAM_TOKEN),
    ]
    found = []
    for check, key, token, shape in rows:
        if token is None:
            found.append(Finding(check, True, f"{key} is not set: that platform stays off"))
        elif shape.fullmatch(token.get_secret_value()):
            found.append(Finding(check, True, f"{key} has the shape of a token"))
        else:
            advice = f"{key} does not look like a token; copy it again, whole, without quotes"
            found.append(Finding(check, False, advice))
    return found


async def _model_server(settings: Settings, url: str) -> Finding:
    try:
        info = await ask_model_server(settings, url)
    except EngineError as error:
        return Finding("model", False, str(error))
    genres = "genre tokens" if info.has_genre_tokens else "genres by a plain-text lead-in"
    return Finding("model", True, f"{info.model} answers from its server; {genres}")


def _model(settings: Settings) -> Finding:
    if settings.model == SCRIPTED:
        return Finding("model", True, "stories by rule, without a model")
    from model.checkpoint import check
    from model.registry import find

    try:
        needs_model_libraries()
    except SettingsError as error:
        if settings.queue_url.startswith("memory:"):
            return Finding("model", False, str(error))
        return Finding("model", True, "left to workers elsewhere: what runs one is not installed")
    try:
        source = find(settings.model, settings.cache_dir)
        if source is not None:
            check(source)
    except (OperatorError, EngineError) as error:
        return Finding("model", False, str(error))
    if source is None:
        advice = f"{settings.model} is not, or not whole, on this machine: cliffhanger model pull"
        return Finding("model", False, _no_room(settings) or advice)
    return Finding("model", True, f"{source.name} in {source.folder}")


def _no_room(settings: Settings) -> str | None:
    """Why the default model cannot be kept, where that can be told without trying."""
    from model.registry import DEFAULT, cache_folder

    place = _existing(cache_folder(settings.cache_dir))
    if settings.model != DEFAULT or (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        return None
    return (
        f"{DEFAULT} is not, or not whole, on this machine, and nothing can be written to {place}: "
        "set CACHE_DIR to a folder that can"
    )


async def _database(settings: Settings) -> Finding:
    try:
        current, head = await current_and_head(settings.database_url)
    except OperatorError as error:
        return Finding("database", False, str(error))
    if current == head:
        return Finding("database", True, f"reachable, at schema {head}")
    if current is None:
        return Finding("database", True, "not made yet; `cliffhanger run` makes it")
    return Finding("database", False, f"at schema {current}, not {head}: cliffhanger db upgrade")


async def _queue(settings: Settings) -> Finding:
    try:
        async with queue_of(settings) as queue:
            workers = (await queue.state()).workers
    except OperatorError as error:
        return Finding("queue", False, str(error))
    transport = settings.queue_url.partition(":")[0]  # what follows may hold a password
    if transport == "memory":
        return Finding("queue", True, "in the bot's own process, as is its worker")
    if not workers:
        advice = (
            f"{transport} is reachable; no worker has joined for MODEL={settings.model}: "
            "`cliffhanger worker` starts one"
        )
        return Finding("queue", True, advice)
    there = ", ".join(f"{w.name} ({w.slots} slots, {w.engine.device})" for w in workers)
    return Finding("queue", True, f"{transport} is reachable; workers: {there}")


async def _metrics(settings: Settings) -> Finding:
    """Whether whoever answers at METRICS_ADDR is ready, or the address is free for one."""
    if settings.metrics_at is None:
        return Finding("metrics", True, "METRICS_ADDR is not set: they are told to nobody")
    host, port = settings.metrics_at
    where = f"METRICS_ADDR={settings.metrics_addr}"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
            answer = await client.get(f"http://{settings.metrics_addr}/readyz")
            parts: dict[str, str] = answer.json()
            wrong = [f"{name}: {said}" for name, said in parts.items() if said != "ok"]
    except (httpx.ConnectError, httpx.ConnectTimeout):
        return await _is_free(where, host, port)
    except (httpx.HTTPError, ValueError, AttributeError):
        return Finding("metrics", False, f"{where} is used by something else: choose another")
    if wrong:
        return Finding("metrics", False, f"who answers at {where} is not ready: {', '.join(wrong)}")
    return Finding("metrics", True, f"who answers at {where} is ready")


async def _is_free(where: str, host: str, port: int) -> Finding:
    try:
        server = await asyncio.start_server(lambda reader, writer: None, host, port)
    except OSError as error:
        said = error.strerror or "no such address"
        return Finding("metrics", False, f"{where} cannot be listened on: {said}")
    server.close()
    await server.wait_closed()
    return Finding("metrics", True, f"{where} is free")


def _disk(settings: Settings) -> Finding:
    from model.registry import cache_folder

    folders = [cache_folder(settings.cache_dir)]
    if (database := sqlite_path(parse_url(settings.database_url))) is not None:
        folders.append(database.absolute().parent)
    free = {folder: shutil.disk_usage(_existing(folder)).free for folder in folders}
    least = min(free, key=lambda folder: free[folder])
    said = f"{free[least] / 1024**3:.1f} GiB free in {least}"
    if free[least] >= ENOUGH_DISK_BYTES:
        return Finding("disk space", True, said)
    return Finding("disk space", False, f"only {said}; make room for at least 2 GiB")


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
