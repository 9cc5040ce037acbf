"""Puts the rooms together and keeps them open: store, queue, service, platforms, worker.

With `bot.__main__` the only place that knows them all. Stops them in the reverse order, so that
what members were told is stored before the worker goes. What speaks SQL is imported when a bot
starts, so that a worker and `--help` do without.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from bot.console.console import ConsolePlatform
from bot.errors import SettingsError
from bot.health import Check, serving
from bot.observed import ObservedEngine, observed_queue, observed_store
from bot.queue import StoryQueue, open_queue
from bot.service import Rules, StoryService
from bot.settings import Settings
from bot.store import StoryStore, open_store, upgrade
from bot.store.share import EVERYTHING, Share
from bot.worker import StoryWriter
from model.engine import Engine, EngineInfo
from model.genres import GenreFileError, GenreTable, load_genres
from model.scripted_engine import ScriptedEngine

if TYPE_CHECKING:
    from model.remote_engine import RemoteEngine

log = logging.getLogger(__name__)

PLATFORMS = ("discord", "telegram", "console")
MODEL_LIBRARIES = ("torch", "transformers")
SCRIPTED = "scripted"
"""As MODEL: stories by rule, without a model; to try the bot out, and for tests."""


class Platform(Protocol):
    """What a door of the house looks like from inside."""

    async def run(self) -> None:
        """Serve until cancelled, or until there is nothing more to serve."""
        ...

    def is_connected(self) -> bool:
        """Whether members reach the bot here now."""
        ...


def chosen_platforms(settings: Settings, asked: Sequence[str]) -> list[str]:
    """The platforms to start: those asked for, else each that has a token, else the console.

    Raises SettingsError for an unknown platform, or one without its token.
    """
    tokens = {"discord": settings.discord_token, "telegram": settings.telegram_token}
    for name in asked:
        if name not in PLATFORMS:
            raise SettingsError(f"There is no platform {name!r}. Choose of {', '.join(PLATFORMS)}.")
        if name in tokens and tokens[name] is None:
            raise SettingsError(
                f"{name.upper()}_TOKEN is not set. Put the bot's token into .env (see "
                f".env.example), or leave --platform {name} out."
            )
    with_token = [name for name, token in tokens.items() if token is not None]
    return list(dict.fromkeys(asked)) or with_token or ["console"]


def share_of(settings: Settings, platforms: Sequence[str]) -> Share:
    """The communities that this process serves. Raises SettingsError."""
    from bot.store.database import parse_url, sqlite_path

    if sqlite_path(parse_url(settings.database_url)) is not None:
        if settings.shards:
            raise SettingsError(
                "SHARD_IDS shares Discord's servers between processes, and one SQLite file serves "
                "one process. Set DATABASE_URL to a PostgreSQL database, or leave SHARD_IDS empty."
            )
        return EVERYTHING
    return Share(frozenset(platforms), settings.shards, settings.shard_count or 1)


def genre_table(settings: Settings) -> GenreTable:
    """The operator's genres. Raises SettingsError."""
    try:
        return load_genres(settings.genres_file)
    except GenreFileError as error:
        raise SettingsError(f"GENRES_FILE: {error}") from None


def make_engine(settings: Settings) -> Engine:
    """The engine the settings name, not loaded yet: loading and torch come when it is opened."""
    genres = genre_table(settings)
    if settings.engine_url is not None:
        return _remote_engine(settings, settings.engine_url, genres)
    if settings.model == SCRIPTED:
        return ScriptedEngine(slots=settings.slots, genres=genres)
    from model.torch_engine import open_engine

    return open_engine(
        settings.model,
        device=settings.device,
        precision=settings.precision,
        slots=settings.slots,
        threads=settings.threads,
        cache_dir=settings.cache_dir,
        genres=genres,
    )


async def ask_model_server(settings: Settings, url: str) -> EngineInfo:
    """What the model server at `url` serves, after a word of trial. Raises EngineError."""
    async with _remote_engine(settings, url, genre_table(settings), patience_s=0) as engine:
        return engine.info


def _remote_engine(
    settings: Settings, url: str, genres: GenreTable, *, patience_s: float = 60
) -> RemoteEngine:
    from model.remote_engine import RemoteEngine

    key = settings.engine_api_key
    return RemoteEngine(
        url,
        settings.model,
        api_key=key.get_secret_value() if key else None,
        genre_tokens=settings.engine_genre_tokens,
        slots=settings.slots,
        genres=genres,
        timeout_s=settings.engine_timeout_s,
        patience_s=patience_s,
    )


def needs_model_libraries() -> None:
    """Raises SettingsError where what runs a model is not installed, as on a front end alone."""
    missing = [name for name in MODEL_LIBRARIES if not importlib.util.find_spec(name)]
    if missing:
        raise SettingsError(
            f"Not installed: {', '.join(missing)}. To write stories here: pip install "
            "'cliffhanger[worker]'; to leave that to others: cliffhanger run --no-worker"
        )


def needs_other_workers(settings: Settings) -> None:
    """Raises SettingsError where the queue cannot reach a worker in another process."""
    if settings.queue_url.startswith("memory:"):
        raise SettingsError(
            "QUEUE_URL=memory:// lives inside one process, so a worker elsewhere cannot be "
            "reached. Run `cliffhanger run` without --no-worker: it brings its own worker."
        )
    open_queue(settings.queue_url)  # which names a transport that there is not


def queue_of(settings: Settings) -> StoryQueue:
    """The queue the settings name, not open yet. Raises SettingsError."""
    return open_queue(
        settings.queue_url, max_waiting=settings.queue_max_waiting, model=settings.model
    )


