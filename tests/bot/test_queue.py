"""The queue's contract, and the memory queue's fairness and forecast.

A queue of another kind joins the contract by one more line in `QUEUES`. Over Redis the contract is
kept by a real server; the part of it that speaks of the line is at once, the rest in a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest
from fakes.core import PATIENCE_S, eventually
from fakes.queue_at_work import last_of, working
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import redis

from bot.errors import QueueFull, SettingsError
from bot.queue import (
    Job,
    JobUpdate,
    QueueState,
    SentBack,
    StoryQueue,
    WorkerState,
    open_queue,
)
from bot.queue.memory import FIRST_GUESS_S, MAX_CRASHES, MemoryQueue
from model.engine import EngineInfo, GenerationFailed, GenerationRequest

MakeQueue = Callable[..., asyncio.Future[StoryQueue]]
QUEUES = ("memory", "redis")
INFO = EngineInfo("pen", "1", None, 0, 100, "hand", "ink", True)


def job(story_id: int, member: str = "ada", attempt: int = 1) -> Job:
    return Job(story_id, attempt, member, GenerationRequest("horror", f"story {story_id}"))


@dataclass
class Pen:
    """A writer whose every story waits for the test's word."""

    slots: int = 1
    info: EngineInfo = INFO
    taken: list[int] = field(default_factory=list)
    words: dict[int, asyncio.Queue[str]] = field(default_factory=dict)
    stopped: list[int] = field(default_factory=list)

    async def write(self, job: Job) -> AsyncGenerator[JobUpdate, None]:
        self.taken.append(job.story_id)
        words = self.words.setdefault(job.story_id, asyncio.Queue())
        text = ""
        try:
            while (word := await words.get()) != "end":
                if word == "fail":
                    raise GenerationFailed("out of ink")
                if word == "break":
                    raise ZeroDivisionError
                if word == "forget":
                    return
                text += word
                yield JobUpdate(job.story_id, job.attempt, "writing", completion=text)
            yield JobUpdate(
                job.story_id,
                job.attempt,
                "finished",
                completion=text,
                finish_reason="stop",
                engine=self.info,
            )
        finally:
            self.stopped.append(job.story_id)

    def say(self, story_id: int, *words: str) -> None:
        for word in words:
            self.words.setdefault(story_id, asyncio.Queue()).put_nowait(word)

    async def has_taken(self, *story_ids: int) -> None:
        """In this order, where it takes one at a time."""
        await eventually(lambda: len(self.taken) >= len(story_ids))
        if self.slots == 1:
            assert self.taken == list(story_ids)
        else:
            assert sorted(self.taken) == sorted(story_ids)


async def becomes(queue: StoryQueue, wanted: Callable[[QueueState], bool]) -> QueueState:
    """The queue's first state seen of which `wanted` is true."""
    state = await queue.state()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not wanted(state):
                await asyncio.sleep(0.001)
                state = await queue.state()
    except TimeoutError:
        raise AssertionError(state) from None
    return state


async def heard(updates: AsyncIterator[JobUpdate], event: str, completion: str = "") -> JobUpdate:
    async with asyncio.timeout(PATIENCE_S):
        async for update in updates:
            if update.event == event and update.completion == completion:
                return update
    raise AssertionError(f"never heard {event}")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not redis.is_installed():
        pytest.skip(redis.WHY_SKIPPED)
    with redis.RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(params=QUEUES)
async def make_queue(request: pytest.FixtureRequest) -> AsyncIterator[MakeQueue]:
    url = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    model = secrets.token_hex(4)  # tests share the server, and not what is in it
    async with AsyncExitStack() as stack:

        async def make(max_waiting: int = 100) -> StoryQueue:
            return await stack.enter_async_context(
                open_queue(url, max_waiting=max_waiting, model=model)
            )

        yield make  # type: ignore[misc]


@pytest.fixture
async def queue(make_queue: MakeQueue) -> StoryQueue:
    return await make_queue()


