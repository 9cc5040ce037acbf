"""A bot, workers in processes of their own, and a real redis-server, to be ill-treated."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from drills.worker_process import telling
from fakes.core import Core, caller
from redis import Redis
from servers import redis

from bot.domain import Status, Story
from bot.queue import QueueState, pulse
from bot.store import upgrade

LOST_AFTER_S = 1.2
"""Shorter than in earnest, so that a drill takes seconds; the rules are the same."""
PATIENCE_S = 45.0
JOURNAL = """
CREATE TABLE journal (story_id INTEGER NOT NULL, status TEXT NOT NULL);
CREATE TRIGGER closed AFTER UPDATE OF status ON stories
WHEN new.status IN ('finished', 'failed', 'cancelled') AND old.status != new.status
BEGIN INSERT INTO journal VALUES (new.id, new.status); END;
"""


class Drill:
    """What a drill may do. `check` says at its end that every story was closed once, and how."""

    def __init__(self, database: Path, server: redis.RedisServer, stack: AsyncExitStack) -> None:
        self.database = database
        self.server = server
        self._stack = stack
        self.core: Core

    async def start_bot(self, **options: object) -> Core:
        self.core = Core(self.database, queue_url=self.server.url, **options)  # type: ignore[arg-type]
        self._stack.push_async_callback(self.core.stop)
        return await self.core.start(worker=False)

    async def start_worker(
        self, *, slots: int = 8, step_s: float = 0.02, **settings: str
    ) -> Process:
        """Once it is there."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("worker_process.py")),
            cwd=self.database.parent,
            env={
                "PATH": os.environ["PATH"],  # and nothing else: no database, no token
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "QUEUE_URL": self.server.url,
                "SLOTS": str(slots),
                "STEP_S": str(step_s),
                "LOST_AFTER_S": str(LOST_AFTER_S),
                "LOG_LEVEL": "WARNING",
                **settings,
            },
        )
        self._stack.push_async_callback(_end, process)
        if "MODEL" not in settings:
            await self.becomes(
                lambda state: any(w.name.endswith(f":{process.pid}") for w in state.workers)
            )
        return process

    async def becomes(self, wanted: Callable[[QueueState], bool]) -> QueueState:
        async with asyncio.timeout(PATIENCE_S):
            while not wanted(state := await self.core.queue.state()):
                await asyncio.sleep(0.02)
        return state

    async def ask(self, n: int, word: str = "house") -> list[int]:
        """So many stories, each of a member of its own; their ids."""
        return [
            (await self.core.service.write(caller(f"{word}{k}"), "horror", f"A {word}{k}")).id
            for k in range(n)
        ]

    async def begun(self, ids: list[int]) -> None:
        """Until each has a few words."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(self.core.begun(story_id, "-2") for story_id in ids))

    async def ended(self, ids: list[int]) -> list[Story]:
        async with asyncio.timeout(PATIENCE_S):
            stories = await asyncio.gather(*(self.core.ended(story_id) for story_id in ids))
        return list(stories)

    async def all_finish(self, ids: list[int]) -> None:
        """Whole, and closed once."""
        for story in await self.ended(ids):
            assert (story.status, story.failure) == (Status.FINISHED, None)
            assert story.text == story.prompt + telling(story.prompt)
        self.check(ids, Counter({"finished": len(ids)}))

    def check(self, ids: list[int], statuses: Counter[str]) -> None:
        with closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute("SELECT story_id, status FROM journal").fetchall()
        closed = Counter(story_id for story_id, _ in rows if story_id in ids)
        assert closed == Counter(ids), "each story ends exactly once"
        assert Counter(status for story_id, status in rows if story_id in ids) == statuses

    def n_deliveries(self) -> int:
        """How often a worker took a job: once a story, where nothing was sent back."""
        with Redis.from_url(self.server.url) as connection:
            records = connection.mget(connection.keys("saq:job:*"))
        return sum(b'"worker_id"' in record for record in records if record)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drills") / "stories.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(JOURNAL)
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[redis.RedisServer]:
    if not redis.is_installed():
        pytest.skip(redis.WHY_SKIPPED)
    with redis.RedisServer(tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def drill(
    empty_database: Path,
    server: redis.RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Drill]:
    monkeypatch.setattr(pulse, "LOST_AFTER_S", LOST_AFTER_S)
    database = Path(shutil.copy(empty_database, tmp_path / "stories.db"))
    async with AsyncExitStack() as stack:
        drill = Drill(database, server, stack)
        await drill.start_bot()
        yield drill
