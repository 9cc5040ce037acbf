"""Waiting for a state, however busy the machine is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_STEP_S = 0.1


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, but time in which this process could not run does not count.

    Raises TimeoutError.
    """
    async with asyncio.timeout(None) as limit:
        watch = asyncio.create_task(_use_up(limit, seconds))
        try:
            yield
        finally:
            watch.cancel()


async def _use_up(limit: asyncio.Timeout, seconds: float) -> None:
    for _ in range(round(seconds / _STEP_S)):
        await asyncio.sleep(_STEP_S)
    limit.reschedule(asyncio.get_running_loop().time())
