"""The bot's side of the queue over Redis: all workers elsewhere, as one `Writer` for the line here.

Every delivery has a key of its own. It ends when its worker says so, or is sent back to the line
when the worker is gone, leaves, or Redis has forgotten it; whatever is said of it later is not
listened to. So a story is written by one worker at a time as far as anybody hears.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError
from saq.job import TERMINAL_STATUSES, Status
from saq.job import Job as Record
from saq.queue.redis import RedisQueue as Saq

from bot.queue import Job, JobUpdate, QueueState, SentBack, WorkerState
from bot.queue.board import Board
from bot.queue.memory import MemoryQueue
from bot.queue.pulse import LOOK_S, Pulse
from bot.queue.wire import Announcement, BadMessage, Order, Report, decode, encode
from model.engine import EngineInfo, GenerationFailed

log = logging.getLogger(__name__)

RESULT_TTL_S = 120
"""How long Redis keeps what became of a delivery."""
MISSES = 3
"""Looks at which a job is in nobody's hands before it is sent back."""
FAREWELL_S = 3.0
"""Longest time a closing queue takes to tell its workers."""


@dataclass(slots=True, eq=False)
class _Delivery:
    """One job on its way to one worker, and what was heard of it."""

    key: str
    job: Job
    news: JobUpdate | None = None
    problem: Exception | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    was_heard: bool = True
    """Since the last look."""
    worker: str | None = None
    """Whoever is known to have taken it."""
    misses: int = 0
    has_ended: bool = False
    """By its worker's own word."""

    def tell(self, update: JobUpdate) -> None:
        self.news = update
        self.changed.set()

    def fail(self, problem: Exception) -> None:
        self.problem = problem
        self.changed.set()

    async def updates(self) -> AsyncGenerator[JobUpdate, None]:
        while True:
            await self.changed.wait()
            self.changed.clear()
            if (update := self.news) is not None:
                self.news = None
                yield update
                if update.is_final:
                    return
            if self.problem is not None:
                raise self.problem


