"""Takes jobs from the queue, runs the Engine, publishes how far the story is.

Holds no database credentials and no bot token: a job comes with all it needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from bot.logs import about_story
from bot.queue import Job, JobUpdate
from model.engine import Engine, EngineInfo

log = logging.getLogger(__name__)

PUBLISH_INTERVAL_S = 0.25
"""Least time between two updates of one story: well under any platform's edit interval."""


class StoryWriter:
    """A `bot.queue.Writer` over one engine."""

    def __init__(self, engine: Engine, *, publish_interval_s: float = PUBLISH_INTERVAL_S) -> None:
        self._engine = engine
        self._interval_s = publish_interval_s
        self._is_leaving = False
        self._n_writing = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @property
    def slots(self) -> int:
        return 0 if self._is_leaving else self._engine.slots

    async def finish(self, grace_s: float) -> None:
        """Take no more jobs; wait for those being written, at most `grace_s` seconds."""
        self._is_leaving = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._is_idle.wait()

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    async def write(self, job: Job) -> AsyncGenerator[JobUpdate, None]:
        """See `bot.queue.Writer`."""
        about_story(job.story_id)
        self._n_writing += 1
        self._is_idle.clear()
        try:
            async with aclosing(self._write(job)) as updates:
                async for update in updates:
                    yield update
        finally:
            self._n_writing -= 1
            if self._n_writing == 0:
                self._is_idle.set()

    async def _write(self, job: Job) -> AsyncGenerator[JobUpdate, None]:
        began = published = time.monotonic()
        yield JobUpdate(job.story_id, job.attempt, "writing")
        text = ""
        async with aclosing(self._engine.generate(job.request)) as chunks:
            async for chunk in chunks:
                text += chunk.text
                now = time.monotonic()
                if chunk.finish_reason is not None:
                    log.info("%d tokens in %.1f s", chunk.n_tokens, now - began)
                    yield JobUpdate(
                        job.story_id,
                        job.attempt,
                        "finished",
                        completion=text,
                        n_tokens=chunk.n_tokens,
                        seconds=now - began,
                        finish_reason=chunk.finish_reason,
                        engine=self._engine.info,
                    )
                    return
                if now - published >= self._interval_s:
                    published = now
                    yield JobUpdate(
                        job.story_id,
                        job.attempt,
                        "writing",
                        completion=text,
                        n_tokens=chunk.n_tokens,
                        seconds=now - began,
                    )