async def run_house(settings: Settings, platforms: Sequence[str], engine: Engine | None) -> int:
    """Serve until a platform ends or a signal asks to stop; the exit code.

    `engine` is the embedded worker's; None: workers are elsewhere.
    """
    from bot.store.tenure import sole_tenure

    genres = genre_table(settings)
    share = share_of(settings, platforms)
    async with sole_tenure(settings.database_url, share) as lost:
        for line in await upgrade(settings.database_url):
            log.info("migrated the database: %s", line)
        async with AsyncExitStack() as stack:
            store = observed_store(
                await stack.enter_async_context(open_store(settings.database_url, share))
            )
            queue = observed_queue(await stack.enter_async_context(queue_of(settings)))
            checks = _checks(store, queue)
            if settings.metrics_at is not None:
                await stack.enter_async_context(serving(*settings.metrics_at, checks, queue))
            rules = Rules.from_settings(settings)
            tasks: dict[asyncio.Future[Any], str] = {lost: "the right to serve"}
            if engine is not None:
                worker = await stack.enter_async_context(_running(_work(engine, queue)))
                tasks[worker] = "the worker"
            service = await stack.enter_async_context(StoryService(store, queue, genres, rules))
            console = ConsolePlatform(service) if "console" in platforms else None
            for name in platforms:
                if name == "console" and console is not None:
                    door: Platform = console
                else:
                    door = await _open_door(stack, name, service, settings)
                checks[name] = _is_connected(door)
                tasks[await stack.enter_async_context(_running(door.run()))] = name
            stop = await stack.enter_async_context(_stop_asked(console))
            await _first_end(tasks, stop)
            return 1 if console is not None and console.failures else 0


async def run_worker(settings: Settings, engine: Engine) -> None:
    """Write stories for bots elsewhere until a signal asks to stop.

    Then no new one is begun, and those begun have `worker_grace_s` seconds to end; what has not
    ended by then goes back to the head of its line. Needs no database and no bot token.
    """
    async with AsyncExitStack() as stack:
        stop = await stack.enter_async_context(_stop_asked(None))
        queue = await stack.enter_async_context(queue_of(settings))
        is_loaded = asyncio.Event()
        if settings.metrics_at is not None:
            checks = {"queue": _reach(queue), "engine": _is_set(is_loaded)}
            await stack.enter_async_context(serving(*settings.metrics_at, checks))
        writer = await stack.enter_async_context(_opened(engine))
        is_loaded.set()
        work = await stack.enter_async_context(_running(queue.work(writer)))
        await _first_end({work: "the worker"}, stop)
        log.info("finishing what is begun, within %g s", settings.worker_grace_s)
        await writer.finish(settings.worker_grace_s)


async def _work(engine: Engine, queue: StoryQueue) -> None:
    async with _opened(engine) as writer:
        await queue.work(writer)


@asynccontextmanager
async def _opened(engine: Engine) -> AsyncIterator[StoryWriter]:
    async with engine:
        info = engine.info
        log.info("writing with %s (%s) on %s", info.model, info.revision[:12], info.device)
        yield StoryWriter(ObservedEngine(engine))


def _checks(store: StoryStore, queue: StoryQueue) -> dict[str, Check]:
    """What must be there for the bot to be ready, beside its platforms."""

    async def reach_store() -> str | None:
        await store.note("ready")
        return None

    async def find_worker() -> str | None:
        return None if (await queue.state()).slots else "no worker has joined"

    return {"store": reach_store, "queue": _reach(queue), "worker": find_worker}


def _reach(queue: StoryQueue) -> Check:
    async def reach_queue() -> str | None:
        await queue.ping()
        return None

    return reach_queue


def _is_set(is_loaded: asyncio.Event) -> Check:
    async def look() -> str | None:
        return None if is_loaded.is_set() else "the model is being loaded"

    return look


def _is_connected(door: Platform) -> Check:
    async def look() -> str | None:
        return None if door.is_connected() else "not connected"

    return look


async def _open_door(
    stack: AsyncExitStack, name: str, service: StoryService, settings: Settings
) -> Platform:
    if name == "discord":
        from bot.discord.client import DiscordPlatform

        return await stack.enter_async_context(DiscordPlatform(service, settings))
    from bot.telegram.application import TelegramPlatform
    from bot.telegram.webhook import WebhookAddress

    token = settings.telegram_token
    assert token is not None  # noqa: S101 (chosen_platforms has seen to it)
    return TelegramPlatform(
        service,
        token.get_secret_value(),
        api_url=settings.telegram_api_url,
        webhook=WebhookAddress.of(settings),
    )


async def _first_end(tasks: dict[asyncio.Future[Any], str], stop: asyncio.Task[object]) -> None:
    """Wait for the first to end; raises what it raised."""
    done, _ = await asyncio.wait({*tasks, stop}, return_when=asyncio.FIRST_COMPLETED)
    for task in done - {stop}:
        task.result()
        log.info("%s has ended; stopping", tasks[task])


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, object]) -> AsyncIterator[asyncio.Task[object]]:
    """A task that is stopped and waited for at the end of the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


@asynccontextmanager
async def _stop_asked(console: ConsolePlatform | None) -> AsyncIterator[asyncio.Task[object]]:
    """A task that ends at SIGTERM, or at Ctrl-C where the console has no story to stop by it.

    Once asked, a second time ends the process at once: nothing acknowledged is lost by that.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        asked.set()
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)

    def interrupt() -> None:
        if console is None or not console.interrupt():
            stop()

    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    async with _running(asked.wait()) as task:
        yield task