class Fleet:
    """Every live worker of one model. Open with `async with`; a `Writer` for `line`."""

    def __init__(self, redis: Redis, saq: Saq, line: MemoryQueue) -> None:
        self.id = secrets.token_hex(8)
        self._redis = redis
        self._board = Board(redis, saq.name)
        self._saq = saq
        self._line = line
        self._slots = 0
        self._beat = 0
        self._announced: dict[str, Announcement] = {}  # by worker, the newest last
        self._here: list[Announcement] = []
        self._n_fronts = 1
        self._n_others = 0
        self._engine: EngineInfo | None = None
        self._worker_pulse = Pulse()
        self._front_pulse = Pulse()
        self._deliveries: dict[str, _Delivery] = {}
        self._unwanted: set[str] = set()  # keys of deliveries nobody listens to any more
        self._n_delivered = 0
        self._woken = asyncio.Event()
        self._has_looked = asyncio.Event()
        self._has_joined = asyncio.Event()
        self._is_reachable = True
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [
            asyncio.create_task(work)
            for work in (self._serve_the_line(), self._keep_looking(), self._keep_hearing())
        ]
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._stop_unwanted()
                await self._board.take_down("fronts", self.id)

    async def _serve_the_line(self) -> None:
        await self._has_joined.wait()
        await self._line.work(self)

    # -- as a writer ---------------------------------------------------------------------------
    @property
    def slots(self) -> int:
        return self._slots

    @property
    def info(self) -> EngineInfo:
        assert self._engine is not None  # noqa: S101 (the line is served once one has joined)
        return self._engine

    async def write(self, job: Job) -> AsyncGenerator[JobUpdate, None]:
        """See `bot.queue.Writer`."""
        self._n_delivered += 1
        delivery = _Delivery(f"{job.story_id}.{job.attempt}.{self.id}.{self._n_delivered}", job)
        self._deliveries[delivery.key] = delivery
        try:
            await self._hand_over(delivery)
            async for update in delivery.updates():
                yield update
        finally:
            del self._deliveries[delivery.key]
            if not delivery.has_ended:
                self._unwanted.add(delivery.key)
                self.wake()

    async def _hand_over(self, delivery: _Delivery) -> None:
        try:
            order = encode(Order(self.id, delivery.job))
        except BadMessage as error:
            raise GenerationFailed(str(error)) from None
        record = Record("write", {"order": order}, key=delivery.key, timeout=0, ttl=RESULT_TTL_S)
        try:
            await self._saq.enqueue(record)
        except (RedisError, OSError) as error:
            self._lose_touch(error)
            raise SentBack("Redis does not take it") from None

    # -- the line's view -----------------------------------------------------------------------
    def wake(self) -> None:
        """Look at once instead of at the next turn."""
        self._woken.set()

    async def state(self) -> QueueState:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S * 4):
                await self._has_looked.wait()
        return replace(
            await self._line.state(),
            slots=self._slots,
            engine=self._here[-1].engine if self._here else None,
            workers=tuple(WorkerState(a.name, a.slots, a.engine) for a in self._here),
        )

    # -- looking -------------------------------------------------------------------------------
    async def _keep_looking(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._look()
                await self._stop_unwanted()
                self._found_again()
            except (RedisError, OSError) as error:
                self._lose_touch(error)
                await asyncio.sleep(LOOK_S)
            except Exception:
                log.exception("looking after workers failed; going on")
                await asyncio.sleep(LOOK_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._woken.wait()

    async def _look(self) -> None:
        mine = len(self._deliveries) + len(self._unwanted)
        if len(self._line):
            self._beat += 1
            await self._board.put("fronts", self.id, str(self._beat))
        workers = await self._board.read("workers")
        fronts = await self._board.read("fronts")
        n_incomplete = await self._saq.count("incomplete")
        in_line = set(await self._in_line())
        now = asyncio.get_running_loop().time()
        self._see_workers(workers, now)
        self._n_fronts = self._see_fronts(fronts, now)
        self._n_others = max(0, n_incomplete - mine)
        self._share_slots()
        await self._forget()
        for delivery in list(self._deliveries.values()):
            if not delivery.was_heard:
                await self._ask_after(delivery, in_line)
            delivery.was_heard = False
        self._has_looked.set()

    def _see_workers(self, seen: dict[str, bytes], now: float) -> None:
        beats: dict[str, int] = {}
        for name, data in seen.items():
            try:
                self._announced[name] = decode(Announcement, data)
                beats[name] = self._announced[name].beat
            except BadMessage as error:
                log.warning("worker %s announces itself in a way not understood: %s", name, error)
        takers = {d.worker for d in self._deliveries.values() if d.worker is not None}
        self._worker_pulse.look(beats, now, expected=takers)
        self._count_workers()

    def _count_workers(self) -> None:
        before = {worker.name for worker in self._here}
        self._here = [
            worker
            for name, worker in self._announced.items()
            if not worker.is_gone and not self._worker_pulse.is_lost(name)
        ]
        names = {worker.name for worker in self._here}
        for name in before ^ names:
            log.info("the worker %s has %s", name, "left" if name in before else "joined")
        if self._here:
            self._engine = self._here[-1].engine
            self._has_joined.set()

    def _see_fronts(self, seen: dict[str, bytes], now: float) -> int:
        """How many bots have work for these workers, this one included."""
        self._front_pulse.look(seen, now)
        return len({self.id, *(name for name in seen if not self._front_pulse.is_lost(name))})

    async def _forget(self) -> None:
        for name in self._worker_pulse.forget():
            self._announced.pop(name, None)
            await self._board.take_down("workers", name)
        for name in self._front_pulse.forget():
            await self._board.take_down("fronts", name)

    def _share_slots(self) -> None:
        """This bot may fill every slot that no other bot uses, and always its share of all.

        Jobs beyond the slots wait in Redis, first come, first served; so a newcomer gets its
        share as the others' stories end.
        """
        total = sum(worker.slots for worker in self._here)
        slots = max(math.ceil(total / self._n_fronts), total - self._n_others)
        if slots != self._slots:
            self._slots = slots
            self._line.slots_changed()

    async def _ask_after(self, delivery: _Delivery, in_line: set[bytes]) -> None:
        """Of a delivery not heard of lately: is it still in somebody's hands?"""
        record = await self._record(delivery.key)
        is_waiting = record is not None and record.id.encode() in in_line
        if record is None:
            delivery.fail(SentBack("Redis has lost it"))
        elif record.status in TERMINAL_STATUSES:
            if record.result is not None:
                self._hear(record.result)
            if not delivery.has_ended and record.status is Status.ABORTED:
                delivery.fail(SentBack("its worker left"))
            elif not delivery.has_ended:  # and would not be by the next one of that version
                delivery.fail(GenerationFailed("its worker's word on it cannot be read"))
        elif record.worker_id is not None:
            # Perhaps it joined after the list of workers was read: judged from the next look on.
            if record.worker_id == delivery.worker and self._worker_pulse.is_lost(delivery.worker):
                delivery.fail(SentBack("its worker vanished", worker_vanished=True))
            delivery.worker = record.worker_id
        elif is_waiting and len(self._deliveries) > self._slots:
            if await self._take_out_of_line(record):
                delivery.fail(SentBack("no worker has room for it any more"))
        elif record.status is Status.QUEUED:
            delivery.misses = 0 if is_waiting else delivery.misses + 1
            if delivery.misses >= MISSES:
                delivery.fail(SentBack("it was lost on the way to a worker"))

    async def _stop_unwanted(self) -> None:
        """Tell workers what need not be written on; until Redis says that it has ended."""
        for key in list(self._unwanted):
            record = await self._record(key)
            if record is None or record.status in TERMINAL_STATUSES:
                self._unwanted.discard(key)
            elif record.status is not Status.ABORTING:
                await self._saq.abort(record, error="not wanted any more")
            elif record.worker_id is None or self._worker_pulse.is_lost(record.worker_id):
                await self._saq.finish(record, Status.ABORTED)

    # What SAQ has no word for: who is in its line, and leaving it before one's turn.
    async def _in_line(self) -> list[bytes]:
        found = self._redis.lrange(self._saq.namespace("queued"), 0, -1)
        return await cast(Awaitable[list[bytes]], found)

    async def _take_out_of_line(self, record: Record) -> bool:
        """False: a worker was faster."""
        removed = self._redis.lrem(self._saq.namespace("queued"), 0, record.id)
        return bool(await cast(Awaitable[int], removed))

    async def _record(self, key: str) -> Record | None:
        try:
            return await self._saq.job(key)
        except (BadMessage, ValueError, TypeError, KeyError):
            log.warning("Redis holds something unreadable as job %s", key)
            return None

    # -- hearing -------------------------------------------------------------------------------
    async def _keep_hearing(self) -> None:
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with aclosing(self._board.hear(self.id)) as heard:
                    async for word in heard:
                        if word:
                            self._hear(word)
                        else:
                            self.wake()
            await asyncio.sleep(LOOK_S)

    def _hear(self, data: Any) -> None:
        try:
            report = decode(Report, data)
        except BadMessage as error:
            log.warning("a worker's report is not understood: %s", error)
            return
        delivery = self._deliveries.get(report.delivery)
        if delivery is None or delivery.has_ended:
            return
        delivery.was_heard, delivery.worker = True, report.worker
        update, job = report.update, delivery.job
        if report.kind == "failed":
            delivery.has_ended = True
            delivery.fail(GenerationFailed(f"{report.why} (on worker {report.worker})"))
        elif report.kind == "handed back":
            delivery.has_ended = True
            self._see_off(report.worker)
            delivery.fail(SentBack("its worker handed it back"))
        elif update is None or (update.story_id, update.attempt) != (job.story_id, job.attempt):
            log.warning("worker %s reports on another story than it was given", report.worker)
        elif update.event in ("writing", "finished"):
            delivery.has_ended = update.is_final
            delivery.tell(update)

    def _see_off(self, worker: str) -> None:
        """A worker that hands stories back is leaving: its slots are gone before the next look."""
        if worker in self._announced:
            self._announced[worker] = replace(self._announced[worker], is_gone=True)
            self._count_workers()
            self._share_slots()

    # -- in and out of touch -------------------------------------------------------------------
    def _lose_touch(self, error: BaseException) -> None:
        """Hand over nothing more until a look succeeds; what is in line stays there."""
        if self._is_reachable:
            log.error("Redis cannot be used, stories wait: %s", error)
        self._is_reachable = False
        self._slots = 0

    def _found_again(self) -> None:
        if not self._is_reachable:
            log.info("Redis can be used again")
        self._is_reachable = True
