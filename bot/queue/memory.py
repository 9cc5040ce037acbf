"""The queue inside one process: bounded, fair between members, cancellable.

Fair means: a free slot goes to the member with the fewest stories being written, and among
those to the one who waited longest since their last turn. So one member's ten jobs delay
another's first by at most the stories already being written, and nobody who waits is passed
over twice by the same member.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from bisect import insort
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Self

from bot.errors import QueueFull
from bot.queue import (
    Job,
    JobEvent,
    JobUpdate,
    QueueState,
    SentBack,
    WorkerState,
    Writer,
)
from model.engine import EngineError

log = logging.getLogger(__name__)

FIRST_GUESS_S = 20.0
"""Assumed seconds a story before one has been timed."""
SMOOTHING = 0.2
"""Weight of the newest story in the moving average of seconds a story."""
MAX_CRASHES = 3
"""A job whose worker vanished this often is given up: it may be what brings workers down."""


@dataclass(slots=True, eq=False)
class _Record:
    """One job's place in the queue, from submission until its reader has heard the end."""

    job: Job
    update: JobUpdate
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    cancel_asked: bool = False
    turn: int = 0
    """When it was taken; 0 before that."""
    sent_back: bool = False
    """By its writer, which goes on with others."""
    crashes: int = 0
    """How many workers vanished while they wrote it."""

    @property
    def is_suspect(self) -> bool:
        """One crash more and it is given up, so it is tried apart from others like it."""
        return self.crashes >= MAX_CRASHES - 1

    def publish(self, update: JobUpdate) -> None:
        self.update = update
        self.changed.set()


@dataclass(slots=True)
class _Lane:
    """One member's jobs. Kept while idle as long as the last turn still counts."""

    waiting: deque[_Record] = field(default_factory=deque)
    writing: int = 0
    last_turn: int = 0


