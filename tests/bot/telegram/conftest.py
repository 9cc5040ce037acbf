"""A whole house with a Telegram door: real PTB, service, queue, worker and SQLite; scripted words.

Time runs fifty times as fast, if a test does not say otherwise, for the bot's pacing and the
fake's limits alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes.telegram import FakeTelegram, FastClock

from bot.queue.memory import MemoryQueue
from bot.service import Rules, StoryService
from bot.settings import load_settings
from bot.store import StoryStore, open_store, upgrade
from bot.telegram.application import TelegramPlatform
from bot.telegram.webhook import WebhookAddress
from bot.worker import StoryWriter
from model.genres import DEFAULT_GENRES
from model.scripted_engine import ScriptedEngine


class Pen:
    """Lets the engine write: everything at once, or as many tokens as a test says."""

    def __init__(self) -> None:
        self._tokens = asyncio.Semaphore(0)
        self._free = asyncio.Event()
        self._free.set()

    def hold(self) -> None:
        """From now on only what `write` allows."""
        self._free.clear()

    def write(self, tokens: int) -> None:
        """Allow so many more tokens."""
        for _ in range(tokens):
            self._tokens.release()

    def let_go(self) -> None:
        """No more waiting."""
        self._free.set()
        self.write(10_000)

    async def step(self) -> None:
        """What the engine awaits before each token."""
        if not self._free.is_set():
            await self._tokens.acquire()
        await asyncio.sleep(0)


@dataclass
class House:
    """One process's worth of the bot."""

    service: StoryService
    store: StoryStore
    platform: TelegramPlatform
    running: asyncio.Task[None]
    """`platform.run()`."""


@dataclass
class Street:
    """What outlives a restart of the house."""

    telegram: FakeTelegram
    clock: FastClock
    database_url: str
    pen: Pen
    later_s: float = 0.0
    """How far the service's calendar is ahead."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time() + self.later_s

    @asynccontextmanager
    async def house(
        self,
        engine: ScriptedEngine | None = None,
        *,
        worker: bool = True,
        webhook: WebhookAddress | None = None,
        **settings: Any,
    ) -> AsyncIterator[House]:
        """Open the bot, and leave it as a stop would."""
        rules = Rules.from_settings(load_settings(_env_file=None, **settings))
        engine = engine or ScriptedEngine(step=self.pen.step)
        async with (
            open_store(self.database_url) as store,
            MemoryQueue(200) as queue,
            engine,
            StoryService(store, queue, DEFAULT_GENRES, rules, clock=self.now) as service,
        ):
            writer = StoryWriter(engine, publish_interval_s=0.0)
            work = [queue.work(writer)] if worker else []
            platform = self.platform(service, webhook=webhook)
            async with _running(*work), _running(platform.run()) as (running,):
                await _first(platform.started.wait(), running)
                yield House(service, store, platform, running)

    def platform(
        self,
        service: StoryService,
        token: str | None = None,
        *,
        webhook: WebhookAddress | None = None,
    ) -> TelegramPlatform:
        """The door alone."""
        return TelegramPlatform(
            service,
            token or self.telegram.token,
            api_url=self.telegram.url,
            webhook=webhook,
            clock=self.clock,
            sleep=self.clock.sleep,
        )


@asynccontextmanager
async def _running(*work: Awaitable[None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield tasks  # type: ignore[misc]
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _first(event: Awaitable[object], running: asyncio.Task[None]) -> None:
    """Wait for `event`, or for the error that keeps it from coming."""
    waiting = asyncio.ensure_future(event)
    await asyncio.wait([waiting, running], return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        await running


@pytest.fixture
def speed() -> float:
    """How many times as fast as ours time runs. A test may have it run slower, by `parametrize`,
    where a minute must be longer than what a busy machine needs."""
    return 50.0


@pytest.fixture
async def street(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: float
) -> AsyncIterator[Street]:
    """A database and a fake Telegram; at the end nothing Telegram forbids may have happened."""
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    url = f"sqlite:///{tmp_path / 'stories.db'}"
    await upgrade(url)
    clock = FastClock(speed)
    async with FakeTelegram(clock=clock) as telegram:
        yield Street(telegram, clock, url, Pen())
        assert telegram.floods == []


@pytest.fixture
async def house(street: Street) -> AsyncIterator[House]:
    """The usual case: one house, open."""
    async with street.house() as house:
        yield house
