"""Workers are killed, stopped, replaced, slow; stories come out whole, and once."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter

import pytest
from drills.conftest import Drill
from fakes.core import caller

from bot.domain import Status


async def test_kill_9_of_a_worker_in_the_middle_of_eight_stories(drill: Drill) -> None:
    """Others write them, once each, and whoever reads along sees the text begin anew."""
    doomed = await drill.start_worker(slots=8)
    ids = await drill.ask(8)
    seen: dict[int, list[str]] = {story_id: [] for story_id in ids}

    async def read_along(story_id: int) -> None:
        async for update in drill.core.service.watch(story_id):
            seen[story_id].append(update.story.text)

    readers = [asyncio.create_task(read_along(story_id)) for story_id in ids]
    await drill.begun(ids)
    doomed.send_signal(signal.SIGKILL)
    await drill.start_worker(slots=4)
    await drill.start_worker(slots=4)
    await drill.all_finish(ids)
    await asyncio.gather(*readers)
    for texts in seen.values():
        assert any("-2" in text for text in texts[: texts.index("", 1)]), "begun before the kill"
        assert texts[-1].endswith(".")
        assert all(texts[-1].startswith(text.rstrip()) for text in texts), "no foreign word"


async def test_sigterm_lets_a_worker_finish_what_it_began(drill: Drill) -> None:
    leaving = await drill.start_worker(slots=4, WORKER_GRACE_S="300")
    ids = await drill.ask(6)
    await drill.begun(ids[:4])
    leaving.send_signal(signal.SIGTERM)
    assert await leaving.wait() == 0
    assert [story.status for story in await drill.ended(ids[:4])] == [Status.FINISHED] * 4
    await drill.becomes(lambda state: not state.workers and state.waiting == tuple(ids[4:]))
    await drill.start_worker()
    await drill.all_finish(ids)


async def test_a_worker_out_of_time_hands_its_stories_back(drill: Drill) -> None:
    """To the head of the line, and it does not count as an attempt that failed."""
    leaving = await drill.start_worker(slots=2, step_s=0.3, WORKER_GRACE_S="0.2")
    ids = await drill.ask(4)
    await drill.begun(ids[:2])
    leaving.send_signal(signal.SIGTERM)
    assert await leaving.wait() == 0
    state = await drill.becomes(lambda state: not state.writing)
    assert state.waiting == tuple(ids)
    await drill.start_worker()
    await drill.all_finish(ids)
    assert {(await drill.core.row(story_id)).attempts for story_id in ids} == {1}


async def test_a_model_is_replaced_without_a_gap(drill: Drill) -> None:
    """The new worker joins, the old one stops: no story is refused, or begun anew."""
    old = await drill.start_worker(slots=2, WORKER_GRACE_S="300")
    ids = await drill.ask(4)
    await drill.begun(ids[:2])
    await drill.start_worker(slots=2)
    old.send_signal(signal.SIGTERM)
    ids += await drill.ask(2, "road")
    await drill.all_finish(ids)
    assert await old.wait() == 0
    assert drill.n_deliveries() == len(ids)


async def test_a_worker_with_another_model_gets_nothing(drill: Drill) -> None:
    await drill.start_worker(MODEL="another")
    ids = await drill.ask(2)
    await asyncio.sleep(1.0)
    state = await drill.core.queue.state()
    assert (state.slots, state.workers, state.waiting) == (0, (), tuple(ids))
    await drill.start_worker()
    await drill.all_finish(ids)


async def test_a_slow_worker_keeps_its_stories(drill: Drill) -> None:
    """It is silent for longer than a dead one is given; but it lives."""
    await drill.start_worker(slots=1, step_s=2.0)
    [slow] = await drill.ask(1, "slow")
    await drill.becomes(lambda state: state.writing == (slow,))
    await drill.start_worker(slots=4)
    ids = await drill.ask(8)
    await drill.all_finish(ids)
    await asyncio.sleep(1.0)
    assert (await drill.core.queue.state()).writing == (slow,), "where it was"
    await drill.core.service.cancel(caller("slow0"), slow)
    assert (await drill.ended([slow]))[0].status is Status.CANCELLED
    drill.check([slow], Counter(cancelled=1))
    assert drill.n_deliveries() == 9


async def test_a_story_that_kills_its_workers_is_given_up_and_its_neighbours_are_not(
    drill: Drill,
) -> None:
    [poison] = await drill.ask(1, "poison")
    ids = await drill.ask(3)
    for _ in range(3):
        worker = await drill.start_worker(slots=4, step_s=0.1)
        assert await worker.wait() == -signal.SIGKILL
        await drill.becomes(lambda state: not state.workers)
    await drill.start_worker(slots=4)
    await drill.all_finish(ids)
    [story] = await drill.ended([poison])
    assert (story.status, story.failure) == (Status.FAILED, "failure-gave-up")
    drill.check([poison], Counter(failed=1))


async def test_cancelled_stories_stop_at_their_worker(drill: Drill) -> None:
    await drill.start_worker(slots=2, step_s=0.06)
    ids = await drill.ask(4)
    await drill.begun(ids[:2])
    for n in (0, 3):
        await drill.core.service.cancel(caller(f"house{n}"), ids[n])
    stories = await drill.ended([ids[0], ids[3]])
    assert [story.status for story in stories] == [Status.CANCELLED] * 2
    assert "-2" in stories[0].text
    await drill.begun([ids[2]])
    drill.check([ids[0], ids[3]], Counter(cancelled=2))
    await drill.all_finish([ids[1], ids[2]])


async def test_clocks_that_jump_disturb_nobody(
    drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's and the bot's clocks are off by an hour, one way and the other."""
    worker = await drill.start_worker(slots=4, step_s=0.08)
    true_time = time.time
    ids = await drill.ask(4)
    for offset in (-3600.0, 7200.0, 0.0):
        await drill.begun(ids)
        worker.send_signal(signal.SIGUSR1)
        monkeypatch.setattr(time, "time", lambda offset=offset: true_time() + offset)
        await asyncio.sleep(0.7)
    await drill.all_finish(ids)
    assert drill.n_deliveries() == len(ids)
    assert len((await drill.core.queue.state()).workers) == 1
