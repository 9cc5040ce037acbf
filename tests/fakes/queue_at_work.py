"""A queue at work, for the tests of queues."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fakes.core import PATIENCE_S

from bot.queue import JobUpdate, StoryQueue, Writer


@asynccontextmanager
async def working(queue: StoryQueue, pen: Writer) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.work(pen))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def last_of(queue: StoryQueue, story_id: int) -> JobUpdate:
    async with asyncio.timeout(PATIENCE_S):
        async for update in queue.updates(story_id):
            last = update
    return last