class MemoryQueue:
    """`StoryQueue` on asyncio alone. Everything happens on one event loop."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._records: dict[int, _Record] = {}
        self._lanes: dict[str, _Lane] = {}
        self._returned: list[_Record] = []  # begun by a worker that left; oldest first
        self._writing: dict[int, _Record] = {}  # in the order they were taken
        self._turn = 0
        self._n_waiting = 0
        self._order: tuple[int, ...] | None = None  # cached; None when the line moved
        self._arrival = asyncio.Event()
        self._writers: list[Writer] = []
        self._average_s = FIRST_GUESS_S

    def __len__(self) -> int:
        """Jobs that have not ended, and those whose end nobody has heard yet."""
        return len(self._records)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        tasks = [record.task for record in self._writing.values() if record.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- those who ask -------------------------------------------------------------------------
    async def submit(self, job: Job, *, even_if_full: bool = False) -> None:
        if self._n_waiting >= self._max_waiting and not even_if_full:
            raise QueueFull(self._wait_behind(self._n_waiting))
        if job.story_id in self._records:
            raise ValueError(f"story {job.story_id} is in the queue already")
        record = _Record(job, JobUpdate(job.story_id, job.attempt, "waiting"))
        self._records[job.story_id] = record
        self._lane(job.member).waiting.append(record)
        self._n_waiting += 1
        self._line_moved()

    async def updates(self, story_id: int) -> AsyncIterator[JobUpdate]:
        record = self._records[story_id]
        while True:
            record.changed.clear()
            update = self._with_position(record.update)
            if update.is_final:
                # Before the reader hears it: it may leave here, or submit the story again.
                del self._records[story_id]
                yield update
                return
            yield update
            await record.changed.wait()

    async def cancel(self, story_id: int) -> None:
        record = self._records.get(story_id)
        if record is None or record.update.is_final:
            return
        record.cancel_asked = True
        if record.task is not None:
            record.task.cancel()
            return
        if record in self._returned:
            self._returned.remove(record)
        else:
            self._lanes[record.job.member].waiting.remove(record)
        self._n_waiting -= 1
        record.publish(JobUpdate(story_id, record.job.attempt, "cancelled"))
        self._line_moved()

    async def state(self) -> QueueState:
        return QueueState(
            waiting=self._waiting_order(),
            writing=tuple(self._writing),
            slots=self._slots,
            expected_wait_s=self._wait_behind(self._n_waiting),
            engine=self._writers[-1].info if self._writers else None,
            workers=tuple(
                WorkerState("here", writer.slots, writer.info) for writer in self._writers
            ),
        )

    async def ping(self) -> None:
        """It is always there."""

    # -- those who write -----------------------------------------------------------------------
    async def work(self, writer: Writer) -> None:
        self._writers.append(writer)
        running: set[asyncio.Task[None]] = set()  # strong references
        try:
            while True:
                while len(running) >= writer.slots or not self._can_take():
                    self._arrival.clear()
                    await self._arrival.wait()
                record = self._take()
                record.publish(JobUpdate(record.job.story_id, record.job.attempt, "writing"))
                task = asyncio.create_task(self._write(writer, record))
                record.task = task
                running.add(task)
                task.add_done_callback(running.discard)
                task.add_done_callback(partial(self._settle, record))
                self._line_moved()
        finally:
            self._writers.remove(writer)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def slots_changed(self) -> None:
        """A writer has more or fewer slots than before."""
        self._line_moved()

    async def _write(self, writer: Writer, record: _Record) -> None:
        job = record.job
        record.sent_back = False
        began = asyncio.get_running_loop().time()
        try:
            async with aclosing(writer.write(job)) as updates:
                async for update in updates:
                    record.publish(update)
        except SentBack as back:
            record.sent_back = True
            record.crashes += back.worker_vanished
            log.warning("story %d, attempt %d: %s", job.story_id, job.attempt, back)
        except EngineError as error:
            log.error("story %d, attempt %d: %s", job.story_id, job.attempt, error)
        except Exception:
            log.exception("story %d, attempt %d failed", job.story_id, job.attempt)
        if record.update.event == "finished":
            seconds = asyncio.get_running_loop().time() - began
            self._average_s += SMOOTHING * (seconds - self._average_s)

    def _settle(self, record: _Record, task: asyncio.Task[None]) -> None:
        """A writing task ended, by itself or cancelled (perhaps before its first step)."""
        record.task = None
        del self._writing[record.job.story_id]
        self._lanes[record.job.member].writing -= 1
        if record.update.event == "finished":
            pass
        elif record.cancel_asked:
            record.publish(_ended(record.update, "cancelled"))
        elif record.crashes >= MAX_CRASHES:
            record.publish(replace(_ended(record.update, "failed"), gave_up=True))
        elif task.cancelled() or record.sent_back:  # its worker left
            insort(self._returned, record, key=lambda other: other.turn)
            self._n_waiting += 1
            record.publish(JobUpdate(record.job.story_id, record.job.attempt, "waiting"))
        else:
            record.publish(_ended(record.update, "failed"))
        self._line_moved()

    def _can_take(self) -> bool:
        return self._n_waiting > len(self._returned) or self._next_returned() is not None

    def _next_returned(self) -> _Record | None:
        """The oldest one to be taken up again; suspects one at a time, so that what brings a
        worker down is given up, and not what was written beside it."""
        one_is_tried = any(record.is_suspect for record in self._writing.values())
        return next((r for r in self._returned if not (r.is_suspect and one_is_tried)), None)

    def _take(self) -> _Record:
        record = self._next_returned()
        if record is not None:
            self._returned.remove(record)
        else:
            member = min(
                (m for m, lane in self._lanes.items() if lane.waiting),
                key=lambda m: (self._lanes[m].writing, self._lanes[m].last_turn),
            )
            record = self._lanes[member].waiting.popleft()
        self._n_waiting -= 1
        self._turn += 1
        record.turn = self._turn
        lane = self._lane(record.job.member)
        lane.last_turn = self._turn
        lane.writing += 1
        self._writing[record.job.story_id] = record
        return record

    # -- the line ------------------------------------------------------------------------------
    @property
    def _slots(self) -> int:
        return sum(writer.slots for writer in self._writers)

    def _lane(self, member: str) -> _Lane:
        return self._lanes.setdefault(member, _Lane())

    def _drop_idle_lanes(self) -> None:
        """Forget members without a job, unless they had a turn after someone who still waits:
        whoever asks for one story at a time would else be new, and first, each time."""
        oldest = min(
            (lane.last_turn for lane in self._lanes.values() if lane.waiting), default=self._turn
        )
        for member, lane in list(self._lanes.items()):
            if not lane.waiting and lane.writing == 0 and lane.last_turn <= oldest:
                del self._lanes[member]

    def _waiting_order(self) -> tuple[int, ...]:
        if self._order is None:
            self._order = tuple(self._foresee())
        return self._order

    def _foresee(self) -> Iterator[int]:
        """Story ids in the order `_take` will choose them, if stories end in the order they
        began and no other comes. Always so for a single slot."""
        returned = deque(record.job for record in self._returned)
        waiting = {m: deque(r.job for r in lane.waiting) for m, lane in self._lanes.items()}
        writing = {m: lane.writing for m, lane in self._lanes.items()}
        last_turn = {m: lane.last_turn for m, lane in self._lanes.items()}
        place = {m: n for n, m in enumerate(self._lanes)}  # the first of equals goes first
        running = deque(record.job.member for record in self._writing.values())
        slots = self._slots
        heap: list[tuple[int, int, int, str]] = []

        def consider(member: str) -> None:
            if waiting.get(member):
                entry = (writing[member], last_turn[member], place[member], member)
                heapq.heappush(heap, entry)

        for member in self._lanes:
            consider(member)
        for turn in range(self._turn + 1, self._turn + 1 + self._n_waiting):
            while len(running) >= max(1, slots):
                writing[ended := running.popleft()] -= 1
                consider(ended)
            if returned:
                job = returned.popleft()
            else:
                n_writing, turn_before, _, member = heapq.heappop(heap)
                while (n_writing, turn_before) != (writing[member], last_turn[member]):
                    n_writing, turn_before, _, member = heapq.heappop(heap)  # outdated
                job = waiting[member].popleft()
            writing[job.member] = writing.get(job.member, 0) + 1
            last_turn[job.member] = turn
            running.append(job.member)
            consider(job.member)
            yield job.story_id

    def _with_position(self, update: JobUpdate) -> JobUpdate:
        if update.event != "waiting":
            return update
        ahead = self._waiting_order().index(update.story_id)
        return JobUpdate(
            update.story_id,
            update.attempt,
            "waiting",
            position=ahead + 1,
            expected_wait_s=self._wait_behind(ahead) if self._slots else None,
        )

    def _wait_behind(self, ahead: int) -> float:
        """Seconds until a job with `ahead` others before it begins."""
        busy, slots = len(self._writing), self._slots
        return self._average_s * max(0, ahead + 1 + busy - slots) / max(1, slots)

    def _line_moved(self) -> None:
        """Wake whoever waits for a job, and let every waiting job hear its new position."""
        self._order = None
        self._drop_idle_lanes()
        self._arrival.set()
        for record in self._records.values():
            if record.update.event == "waiting":
                record.changed.set()


def _ended(last: JobUpdate, event: JobEvent) -> JobUpdate:
    """The final update of a job that did not finish, keeping what was written."""
    return replace(last, event=event, position=None, expected_wait_s=None)
