"""Counts every answer of Discord's HTTP API, where discord.py sends each of its requests through:
it waits out a 429 by itself, so that nobody else sees it.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from bot.metrics import PLATFORM_REQUESTS


def counted_requests() -> aiohttp.TraceConfig:
    """For `discord.Client(http_trace=…)`."""
    trace = aiohttp.TraceConfig()

    async def on_answer(session: object, context: object, answer: Any) -> None:
        PLATFORM_REQUESTS.labels("discord", str(answer.response.status)).inc()

    async def on_exception(session: object, context: object, failure: object) -> None:
        PLATFORM_REQUESTS.labels("discord", "error").inc()

    trace.on_request_end.append(on_answer)
    trace.on_request_exception.append(on_exception)
    return trace