# -- the contract ----------------------------------------------------------------------------------
async def test_a_job_is_heard_from_waiting_to_finished(queue: StoryQueue) -> None:
    pen = Pen()
    await queue.submit(job(1, attempt=2))
    updates = queue.updates(1)
    assert await anext(updates) == JobUpdate(1, 2, "waiting", position=1)
    async with working(queue, pen):
        await heard(updates, "writing")
        pen.say(1, "a")
        await heard(updates, "writing", "a")
        pen.say(1, "b", "end")
        finished = await heard(updates, "finished", "ab")
        assert (finished.attempt, finished.finish_reason, finished.engine) == (2, "stop", INFO)
        with pytest.raises(StopAsyncIteration):
            await anext(updates)
        state = await becomes(queue, lambda state: not state.writing)
        [worker] = state.workers
        assert worker == WorkerState(worker.name, 1, INFO)
        assert state == QueueState(
            slots=1, engine=INFO, expected_wait_s=state.expected_wait_s, workers=(worker,)
        )


async def test_jobs_of_one_member_are_taken_in_their_order(queue: StoryQueue) -> None:
    pen = Pen()
    for n in (3, 1, 2):
        await queue.submit(job(n))
        pen.say(n, "end")
    async with working(queue, pen):
        await pen.has_taken(3, 1, 2)


async def test_ten_jobs_of_one_member_do_not_delay_another_ones_first(queue: StoryQueue) -> None:
    pen = Pen()
    for n in range(1, 11):
        await queue.submit(job(n, "ada"))
    async with working(queue, pen):
        await pen.has_taken(1)
        await queue.submit(job(20, "ben"))
        pen.say(1, "end")
        await pen.has_taken(1, 20)
        pen.say(20, "end")
        await pen.has_taken(1, 20, 2)


async def test_a_full_queue_refuses_with_the_expected_wait(
    make_queue: MakeQueue,
) -> None:
    queue = await make_queue(2)
    pen = Pen()
    async with working(queue, pen):
        await queue.submit(job(1))
        await pen.has_taken(1)
        await queue.submit(job(2))
        await queue.submit(job(3))
        with pytest.raises(QueueFull) as refused:
            await queue.submit(job(4, "ben"))
        assert refused.value.expected_wait_s == (await queue.state()).expected_wait_s
        assert refused.value.expected_wait_s == 3 * FIRST_GUESS_S
        assert (await queue.state()).waiting == (2, 3)
        await queue.submit(job(5, "eve"), even_if_full=True)
        assert (await queue.state()).waiting == (5, 2, 3)


async def test_the_same_story_is_not_queued_twice(queue: StoryQueue) -> None:
    await queue.submit(job(1))
    with pytest.raises(ValueError, match="story 1"):
        await queue.submit(job(1, attempt=2))


@pytest.mark.parametrize("mishap", ["fail", "break", "forget"])
async def test_a_failed_job_leaves_the_others_and_can_be_submitted_again(
    queue: StoryQueue, mishap: str
) -> None:
    pen = Pen(slots=2)
    await queue.submit(job(1, "ada"))
    await queue.submit(job(2, "ben"))
    async with working(queue, pen):
        await pen.has_taken(1, 2)
        pen.say(1, "so far", mishap)
        async for update in queue.updates(1):
            if update.is_final:  # leave at once, as the follower does
                break
        assert (update.event, update.completion) == ("failed", "so far")
        await queue.submit(job(1, "ada", attempt=2))
        pen.say(2, "end")
        assert (await last_of(queue, 2)).event == "finished"
        pen.say(1, "end")
        again = await last_of(queue, 1)
        assert (again.event, again.attempt) == ("finished", 2)


async def test_cancel_while_waiting(queue: StoryQueue) -> None:
    for n in (1, 2, 3):
        await queue.submit(job(n))
    await queue.cancel(2)
    assert (await last_of(queue, 2)).event == "cancelled"
    assert (await queue.state()).waiting == (1, 3)
    await queue.submit(job(2, attempt=2))
    assert (await queue.state()).waiting == (1, 3, 2)


async def test_cancel_while_writing_keeps_the_text_and_frees_the_slot(queue: StoryQueue) -> None:
    pen = Pen()
    await queue.submit(job(1))
    await queue.submit(job(2))
    async with working(queue, pen):
        updates = queue.updates(1)
        pen.say(1, "so far")
        await heard(updates, "writing", "so far")
        await queue.cancel(1)
        assert (await heard(updates, "cancelled", "so far")).is_final
        await pen.has_taken(1, 2)
        assert pen.stopped == [1]
        assert (await queue.state()).writing == (2,)


