"""Keeps the bot within Telegram's flood limits: one queue a chat, urgent requests first.

Knows no story and no member. PTB's own `AIORateLimiter` does not pace a single chat and halts
every chat when one is told to wait (PTB#3765); here a `retry_after` concerns its chat alone.

Numbers: core.telegram.org/bots/faq, "My bot is hitting limits": about one message a second in a
chat (short bursts pass), 20 a minute in a group, about 30 a second in all.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from functools import partial
from typing import Any, TypeVar

from telegram._utils.types import JSONDict
from telegram.error import RetryAfter, TelegramError
from telegram.ext import BaseRateLimiter

from bot.telegram.in_order import answer_is_in_line

log = logging.getLogger(__name__)

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]

T = TypeVar("T")

_COUNTED = ("send", "edit", "copy", "forward")
_FREE = {"sendChatAction", "sendMessageDraft"}
"""Neither leaves a message behind."""
_MANY_CHATS = 2_000
"""Chats remembered before idle ones are looked for and dropped."""
_UNDER_WAY = 0
"""Nobody passes a request that has begun."""
_PUNCTUAL_S = 0.01
"""A partial this early still goes, after waiting: timers are not exact."""


class Urgency(IntEnum):
    """What a request may cost; the `rate_limit_args` of PTB's methods. Lower goes first."""

    FINAL = 1
    """The end of a story: waits as long as it must, ahead of everything else in its chat."""
    REPLY = 2
    """An answer to a member: waits its turn; given up only where too many wait."""
    PARTIAL = 3
    """A story as far as it is: sent now or not at all."""


@dataclass(frozen=True, slots=True)
class FloodLimits:
    """Telegram's limits, as far as we go towards them."""

    chat_interval_s: float = 1.0
    chat_burst: int = 2
    group_window_s: float = 60.0
    group_share: tuple[int, int, int] = (20, 18, 14)
    """Messages in one window up to which finals, replies and partials go out: what partials
    leave is kept for the others."""
    overall_per_s: int = 30
    max_waiting_replies: int = 40
    """In one chat; beyond that a flood of commands is not answered one by one."""
    max_tries: int = 6
    """Of one request that Telegram answers with `retry_after`."""


class Dropped(TelegramError):
    """The request was not sent: a partial that would have had to wait, or one reply too many."""

    def __init__(self, after_s: float) -> None:
        super().__init__(f"Not sent; there is room in {after_s:.1f} s")
        self.after_s = after_s


@dataclass(order=True)
class _Ticket:
    urgency: int
    number: int
    moved: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class _Line:
    """Tickets in order; the first may go once `delay_s` of its urgency is zero.

    A delay of infinity ends with `poke`.
    """

    def __init__(self, delay_s: Callable[[Urgency], float], sleep: Sleep) -> None:
        self._delay_s = delay_s
        self._sleep = sleep
        self._tickets: list[_Ticket] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._tickets)

    @asynccontextmanager
    async def turn(self, urgency: Urgency) -> AsyncIterator[None]:
        """Wait to be first and due; the others wait until the body ends."""
        ticket = _Ticket(urgency, next(self._numbers))
        heapq.heappush(self._tickets, ticket)
        try:
            while (delay := self._delay(ticket, urgency)) > 0:
                if delay < math.inf:
                    await self._sleep(delay)
                else:
                    # No await lies between looking and clearing, so no wake-up is lost.
                    ticket.moved.clear()
                    await ticket.moved.wait()
            ticket.urgency = _UNDER_WAY
            yield
        finally:
            self._tickets.remove(ticket)
            heapq.heapify(self._tickets)
            self.poke()

    def _delay(self, ticket: _Ticket, urgency: Urgency) -> float:
        return self._delay_s(urgency) if self._tickets[0] is ticket else math.inf

    def poke(self) -> None:
        """Let the first look again."""
        if self._tickets:
            self._tickets[0].moved.set()


class _Chat:
    """One chat's pace. One request is under way at a time, so that messages arrive in order.

    Time is counted from the end of a request: wherever between its start and its end Telegram
    counted it, the next is at least as late as it must be.
    """

    def __init__(self, limits: FloodLimits, clock: Clock, sleep: Sleep, *, is_group: bool) -> None:
        self._limits = limits
        self._clock = clock
        self._is_group = is_group
        self._due = 0.0
        """When a chat that sends evenly would be due again; a burst runs ahead of it."""
        self._held_until = 0.0
        self._ended: deque[float] = deque()
        self.line = _Line(self.delay_s, sleep)

    def delay_s(self, urgency: Urgency) -> float:
        """Seconds until a request of this urgency may go; at most zero: now."""
        now = self._clock()
        ahead = 0 if urgency is Urgency.PARTIAL else self._limits.chat_burst - 1
        pace = self._due - ahead * self._limits.chat_interval_s
        return max(pace, self._held_until, self._window_end(urgency, now)) - now

    def _window_end(self, urgency: Urgency, now: float) -> float:
        share = self._limits.group_share[urgency - 1]
        while self._ended and self._ended[0] <= now - self._limits.group_window_s:
            self._ended.popleft()
        if not self._is_group or len(self._ended) < share:
            return 0.0
        return self._ended[len(self._ended) - share] + self._limits.group_window_s

    def hold(self, seconds: float) -> None:
        """Telegram asked for a pause."""
        self._held_until = max(self._held_until, self._clock() + seconds)

    def ended(self) -> None:
        """One request is over."""
        now = self._clock()
        self._due = max(self._due, now) + self._limits.chat_interval_s
        if self._is_group:
            self._ended.append(now)

    def is_idle(self) -> bool:
        """Whether forgetting this chat changes nothing."""
        return not self.line and self.delay_s(Urgency.PARTIAL) <= 0 and not self._ended


