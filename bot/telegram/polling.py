"""Fetches updates by long polling, and says clearly when it cannot go on.

PTB's `Updater` retries a conflict for ever and ends in silence when the token is revoked; both
are the operator's to know. Knows no handler: updates go into a queue.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Self

from telegram import Bot, Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError, TimedOut

from bot.errors import PlatformError
from bot.telegram.rate_limiter import Clock, Sleep, seconds_of

log = logging.getLogger(__name__)

ALLOWED_UPDATES = (
    Update.MESSAGE,
    Update.CALLBACK_QUERY,
    Update.INLINE_QUERY,
    Update.CHOSEN_INLINE_RESULT,
)
POLL_S = 20
"""How long Telegram may wait for an update before it answers with none."""
MAX_PAUSE_S = 60.0
CONFLICTS = 3
CONFLICT_WINDOW_S = 60.0
"""One conflict is a predecessor's last poll; three in a minute are another process."""

REFUSED = (
    "Telegram refuses TELEGRAM_TOKEN. Copy the token from @BotFather again (/mybots, API Token); "
    "it looks like 123456789:ABC… and ends when a new one is made."
)
CONFLICT = (
    "Another process fetches this Telegram bot's updates (409 Conflict). Stop the other one, or "
    "give this one a TELEGRAM_TOKEN of its own."
)


class Pauses:
    """Pauses that double from one second, until `reset`."""

    def __init__(self) -> None:
        self._next_s = 1.0

    def next(self) -> float:
        """How long to wait this time."""
        pause, self._next_s = self._next_s, min(self._next_s * 2, MAX_PAUSE_S)
        return pause

    def reset(self) -> None:
        """All is well again."""
        self._next_s = 1.0


async def until_reached(request: Callable[[], Awaitable[object]], sleep: Sleep) -> None:
    """Make `request` until Telegram answers. Raises PlatformError if it refuses the token."""
    pauses = Pauses()
    while True:
        try:
            await request()
        except InvalidToken:
            # Not chained: PTB puts the token into its message.
            raise PlatformError(REFUSED) from None
        except TelegramError as error:
            pause = seconds_of(error) if isinstance(error, RetryAfter) else pauses.next()
            log.warning("Telegram cannot be reached (%s); trying again in %g s", error, pause)
            await sleep(pause)
        else:
            return


class Polling:
    """getUpdates, again and again. Open with `async with`, then `run`."""

    def __init__(
        self,
        bot: Bot,
        put: Callable[[Update], Awaitable[None]],
        *,
        sleep: Sleep,
        clock: Clock = time.monotonic,
    ) -> None:
        self._bot = bot
        self._put = put
        self._sleep = sleep
        self._clock = clock
        self._offset = 0
        self._pauses = Pauses()
        self._conflicts: deque[float] = deque(maxlen=CONFLICTS)

    async def __aenter__(self) -> Self:
        """Take away a webhook left behind, as nothing can be fetched while one is set."""
        await until_reached(self._bot.delete_webhook, self._sleep)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Tell Telegram which updates were taken, so that they do not come again."""
        if self._offset:
            with suppress(TelegramError):
                await self._bot.get_updates(
                    offset=self._offset, timeout=0, limit=1, allowed_updates=ALLOWED_UPDATES
                )

    async def run(self) -> None:
        """Poll until cancelled. Raises PlatformError for a wrong token or another poller."""
        while True:
            await self._poll()

    async def _poll(self) -> None:
        try:
            updates = await self._bot.get_updates(
                offset=self._offset,
                timeout=timedelta(seconds=POLL_S),
                allowed_updates=ALLOWED_UPDATES,
            )
        except InvalidToken:
            raise PlatformError(REFUSED) from None
        except TimedOut:
            return
        except TelegramError as error:
            await self._sleep(self._pause_after(error))
            return
        self._pauses.reset()
        for update in updates:
            await self._put(update)
            self._offset = update.update_id + 1

    def _pause_after(self, error: TelegramError) -> float:
        if isinstance(error, RetryAfter):
            return seconds_of(error)
        if isinstance(error, Conflict):
            self._conflicts.append(self._clock())
            since = self._conflicts[-1] - self._conflicts[0]
            if len(self._conflicts) == CONFLICTS and since <= CONFLICT_WINDOW_S:
                raise PlatformError(CONFLICT) from None
        log.warning("updates could not be fetched: %s", error)
        return self._pauses.next()