async def test_cancel_what_ended_or_never_was(queue: StoryQueue) -> None:
    await queue.cancel(9)
    pen = Pen()
    await queue.submit(job(1))
    pen.say(1, "end")
    async with working(queue, pen):
        updates = queue.updates(1)
        await heard(updates, "finished")
        await queue.cancel(1)
        await queue.cancel(1)
        with pytest.raises(StopAsyncIteration):
            await anext(updates)


async def test_a_finish_that_the_cancel_did_not_stop_is_heard_as_finished(
    queue: StoryQueue,
) -> None:
    pen = Pen()
    await queue.submit(job(1))
    pen.say(1, "end")
    async with working(queue, pen):
        await eventually(lambda: pen.stopped == [1])
        await becomes(queue, lambda state: not state.writing)
        await queue.cancel(1)
        assert (await last_of(queue, 1)).event == "finished"


async def test_a_worker_that_leaves_puts_its_jobs_back_at_the_head(queue: StoryQueue) -> None:
    pen = Pen(slots=2)
    for n, member in ((1, "ada"), (2, "ada"), (3, "ben"), (4, "eve"), (5, "eve")):
        await queue.submit(job(n, member))
    async with working(queue, pen):
        await pen.has_taken(1, 3)
        pen.say(3, "end")
        await pen.has_taken(1, 3, 4)
        updates = queue.updates(1)
        pen.say(1, "so far")
        await heard(updates, "writing", "so far")
    state = await becomes(queue, lambda state: state.slots == 0 and not state.writing)
    assert state.waiting[:2] == (1, 4)
    assert await heard(updates, "waiting") == JobUpdate(1, 1, "waiting", position=1)
    assert pen.stopped == [3, 1, 4] or pen.stopped == [3, 4, 1]

    later = Pen()
    for n in state.waiting:
        later.say(n, "end")
    async with working(queue, later):
        await later.has_taken(*state.waiting)
        assert (await heard(updates, "finished")).completion == ""


async def test_a_job_put_back_can_be_cancelled(queue: StoryQueue) -> None:
    pen = Pen()
    await queue.submit(job(1))
    async with working(queue, pen):
        await pen.has_taken(1)
    await becomes(queue, lambda state: state.waiting == (1,))
    await queue.cancel(1)
    assert (await last_of(queue, 1)).event == "cancelled"
    assert (await queue.state()).waiting == ()


async def test_two_workers_share_the_line(queue: StoryQueue) -> None:
    one, two = Pen(slots=1), Pen(slots=2)
    for n in range(1, 6):
        await queue.submit(job(n, f"member {n}"))
    async with working(queue, one), working(queue, two):
        await eventually(lambda: len(one.taken) + len(two.taken) == 3)
        state = await becomes(queue, lambda state: state.slots == 3)
        assert (state.slots, sorted(state.writing), state.waiting) == (3, [1, 2, 3], (4, 5))
        assert (len(one.taken), len(two.taken)) == (1, 2)
        one.say(one.taken[0], "end")
        await eventually(lambda: len(one.taken) == 2)
    state = await becomes(queue, lambda state: state.slots == 0 and not state.writing)
    assert len(state.waiting) == 4


async def test_a_worker_that_leaves_does_not_disturb_the_other(queue: StoryQueue) -> None:
    stays, goes = Pen(), Pen()
    await queue.submit(job(1, "ada"))
    async with working(queue, stays):
        await stays.has_taken(1)
        async with working(queue, goes):
            await queue.submit(job(2, "ben"))
            await goes.has_taken(2)
        await becomes(queue, lambda state: state.waiting == (2,))
        stays.say(1, "end")
        stays.say(2, "end")
        assert (await last_of(queue, 1)).event == "finished"
        assert (await last_of(queue, 2)).event == "finished"


