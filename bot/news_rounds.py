"""Goes round once a minute and posts what `bot.gazette` says is due, on one platform.

Where a channel cannot be posted in, the log says why, and it is tried again in an hour. Knows no
platform: how a digest or a story is posted is told to it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bot.errors import MemberError
from bot.gazette import Digest, Fame, Gazette

log = logging.getLogger(__name__)

Due = TypeVar("Due", Digest, Fame)
INTERVAL_S = 60.0
REST_S = 3_600.0


class NotPosted(Exception):
    """A channel cannot be posted in; the words are for the operator's log."""


class NewsRounds:
    """`run` until cancelled.

    Args:
        post_digest, post_fame: post it, or raise NotPosted.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        gazette: Gazette,
        platform: str,
        post_digest: Callable[[Digest], Awaitable[None]],
        post_fame: Callable[[Fame], Awaitable[None]],
        *,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._gazette = gazette
        self._platform = platform
        self._post_digest = post_digest
        self._post_fame = post_fame
        self._interval_s = interval_s
        self._clock = clock
        self._sleep = sleep
        self._resting: dict[str, float] = {}
        """Channels that refused, and until when they are left in peace."""

    async def run(self) -> None:
        while True:
            try:
                await self.go_round()
            except MemberError as error:
                log.warning("digests and the hall of fame wait: %s", error)
            except Exception:
                log.exception("digests and the hall of fame failed; they go on in a minute")
            await self._sleep(self._interval_s)

    async def go_round(self) -> None:
        """Post all that is due now."""
        for digest in await self._gazette.due_digests(self._platform):
            if await self._try(digest, self._post_digest):
                await self._gazette.digest_posted(digest)
        for fame in await self._gazette.claim_fame(self._platform):
            if not await self._try(fame, self._post_fame):
                await self._gazette.release_fame(fame)

    async def _try(self, due: Due, post: Callable[[Due], Awaitable[None]]) -> bool:
        """Whether it was posted."""
        where = f"{due.community.id}:{due.channel_id}"
        if self._resting.get(where, -REST_S) > self._clock():
            return False
        try:
            await post(due)
        except NotPosted as error:
            log.warning(
                "channel %s of %s could not be posted in: %s",
                due.channel_id,
                self._platform.capitalize(),
                error,
            )
            self._resting[where] = self._clock() + REST_S
            return False
        return True
