"""What bots and workers of one model tell one another in Redis, beside the jobs themselves.

Two lists of who is there (`workers`, `fronts`), each entry renewed by its owner; a channel for each
bot's reports; and one on which any change is called out, so that nobody waits for the next look.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from typing import Literal, cast

from redis.asyncio import Redis

LISTEN_S = 1.0
Who = Literal["workers", "fronts"]


class Board:
    """Raises redis.exceptions.RedisError, as Redis itself."""

    def __init__(self, redis: Redis, name: str) -> None:
        self._redis = redis
        self._name = name

    async def put(self, who: Who, key: str, word: str) -> None:
        await cast(Awaitable[int], self._redis.hset(f"{self._name}:{who}", key, word))

    async def take_down(self, who: Who, key: str) -> None:
        await cast(Awaitable[int], self._redis.hdel(f"{self._name}:{who}", key))

    async def read(self, who: Who) -> dict[str, bytes]:
        found = self._redis.hgetall(f"{self._name}:{who}")
        words = await cast(Awaitable[dict[bytes, bytes]], found)
        return {key.decode(errors="replace"): word for key, word in words.items()}

    async def call_out_change(self) -> None:
        await self._redis.publish(f"{self._name}:changes", "")

    async def report(self, front: str, report: str) -> None:
        await self._redis.publish(f"{self._name}:reports:{front}", report)

    async def hear(self, front: str) -> AsyncGenerator[bytes, None]:
        """Reports to `front` as they come; b"" at each change, and at the beginning."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as ears:
            await ears.subscribe(f"{self._name}:changes", f"{self._name}:reports:{front}")
            yield b""
            while True:
                message = await ears.get_message(timeout=LISTEN_S)
                if message is not None:
                    yield message["data"]
