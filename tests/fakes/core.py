"""The bot without its doors: real store, queue, service and worker; only the engine is scripted.

A `Core` lives on one SQLite file and can be stopped and started again, as a process would be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from bot.domain import Caller, Status, Story, StoryUpdate
from bot.queue import StoryQueue, open_queue
from bot.service import Rules, StoryService
from bot.settings import Settings
from bot.store.store import SqlStore
from bot.worker import StoryWriter
from model.engine import GenerationRequest
from model.genres import DEFAULT_GENRES, GenreTable
from model.scripted_engine import ScriptedEngine

PATIENCE_S = 20.0
"""How long a test waits for something that should happen at once."""


class Clock:
    """Stands still until told otherwise."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Gate:
    """An engine's step: lets it write freely, or token by token."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._given = asyncio.Semaphore(0)

    def hold(self) -> None:
        self._open.clear()

    def open(self) -> None:
        """Let everything go on, also whoever waits for a single token."""
        self._open.set()
        self.give(10_000)

    def give(self, tokens: int) -> None:
        for _ in range(tokens):
            self._given.release()

    async def step(self) -> None:
        if self._open.is_set():
            await asyncio.sleep(0)
        else:
            await self._given.acquire()


def telling(
    text: str | Callable[[GenerationRequest], str], *, slots: int = 1, context_length: int = 1024
) -> Callable[[Gate], ScriptedEngine]:
    """An engine that writes `text`."""
    tell = (lambda request: text) if isinstance(text, str) else text
    return lambda gate: ScriptedEngine(
        tell, step=gate.step, slots=slots, context_length=context_length
    )


def caller(
    name: str = "ada", place: str = "home", *, private: bool = False, platform: str = "console"
) -> Caller:
    return Caller(
        platform=platform,
        member_id=f"id-{name}",
        member_name=name.title(),
        community_id=f"id-{place}",
        community_name=place,
        is_private=private,
    )


class Core:
    """One process of the bot over `database`, at whatever stage of its life."""

    def __init__(
        self,
        database: Path,
        *,
        engine: Callable[[Gate], ScriptedEngine] | None = None,
        genres: GenreTable = DEFAULT_GENRES,
        max_waiting: int = 200,
        queue_url: str = "memory://",
        **rules: Any,
    ) -> None:
        self.url = f"sqlite:///{database}"
        self.clock = Clock()
        self.genres = genres
        self.gate = Gate()
        self._make_engine = engine or (lambda gate: ScriptedEngine(step=gate.step, slots=1))
        self._max_waiting = max_waiting
        self._queue_url = queue_url
        settings = Settings(_env_file=None)  # type: ignore[call-arg]
        self.rules = replace(Rules.from_settings(settings), **rules)
        self._stack = AsyncExitStack()
        self.store: SqlStore
        self.queue: StoryQueue
        self.service: StoryService
        self.engine: ScriptedEngine
        self.worker: asyncio.Task[None] | None = None

    async def start(self, *, worker: bool = True) -> Self:
        enter = self._stack.enter_async_context
        self.store = await enter(SqlStore(self.url, self.clock))
        self.queue = await enter(open_queue(self._queue_url, max_waiting=self._max_waiting))
        self.engine = await enter(self._make_engine(self.gate))
        self._stack.push_async_callback(self.stop_worker)
        self.service = await enter(
            StoryService(self.store, self.queue, self.genres, self.rules, clock=self.clock)
        )
        if worker:
            self.start_worker()
        return self

    def start_worker(self) -> None:
        writer = StoryWriter(self.engine, publish_interval_s=0.0)
        self.worker = asyncio.create_task(self.queue.work(writer))

    async def stop_worker(self) -> None:
        if self.worker is not None:
            self.worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.worker
            self.worker = None

    async def stop(self) -> None:
        """As `bot.house` stops: the service first, then the worker, queue and store."""
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    # -- short words for tests -----------------------------------------------------------------
    async def ended(self, story_id: int) -> Story:
        """The story once it is closed."""
        return (await self.until(story_id, lambda update: update.is_final)).story

    async def until(self, story_id: int, wanted: Callable[[StoryUpdate], bool]) -> StoryUpdate:
        """The first update seen of which `wanted` is true."""
        async with asyncio.timeout(PATIENCE_S):
            async for update in self.service.watch(story_id):
                if wanted(update):
                    return update
        raise AssertionError(f"story {story_id} never got there; last: {update}")

    async def begun(self, story_id: int, words: str = "") -> StoryUpdate:
        """Once the story is being written, and `words` stand in it."""
        return await self.until(
            story_id, lambda u: u.story.status is Status.WRITING and words in u.story.text
        )

    async def finished(
        self, name: str = "ada", place: str = "home", prompt: str = "A lonely lighthouse"
    ) -> Story:
        """A finished story of theirs."""
        story = await self.service.write(caller(name, place), "horror", prompt)
        story = await self.ended(story.id)
        assert story.status is Status.FINISHED
        return story

    async def row(self, story_id: int) -> Story:
        """The story as the store has it."""
        story = await self.store.story(story_id)
        assert story is not None
        return story


async def eventually(condition: Callable[[], bool]) -> None:
    """Give way to other tasks until `condition` holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)
