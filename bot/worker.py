"""Takes jobs from the queue, runs the Engine, publishes how far the story is.

Holds no database credentials and no bot token: a job comes with all it needs.
"""

from __future__ import annotations

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

    @property
    def slots(self) -> int:
        return self._engine.slots

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    async def write(self, job: Job) -> AsyncGenerator[JobUpdate, None]:
        about_story(job.story_id)
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
