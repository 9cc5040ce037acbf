"""The queue across machines: workers elsewhere, Redis between, SAQ as transport.

The line itself stays in the bot's process and is the memory queue's: what is fair, who is where,
who may cancel. A job goes to Redis only when a worker has a slot for it, so Redis may be slow,
full, restarted or emptied, and nobody loses their place. `fleet` is the bot's side, `shift` the
worker's. Why so: docs/decisions/0012.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Self, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from saq.queue.redis import RedisQueue as Saq

from bot.errors import OperatorError, SettingsError
from bot.queue import Job, JobUpdate, QueueState, Writer
from bot.queue.fleet import Fleet
from bot.queue.memory import MemoryQueue
from bot.queue.shift import Shift
from bot.queue.wire import load_record

ANSWER_S = 5.0
"""Longest time to connect."""
RETRIES = 2
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}
"""A machine that is gone is noticed within about ten seconds. Redis that merely hangs is waited
for: its answer comes, and a question given up and asked again would be carried out twice. (Nor is
redis-py's `socket_timeout` set, since up to Python 3.11 it may swallow a cancellation:
https://github.com/python/cpython/issues/81839.)"""


class RedisQueue:
    """`StoryQueue` over Redis for the stories that `model` is to write.

    Bot and workers meet where they name the same model: jobs go to no other worker.
    """

    def __init__(self, url: str, max_waiting: int, model: str) -> None:
        self._where = _place(url)
        try:
            self._redis: Redis = Redis.from_url(
                url,
                socket_connect_timeout=ANSWER_S,
                socket_keepalive=True,
                socket_keepalive_options=_keepalive(),
                retry=Retry(ExponentialWithJitterBackoff(cap=1.0, base=0.05), RETRIES),
            )
        except (ValueError, TypeError) as error:
            raise SettingsError(f"QUEUE_URL: {error}.") from None
        self._saq = Saq(self._redis, name=f"cliffhanger:{model}", load=load_record)
        self._line = MemoryQueue(max_waiting)
        self._fleet = Fleet(self._redis, self._saq, self._line)
        self._stack = AsyncExitStack()
        self._is_front = False

    async def __aenter__(self) -> Self:
        """Raises OperatorError where Redis cannot be reached, or refuses."""
        # Not SAQ's `disconnect`, which would connect once more to end a subscription never made.
        self._stack.push_async_callback(self._redis.aclose)
        try:
            async with asyncio.timeout(ANSWER_S):
                await cast(Awaitable[bool], self._redis.ping())
        except AuthenticationError:
            await self._stack.aclose()
            raise OperatorError(
                f"QUEUE_URL: Redis at {self._where} refuses the password; correct it "
                "(redis://:password@host:6379/0)."
            ) from None
        except (RedisError, OSError) as error:  # TimeoutError is one
            await self._stack.aclose()
            advice = (
                "look into its log"
                if isinstance(error, ResponseError)
                else "start it, or correct QUEUE_URL"
            )
            raise OperatorError(
                f"Redis at {self._where} cannot be used ({_first_line(error)}): {advice}."
            ) from None
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    # -- those who ask -------------------------------------------------------------------------
    async def submit(self, job: Job, *, even_if_full: bool = False) -> None:
        await self._be_front()
        await self._line.submit(job, even_if_full=even_if_full)
        if len(self._line) == 1:  # other bots should know that this one has work
            self._fleet.wake()

    def updates(self, story_id: int) -> AsyncIterator[JobUpdate]:
        return self._line.updates(story_id)

    async def cancel(self, story_id: int) -> None:
        await self._line.cancel(story_id)

    async def state(self) -> QueueState:
        await self._be_front()
        return await self._fleet.state()

    async def ping(self) -> None:
        await cast(Awaitable[bool], self._redis.ping())

    async def _be_front(self) -> None:
        """Begin to watch workers: a worker's own process, which asks for nothing, never does."""
        if not self._is_front:
            self._is_front = True
            await self._stack.enter_async_context(self._fleet)

    # -- those who write -----------------------------------------------------------------------
    async def work(self, writer: Writer) -> None:
        await Shift(self._redis, self._saq, writer).run()


def _keepalive() -> dict[int, int]:
    """What this system knows of `KEEPALIVE`."""
    return {getattr(socket, key): n for key, n in KEEPALIVE.items() if hasattr(socket, key)}


def _place(url: str) -> str:
    """Host and port alone: the rest of a URL may hold a password."""
    parts = urlsplit(url)
    port: int | None = None
    with contextlib.suppress(ValueError):
        port = parts.port
    return f"{parts.hostname or 'localhost'}:{port or 6379}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["no answer"])[0].rstrip(". ")
