"""Our rate limiter against Telegram's limits, in simulated time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Coroutine
from typing import Any

import pytest
from fakes.telegram import RateLimits
from fakes.telegram_api.floods import FloodGate
from hypothesis import given, settings
from hypothesis import strategies as st
from telegram.error import RetryAfter

from bot.telegram.rate_limiter import (
    Dropped,
    FloodLimits,
    TelegramRateLimiter,
    Urgency,
    seconds_of,
)

PRIVATE, GROUP = 7, -1007


@pytest.fixture(autouse=True)
def timedeltas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")


class Simulation:
    """Time that stands still while anything can run, then jumps to the next sleeper."""

    def __init__(self) -> None:
        self.now = 100.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._numbers = itertools.count()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), woken))
        await woken.wait()

    async def run(self, *work: Awaitable[Any]) -> list[Any]:
        """Run `work` to its end; exceptions are results."""
        done = asyncio.gather(*work, return_exceptions=True)
        while not done.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if not done.done() and self._sleepers:
                self.now, _, woken = heapq.heappop(self._sleepers)
                woken.set()
        return list(await done)


class Telegram:
    """Takes requests; keeps when each arrived. Floods are answered as the fake API answers."""

    def __init__(self, time: Simulation, limits: FloodLimits | None = None) -> None:
        self.time = time
        self.limiter = TelegramRateLimiter(limits, clock=time.clock, sleep=time.sleep)
        self.gate = FloodGate(RateLimits(), time.clock)
        self.sent: list[tuple[float, int, str]] = []
        self.refuse: dict[int, int] = {}
        self.took_s = 0.02

    def send(
        self,
        chat_id: int,
        what: str,
        urgency: Urgency | None = None,
        endpoint: str = "sendMessage",
    ) -> Coroutine[Any, Any, Any]:
        async def call() -> bool:
            await self.time.sleep(self.took_s)
            if self.refuse.get(chat_id):
                raise RetryAfter(self.refuse.pop(chat_id))
            wait = self.gate.wait_s(endpoint, chat_id)
            if wait is not None:
                raise RetryAfter(wait)
            self.sent.append((round(self.time.now - 100, 2), chat_id, what))
            return True

        data = {"chat_id": chat_id}
        return self.limiter.process_request(call, (), {}, endpoint, data, urgency)


async def test_a_private_chat_gets_a_burst_of_two_then_one_a_second() -> None:
    time = Simulation()
    telegram = Telegram(time)
    await time.run(*(telegram.send(PRIVATE, str(n)) for n in range(4)))
    assert telegram.sent == [
        (0.02, 7, "0"), (0.04, 7, "1"), (1.04, 7, "2"), (2.04, 7, "3"),
    ]  # fmt: skip
    assert telegram.gate.floods == []


async def test_the_final_goes_before_replies_that_came_first() -> None:
    time = Simulation()
    telegram = Telegram(time)
    replies = [telegram.send(PRIVATE, f"reply {n}") for n in range(4)]
    await time.run(*replies, telegram.send(PRIVATE, "final", Urgency.FINAL))
    assert [what for _, _, what in telegram.sent] == [
        "reply 0", "final", "reply 1", "reply 2", "reply 3",
    ]  # fmt: skip


async def test_a_partial_goes_at_once_or_not_at_all() -> None:
    time = Simulation()
    telegram = Telegram(time)
    first, second = await time.run(
        telegram.send(PRIVATE, "one", Urgency.PARTIAL),
        telegram.send(PRIVATE, "two", Urgency.PARTIAL),
    )
    assert first is True
    assert isinstance(second, Dropped) and second.after_s > 0
    (too_early,) = await time.run(telegram.send(PRIVATE, "three", Urgency.PARTIAL))
    assert isinstance(too_early, Dropped) and too_early.after_s == pytest.approx(1.0)
    await time.run(time.sleep(1.0))
    assert await time.run(telegram.send(PRIVATE, "four", Urgency.PARTIAL)) == [True]


async def test_one_chats_retry_after_does_not_stop_another() -> None:
    time = Simulation()
    telegram = Telegram(time)
    telegram.refuse[PRIVATE] = 30
    held, *others = await time.run(
        telegram.send(PRIVATE, "held"), *(telegram.send(n, "free") for n in range(20, 30))
    )
    assert held is True and others == [True] * 10
    when = {what: at for at, _, what in telegram.sent}
    assert when["free"] < 1 and when["held"] == pytest.approx(30.04)


async def test_a_partial_does_not_wait_for_retry_after() -> None:
    time = Simulation()
    telegram = Telegram(time)
    telegram.refuse[PRIVATE] = 30
    (refused,) = await time.run(telegram.send(PRIVATE, "one", Urgency.PARTIAL))
    assert isinstance(refused, RetryAfter) and seconds_of(refused) == 30
    (dropped,) = await time.run(telegram.send(PRIVATE, "two", Urgency.PARTIAL))
    assert isinstance(dropped, Dropped) and dropped.after_s == pytest.approx(30)


async def test_a_request_is_given_up_after_its_last_try() -> None:
    time = Simulation()
    telegram = Telegram(time, FloodLimits(max_tries=2))
    telegram.refuse = dict.fromkeys([PRIVATE], 1)
    again = telegram.refuse

    class Always(dict[int, int]):
        def pop(self, *key: Any) -> int:
            return again[PRIVATE]

    telegram.refuse = Always(again)
    (refused,) = await time.run(telegram.send(PRIVATE, "never", Urgency.FINAL))
    assert isinstance(refused, RetryAfter)


async def test_a_group_keeps_room_for_replies_and_finals() -> None:
    time = Simulation()
    telegram = Telegram(time)
    for _ in range(20):
        await time.run(telegram.send(GROUP, "partial", Urgency.PARTIAL), time.sleep(1.1))
    await time.run(
        *(telegram.send(GROUP, "reply") for _ in range(5)),
        *(telegram.send(GROUP, "final", Urgency.FINAL) for _ in range(3)),
    )
    in_first_minute = [what for at, _, what in telegram.sent if at < 60]
    assert in_first_minute.count("partial") == 14
    assert in_first_minute.count("final") == 3
    assert in_first_minute.count("reply") == 1, "18 in all, then only finals"
    assert telegram.gate.floods == []


async def test_too_many_waiting_replies_are_dropped_but_finals_are_not() -> None:
    time = Simulation()
    telegram = Telegram(time, FloodLimits(max_waiting_replies=5))
    results = await time.run(
        *(telegram.send(GROUP, "reply") for _ in range(9)),
        *(telegram.send(GROUP, "final", Urgency.FINAL) for _ in range(9)),
    )
    assert [isinstance(result, Dropped) for result in results] == [False] * 5 + [True] * 4 + [
        False
    ] * 9


async def test_a_cancelled_request_gives_up_its_place() -> None:
    time = Simulation()
    telegram = Telegram(time)
    await time.run(telegram.send(PRIVATE, "a"), telegram.send(PRIVATE, "b"))
    waiting = asyncio.create_task(telegram.send(PRIVATE, "c"))
    await asyncio.sleep(0)
    waiting.cancel()
    await time.run(waiting, telegram.send(PRIVATE, "d"))
    assert [what for _, _, what in telegram.sent] == ["a", "b", "d"]


async def test_what_is_no_message_passes_at_once() -> None:
    time = Simulation()
    telegram = Telegram(time)
    await time.run(*(telegram.send(PRIVATE, "x", endpoint="sendChatAction") for _ in range(3)))
    assert [at for at, _, _ in telegram.sent] == [0.02] * 3


async def test_idle_chats_are_forgotten() -> None:
    time = Simulation()
    telegram = Telegram(time)
    for chat in range(1, 2105):
        await time.run(telegram.send(chat, "x"))
    assert len(telegram.limiter._chats) < 2000
    assert telegram.gate.floods == []


requests = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 3, -1001, -1002]),
        st.sampled_from(list(Urgency)),
        st.sampled_from([0.0, 0.0, 0.0, 0.3, 2.0]),
    ),
    max_size=150,
)


@settings(max_examples=25, deadline=None)
@given(requests, st.sampled_from([0.0, 0.05, 0.4]))
async def test_no_mixture_of_requests_floods_telegram(
    work: list[tuple[int, Urgency, float]], took_s: float
) -> None:
    time = Simulation()
    telegram = Telegram(time, FloodLimits(max_waiting_replies=10**6))
    telegram.took_s = took_s
    started: list[asyncio.Task[Any]] = []

    async def ask() -> None:
        for number, (chat, urgency, pause) in enumerate(work):
            started.append(asyncio.create_task(telegram.send(chat, str(number), urgency)))
            await time.sleep(pause)

    await time.run(ask())
    results = await time.run(*started)
    assert telegram.gate.floods == []
    for (_, urgency, _), result in zip(work, results, strict=True):
        assert result is True or (urgency is Urgency.PARTIAL and isinstance(result, Dropped))


async def test_fifty_chats_at_once_stay_under_thirty_a_second() -> None:
    time = Simulation()
    telegram = Telegram(time)
    await time.run(*(telegram.send(chat, "hello") for chat in range(1, 51)))
    assert len(telegram.sent) == 50 and telegram.gate.floods == []
    assert sum(at < 1 for at, _, _ in telegram.sent) == 30
