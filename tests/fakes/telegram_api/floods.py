"""Telegram's flood control, and clocks to run it by.

Source of the numbers: core.telegram.org/bots/faq, "My bot is hitting limits": in one chat about
one message a second, short bursts allowed; in a group at most 20 messages a minute; about 30 a
second over all chats. Beyond that 429 with `retry_after`, and until it is over every further
message to that chat is refused too. How long a burst may be is not documented: three here.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]


class FastClock:
    """Time that runs `speed` times as fast, for both sides: the bot's sleeps and our limits."""

    def __init__(self, speed: float = 50.0) -> None:
        self._speed = speed
        self._start = time.monotonic()

    def __call__(self) -> float:
        return (time.monotonic() - self._start) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Sleep `seconds` of this clock."""
        await asyncio.sleep(seconds / self._speed)


@dataclass(frozen=True)
class RateLimits:
    """What the fake tolerates. Turn one off with math.inf."""

    chat_interval_s: float = 1.0
    chat_burst: int = 3
    group_per_minute: float = 20
    overall_per_s: float = 30


@dataclass(frozen=True)
class Flood:
    """One refused request."""

    method: str
    chat_id: int
    limit: str
    retry_after: int


class FloodGate:
    """Counts messages and edits; says how many seconds a flooding bot must wait."""

    def __init__(self, limits: RateLimits, clock: Clock) -> None:
        self._limits = limits
        self._clock = clock
        self._credit: dict[int, tuple[float, float]] = {}
        """Per chat: messages it may still send at once, and when that was worked out."""
        self._group: defaultdict[int, deque[float]] = defaultdict(deque)
        self._overall: deque[float] = deque()
        self._refused_until: dict[int | None, float] = {}
        self.floods: list[Flood] = []

    def wait_s(self, method: str, chat_id: int) -> int | None:
        """Take note of one message to `chat_id`; None if it passes, else its `retry_after`."""
        now = self._clock()
        penalty = max(self._refused_until.get(key, 0.0) for key in (chat_id, None)) - now
        if penalty > 0:
            return self._refuse(method, chat_id, "still in retry_after", penalty)
        for limit, key, wait in (
            ("chat", chat_id, self._chat_wait(chat_id, now)),
            ("group", chat_id, self._group_wait(chat_id, now)),
            ("overall", None, self._overall_wait(now)),
        ):
            if wait > 0:
                self._refused_until[key] = now + math.ceil(wait)
                return self._refuse(method, chat_id, limit, wait)
        self._take(chat_id, now)
        return None

    def _refuse(self, method: str, chat_id: int, limit: str, wait: float) -> int:
        retry_after = math.ceil(wait)
        self.floods.append(Flood(method, chat_id, limit, retry_after))
        return retry_after

    def _credit_now(self, chat_id: int, now: float) -> float:
        burst = float(self._limits.chat_burst)
        credit, since = self._credit.get(chat_id, (burst, now))
        return min(burst, credit + (now - since) / self._limits.chat_interval_s)

    def _chat_wait(self, chat_id: int, now: float) -> float:
        missing = 1 - self._credit_now(chat_id, now)
        # Sums of fractions fall a hair short of 1.
        return missing * self._limits.chat_interval_s if missing > 1e-6 else 0.0

    def _group_wait(self, chat_id: int, now: float) -> float:
        if chat_id > 0:
            return 0.0
        return _window_wait(self._group[chat_id], now, 60.0, self._limits.group_per_minute)

    def _overall_wait(self, now: float) -> float:
        return _window_wait(self._overall, now, 1.0, self._limits.overall_per_s)

    def _take(self, chat_id: int, now: float) -> None:
        self._credit[chat_id] = (self._credit_now(chat_id, now) - 1, now)
        self._overall.append(now)
        if chat_id < 0:
            self._group[chat_id].append(now)


def _window_wait(sent: deque[float], now: float, window_s: float, at_most: float) -> float:
    """Seconds until fewer than `at_most` of the times in `sent` lie within the last window."""
    while sent and sent[0] <= now - window_s:
        sent.popleft()
    return sent[0] + window_s - now if len(sent) >= at_most else 0.0
