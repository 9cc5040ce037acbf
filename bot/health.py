"""What a process tells those who watch over it, by HTTP: is it alive, is it ready, how is it doing.

`/healthz` answers while the event loop runs; `/readyz` runs the checks it was given, and says 503
with what is wrong; `/metrics` is for Prometheus. Knows no member and no story, and asks nobody who
they are: serve it on a loopback or private address only.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from bot import metrics
from bot.errors import OperatorError
from bot.queue import StoryQueue

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str | None]]
"""None where all is well, else what is not, in a few words."""
PATIENCE_S = 2.0
"""For each check; under the 5 s after which most callers give up."""


@asynccontextmanager
async def serving(
    host: str, port: int, checks: Mapping[str, Check], queue: StoryQueue | None = None
) -> AsyncIterator[int]:
    """Answer on this address while the block runs; the port, which is chosen where it is 0.

    `checks` may grow meanwhile; of `queue`, the length of the line is told. Raises OperatorError.
    """
    from aiohttp import web

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_: web.Request) -> web.Response:
        found = await _examine(checks)
        status = 503 if any(found.values()) else 200
        said = {name: wrong or "ok" for name, wrong in found.items()}
        return web.Response(
            text=json.dumps(said) + "\n", status=status, content_type="application/json"
        )

    async def exposition(_: web.Request) -> web.Response:
        for name, wrong in (await _examine(checks)).items():
            metrics.READY.labels(name).set(wrong is None)
        if queue is not None:
            await _measure(queue)
        return web.Response(
            body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE}
        )

    app = web.Application()
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/readyz", readyz),
            web.get("/metrics", exposition),
        ]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=PATIENCE_S)
    async with AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise OperatorError(
                f"METRICS_ADDR={host}:{port} cannot be listened on: {error.strerror}. Give this "
                "process an address of its own, or leave METRICS_ADDR empty."
            ) from None
        port = runner.addresses[0][1]
        log.info("metrics and health at http://%s:%d", host, port)
        yield port


async def _examine(checks: Mapping[str, Check]) -> dict[str, str | None]:
    found = await asyncio.gather(*map(_try, checks.values()))
    return dict(zip(checks, found, strict=True))


async def _try(check: Check) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await check()
    except TimeoutError:
        return f"no answer in {PATIENCE_S:g} s"
    except Exception as error:  # whatever it is, its name is enough here; its text may hold secrets
        return type(error).__name__


async def _measure(queue: StoryQueue) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            state = await queue.state()
    except Exception:  # the metrics before the last fetch are better than none
        log.warning("the length of the line cannot be told now", exc_info=True)
        return
    metrics.QUEUE_WAITING.set(len(state.waiting))
    metrics.QUEUE_WRITING.set(len(state.writing))
    metrics.QUEUE_SLOTS.set(state.slots)
    metrics.QUEUE_EXPECTED_WAIT.set(state.expected_wait_s)