class _Overall:
    """All chats: at most `overall_per_s` requests under way or ended in the last second."""

    def __init__(self, limits: FloodLimits, clock: Clock, sleep: Sleep) -> None:
        self._most = limits.overall_per_s
        self._clock = clock
        self._under_way = 0
        self._ended: deque[float] = deque()
        self._line = _Line(self.delay_s, sleep)

    def delay_s(self, urgency: Urgency) -> float:
        now = self._clock()
        while self._ended and self._ended[0] <= now - 1.0:
            self._ended.popleft()
        if self._under_way + len(self._ended) < self._most:
            return 0.0
        return self._ended[0] + 1.0 - now if self._ended else math.inf

    @asynccontextmanager
    async def room(self, urgency: Urgency) -> AsyncIterator[None]:
        async with self._line.turn(urgency):
            self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._ended.append(self._clock())
            self._line.poke()


class TelegramRateLimiter(BaseRateLimiter[Urgency]):
    """PTB passes every request of the bot through `process_request`, except getUpdates.

    Waits out RetryAfter itself, save for partials. Raises Dropped for what is not worth sending.
    """

    def __init__(
        self,
        limits: FloodLimits | None = None,
        *,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._limits = limits or FloodLimits()
        self._clock = clock
        self._sleep = sleep
        self._chats: dict[int | str, _Chat] = {}
        self._overall = _Overall(self._limits, clock, sleep)

    async def initialize(self) -> None:
        """Nothing to open."""

    async def shutdown(self) -> None:
        """Nothing to close."""

    async def process_request(
        self,
        callback: Callable[..., Coroutine[Any, Any, bool | JSONDict | list[JSONDict]]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: Urgency | None,
    ) -> bool | JSONDict | list[JSONDict]:
        """See BaseRateLimiter; without `rate_limit_args` a request is a REPLY."""
        # A message of inline mode is a chat of its own: which one it is in, we are not told.
        chat_id = data.get("chat_id") or data.get("inline_message_id")
        if chat_id is None or endpoint in _FREE or not endpoint.startswith(_COUNTED):
            return await callback(*args, **kwargs)
        chat = self._chat(chat_id)
        urgency = rate_limit_args or Urgency.REPLY
        self._refuse_droppable(chat, urgency)
        return await self._send(chat, urgency, partial(callback, *args, **kwargs))

    async def _send(self, chat: _Chat, urgency: Urgency, call: Callable[[], Awaitable[T]]) -> T:
        answer_is_in_line()  # from the next line on, before anybody else can run
        for tries_left in reversed(range(self._limits.max_tries)):
            async with chat.line.turn(urgency), self._overall.room(urgency):
                try:
                    return await call()
                except RetryAfter as error:
                    chat.hold(seconds_of(error))
                    log.warning("Telegram asks for a pause in one chat: %s", error)
                    if urgency is Urgency.PARTIAL or not tries_left:
                        raise
                finally:
                    chat.ended()
        raise AssertionError("the last try returns or raises")

    def _refuse_droppable(self, chat: _Chat, urgency: Urgency) -> None:
        if urgency is Urgency.REPLY and len(chat.line) >= self._limits.max_waiting_replies:
            raise Dropped(max(chat.delay_s(urgency), 0.0))
        if urgency is Urgency.PARTIAL:
            delay = max(chat.delay_s(urgency), self._overall.delay_s(urgency))
            if len(chat.line) or delay > _PUNCTUAL_S:
                raise Dropped(delay if 0 < delay < math.inf else self._limits.chat_interval_s)

    def _chat(self, chat_id: int | str) -> _Chat:
        key = int(chat_id) if str(chat_id).lstrip("-").isdigit() else str(chat_id)
        if key not in self._chats:
            if len(self._chats) >= _MANY_CHATS:
                self._chats = {k: chat for k, chat in self._chats.items() if not chat.is_idle()}
            is_group = isinstance(key, str) or key < 0
            self._chats[key] = _Chat(self._limits, self._clock, self._sleep, is_group=is_group)
        return self._chats[key]


def seconds_of(error: RetryAfter) -> float:
    """How long Telegram wants us to wait; PTB gives whole seconds or, opted in, a timedelta."""
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)