async def test_positions_follow_the_line(queue: StoryQueue) -> None:
    pen = Pen()
    async with working(queue, pen):
        await queue.submit(job(1, "ada"))
        await pen.has_taken(1)
        await becomes(queue, lambda state: state.slots == 1)
        for n in (2, 3, 4):
            await queue.submit(job(n, "ada"))
        updates = queue.updates(4)
        first = await anext(updates)
        assert (first.position, first.expected_wait_s) == (3, 3 * FIRST_GUESS_S)
        await queue.submit(job(5, "ben"))
        assert (await anext(updates)).position == 4
        await queue.cancel(2)
        assert (await anext(updates)).position == 3


def test_a_url_that_names_no_queue() -> None:
    with pytest.raises(SettingsError, match="QUEUE_URL"):
        open_queue("carrier-pigeon://coop")


def test_redis_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("bot.queue.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "saq.queue.redis", None)
    with pytest.raises(SettingsError, match=r"library saq is not .* pip install 'cliffhanger\[re"):
        open_queue("rediss://:sesame@coop:6379")


# -- the memory queue's inside ---------------------------------------------------------------------
async def test_cancel_between_the_taking_and_the_first_step() -> None:
    queue, pen = MemoryQueue(10), Pen()
    await queue.submit(job(1))
    await queue.submit(job(2))
    async with working(queue, pen):
        while not queue._writing:
            await asyncio.sleep(0)
        assert pen.taken == []  # its task is made, and has not run
        await queue.cancel(1)
        assert (await last_of(queue, 1)).event == "cancelled"
        await pen.has_taken(2)


async def test_nothing_is_left_after_everything_ended() -> None:
    pen = Pen(slots=2)
    async with MemoryQueue(100) as queue, working(queue, pen):
        for n in range(1, 21):
            await queue.submit(job(n, f"member {n % 5}"))
            pen.say(n, *(["fail"] if n % 3 == 0 else ["a", "end"]))
        await queue.cancel(20)
        await queue.cancel(1)
        events = Counter([(await last_of(queue, n)).event for n in range(1, 21)])
        assert events == {"finished": 12, "failed": 6, "cancelled": 2}
        assert (queue._records, queue._lanes, queue._writing, queue._returned) == ({}, {}, {}, [])
        assert queue._n_waiting == 0


async def test_closing_stops_what_is_being_written() -> None:
    pen = Pen()
    async with MemoryQueue(10) as queue:
        await queue.submit(job(1))
        worker = asyncio.create_task(queue.work(pen))
        await pen.has_taken(1)
    assert pen.stopped == [1]
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker


async def test_the_expected_wait_learns_from_stories_written() -> None:
    async with MemoryQueue(100) as queue:
        pen = Pen()
        for n in range(1, 30):
            await queue.submit(job(n))
            pen.say(n, "end")
        async with working(queue, pen):
            for n in range(1, 30):
                await last_of(queue, n)
            await becomes(queue, lambda state: not state.writing)
            assert (await queue.state()).expected_wait_s == 0.0
            assert 0 < queue._average_s < FIRST_GUESS_S / 100


class Dies(Pen):
    """A worker that vanishes whenever it writes story 1, and with it all it writes."""

    async def write(self, job: Job) -> AsyncGenerator[JobUpdate, None]:
        self.taken.append(job.story_id)
        yield JobUpdate(job.story_id, job.attempt, "writing")
        await asyncio.sleep(0)  # others begin
        if job.story_id == 1:
            for word in self.words.values():
                word.put_nowait("vanish")
            raise SentBack("gone", worker_vanished=True)
        words = self.words.setdefault(job.story_id, asyncio.Queue())
        if await words.get() == "vanish":
            raise SentBack("gone", worker_vanished=True)
        yield JobUpdate(job.story_id, job.attempt, "finished")


async def test_a_job_that_brings_workers_down_is_given_up_and_those_beside_it_are_not() -> None:
    pen = Dies(slots=8)
    async with MemoryQueue(10) as queue:
        for n in range(1, 5):
            await queue.submit(job(n, f"member {n}"))
        async with working(queue, pen):
            poison = await last_of(queue, 1)
            assert (poison.event, poison.gave_up) == ("failed", True)
            assert pen.taken.count(1) == MAX_CRASHES
            for n in (2, 3, 4):
                pen.say(n, "end")
                assert (await last_of(queue, n)).event == "finished"
        assert queue._records == {}


# Properties. A scenario is a list of arrivals between takes: the members who ask before each one.
MEMBERS = "abcde"
arrivals = st.lists(st.lists(st.sampled_from(MEMBERS), max_size=4), min_size=1, max_size=12)


async def run_scenario(
    scenario: list[list[str]], slots: int, watch: Callable[[MemoryQueue, list[Job]], None]
) -> list[Job]:
    """Take jobs one by one as slots free up, oldest story ending first; the jobs in that order.

    `watch` sees the queue and the jobs waiting just before each take.
    """
    queue = MemoryQueue(1000)
    queue._writers.append(Pen(slots=slots))
    waiting: dict[int, Job] = {}
    taken: list[Job] = []
    running: list[int] = []
    number = 0
    steps = [*scenario, *([[]] * sum(map(len, scenario)))]
    for members in steps:
        for member in members:
            number += 1
            waiting[number] = job(number, member)
            await queue.submit(waiting[number])
        if not waiting:
            continue
        if len(running) == slots:
            end(queue, running.pop(0))
        watch(queue, list(waiting.values()))
        record = queue._take()
        record.publish(JobUpdate(record.job.story_id, 1, "writing"))
        record.task = asyncio.create_task(asyncio.sleep(0))
        queue._line_moved()
        running.append(record.job.story_id)
        taken.append(waiting.pop(record.job.story_id))
    await asyncio.sleep(0)
    return taken


def end(queue: MemoryQueue, story_id: int) -> None:
    record = queue._writing[story_id]
    record.publish(JobUpdate(story_id, 1, "finished"))
    assert record.task is not None
    queue._settle(record, record.task)


@given(arrivals)
@settings(max_examples=200, deadline=None)
def test_nobody_who_waits_is_passed_over_twice_by_the_same_member(
    scenario: list[list[str]],
) -> None:
    """One slot. Between two turns of a member who has a job waiting all the while, any other
    member has at most one."""
    waits: list[list[Job]] = []
    taken = asyncio.run(run_scenario(scenario, 1, lambda queue, jobs: waits.append(jobs)))
    for member in MEMBERS:
        passed_by: Counter[str] = Counter()
        for chosen, jobs in zip(taken, waits, strict=True):
            if chosen.member == member or not any(job.member == member for job in jobs):
                passed_by.clear()
            else:
                passed_by[chosen.member] += 1
                assert max(passed_by.values()) == 1, (member, passed_by)


@given(arrivals, st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_a_slot_goes_to_one_who_has_fewest(scenario: list[list[str]], slots: int) -> None:
    """Among those who wait, never to a member who has more stories being written than another."""
    writing: list[Counter[str]] = []
    waits: list[list[Job]] = []

    def watch(queue: MemoryQueue, jobs: list[Job]) -> None:
        writing.append(Counter(record.job.member for record in queue._writing.values()))
        waits.append(jobs)

    taken = asyncio.run(run_scenario(scenario, slots, watch))
    for chosen, jobs, counts in zip(taken, waits, writing, strict=True):
        assert counts[chosen.member] == min(counts[job.member] for job in jobs)


@given(st.lists(st.sampled_from(MEMBERS), min_size=1, max_size=20), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_the_line_shown_is_the_line_taken(members: list[str], slots: int) -> None:
    """With no newcomers, and stories ending in the order they began."""
    shown: list[tuple[int, ...]] = []
    taken = asyncio.run(
        run_scenario([members], slots, lambda queue, jobs: shown.append(queue._waiting_order()))
    )
    order = tuple(job.story_id for job in taken)
    assert shown == [order[n:] for n in range(len(order))]


@given(arrivals, st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_the_next_one_shown_is_the_next_one_taken(scenario: list[list[str]], slots: int) -> None:
    """Whoever comes meanwhile, and no idle member is kept in mind for nothing."""
    heads: list[int] = []

    def watch(queue: MemoryQueue, jobs: list[Job]) -> None:
        assert sorted(queue._waiting_order()) == sorted(job.story_id for job in jobs)
        assert set(queue._lanes) <= set(MEMBERS)
        heads.append(queue._waiting_order()[0])

    taken = asyncio.run(run_scenario(scenario, slots, watch))
    assert [job.story_id for job in taken] == heads
