"""The worker's side of the queue over Redis: take jobs, write them, report, and be seen to live.

SAQ's `Queue` carries the jobs; its `Worker` is not used (docs/decisions/0012). What Redis does not
answer is asked again until it does, so a worker outlives any outage; a story goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError
from saq.job import Job as Record
from saq.job import Status
from saq.queue.redis import RedisQueue as Saq

from bot.queue import Writer
from bot.queue.board import Board
from bot.queue.pulse import LOOK_S, Pulse
from bot.queue.wire import MAX_REASON_CHARS, Announcement, BadMessage, Order, Report, decode, encode
from model.engine import EngineError

log = logging.getLogger(__name__)

TAKE_S = 1.0
"""Longest wait for a job before the worker looks whether it still has a slot."""
FAREWELL_S = 3.0
"""Longest time a leaving worker takes to hand its stories back."""

Answer = TypeVar("Answer")


class Shift:
    """One worker's time at work: from joining to leaving."""

    def __init__(self, redis: Redis, saq: Saq, writer: Writer) -> None:
        self.id = secrets.token_hex(8)
        self._board = Board(redis, saq.name)
        self._saq = saq
        self._writer = writer
        self._beat = 0
        self._fronts = Pulse()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._front_of: dict[str, str] = {}
        self._unwanted: set[str] = set()  # deliveries stopped because nobody wants them any more
        self._freed = asyncio.Event()
        self._has_joined = asyncio.Event()
        self._is_reachable = True

    async def run(self) -> None:
        """Work until cancelled; what is being written then is handed back."""
        watch = asyncio.create_task(self._keep_watch())
        try:
            await self._has_joined.wait()  # nobody takes a job who is not known to be there
            await self._take_jobs()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await self._leave()

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._announce(is_gone=True)
                await self._board.call_out_change()
                for task in self._tasks.values():
                    task.cancel()
                await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        except (RedisError, OSError, TimeoutError):
            log.warning("left without a word: Redis does not answer")
        while self._tasks:  # each cancel ends one wait for Redis
            for task in self._tasks.values():
                task.cancel()
            await asyncio.wait(self._tasks.values(), timeout=LOOK_S)

    # -- jobs ----------------------------------------------------------------------------------
    async def _take_jobs(self) -> None:
        while True:
            while len(self._tasks) >= self._writer.slots:
                self._freed.clear()
                try:
                    async with asyncio.timeout(TAKE_S):  # slots may change unsaid
                        await self._freed.wait()
                except TimeoutError:
                    continue
            try:
                record = await self._saq.dequeue(timeout=TAKE_S)
            except (RedisError, OSError) as error:
                await self._lose_touch(error)
            except (BadMessage, ValueError, TypeError, KeyError):
                log.warning("Redis handed over something that is no job; left alone")
            else:
                if record is not None:
                    self._begin(record)

    def _begin(self, record: Record) -> None:
        task = asyncio.create_task(self._handle(record))
        self._tasks[record.key] = task
        task.add_done_callback(partial(self._end, record.key))

    def _end(self, key: str, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.error("job %s came to nothing", key, exc_info=error)
        del self._tasks[key]
        self._front_of.pop(key, None)
        self._unwanted.discard(key)
        self._freed.set()

    async def _handle(self, record: Record) -> None:
        try:
            order = decode(Order, (record.kwargs or {}).get("order"))
        except BadMessage as error:
            log.error("job %s cannot be read: %s", record.key, error)
            await self._settle(record, Report(record.key, self.id, "failed", why=str(error)))
            return
        self._front_of[record.key] = order.front
        try:
            await self._stubbornly(lambda: self._mark_taken(record))
            report = await self._write(record.key, order)
        except asyncio.CancelledError:
            back = Report(record.key, self.id, "handed back")
            if record.key not in self._unwanted:
                await self._tell(order.front, back)
            with suppress(RedisError, OSError):
                await self._saq.finish(record, Status.ABORTED, result=encode(back))
            raise
        await self._tell(order.front, report)
        await self._settle(record, report)

    async def _settle(self, record: Record, report: Report) -> None:
        """Keep the last word where a bot that did not hear it will look."""
        status = Status.COMPLETE if report.kind == "update" else Status.FAILED
        await self._stubbornly(lambda: self._saq.finish(record, status, result=encode(report)))

    async def _mark_taken(self, record: Record) -> None:
        record.worker_id = self.id
        await self._saq.update(record, status=Status.ACTIVE)

    async def _write(self, key: str, order: Order) -> Report:
        """Write the story, reporting on the way; the last word on it."""
        job = order.job
        try:
            async with aclosing(self._writer.write(job)) as updates:
                async for update in updates:
                    report = Report(key, self.id, "update", update)
                    if update.is_final:
                        encode(report)  # which raises where it is too large
                        return report
                    await self._tell(order.front, report)
            why = "the engine stopped in the middle"
        except (EngineError, BadMessage) as error:
            why = str(error)
        except Exception as error:
            log.exception("story %d, attempt %d failed", job.story_id, job.attempt)
            why = type(error).__name__
        log.error("story %d, attempt %d: %s", job.story_id, job.attempt, why)
        return Report(key, self.id, "failed", why=why[:MAX_REASON_CHARS])

    async def _tell(self, front: str, report: Report) -> None:
        """Say it once: what is not heard is found in the job's record, or in the next update."""
        try:
            await self._board.report(front, encode(report))
        except (RedisError, OSError) as error:
            log.debug("a report on %s was lost: %s", report.delivery, error)

    async def _stubbornly(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        while True:
            try:
                return await ask()
            except (RedisError, OSError) as error:
                await self._lose_touch(error)

    # -- being seen, and seeing ----------------------------------------------------------------
    async def _keep_watch(self) -> None:
        while True:
            try:
                await self._announce()
                if not self._has_joined.is_set():
                    await self._board.call_out_change()
                    self._has_joined.set()
                await self._stop_unwanted()
                self._found_again()
            except (RedisError, OSError) as error:
                await self._lose_touch(error)
            except (BadMessage, ValueError, TypeError, KeyError):
                log.warning("Redis holds something unreadable in place of a job being written")
            await asyncio.sleep(LOOK_S)

    async def _announce(self, *, is_gone: bool = False) -> None:
        self._beat += 1
        word = Announcement(
            name=f"{socket.gethostname()}:{os.getpid()}",
            # One that takes no more still has what it is writing: no slot of another's is meant.
            slots=max(self._writer.slots, len(self._tasks)),
            engine=self._writer.info,
            beat=self._beat,
            is_gone=is_gone,
        )
        await self._board.put("workers", self.id, encode(word))

    async def _stop_unwanted(self) -> None:
        """Stop what was cancelled, and what a bot asked for that is not there any more."""
        seen = await self._board.read("fronts")
        now = asyncio.get_running_loop().time()
        self._fronts.look(seen, now, expected=set(self._front_of.values()))
        keys = list(self._front_of)
        for key, record in zip(keys, await self._saq.jobs(keys) if keys else [], strict=True):
            is_cancelled = record is not None and record.status in (
                Status.ABORTING,
                Status.ABORTED,
            )
            front = self._front_of.get(key)
            if front is None or key in self._unwanted:  # it has ended meanwhile, or soon will
                continue
            if is_cancelled or self._fronts.is_lost(front):
                self._unwanted.add(key)
                self._tasks[key].cancel()

    # -- in and out of touch -------------------------------------------------------------------
    async def _lose_touch(self, error: BaseException) -> None:
        """Pause before it is tried again."""
        if self._is_reachable:
            log.error("Redis cannot be used, and is asked until it can: %s", error)
        self._is_reachable = False
        await asyncio.sleep(LOOK_S)

    def _found_again(self) -> None:
        if not self._is_reachable:
            log.info("Redis can be used again")
        self._is_reachable = True
