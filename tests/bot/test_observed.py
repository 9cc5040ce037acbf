"""Store, queue and engine behave as they do without being observed, and are counted."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import pytest
from fakes.core import Core, Gate, caller, eventually
from fakes.counts import Counts

from bot.errors import OwnStory
from bot.observed import ObservedEngine, observed_queue, observed_store
from bot.queue import Job, open_queue
from bot.worker import StoryWriter
from model.engine import GenerationFailed, GenerationRequest
from model.scripted_engine import ScriptedEngine

REQUEST = GenerationRequest("horror", "A house")


async def test_votes_are_counted_once_they_are_cast(core: Core) -> None:
    story = await core.finished("ada")
    store = observed_store(core.store)
    ada, _ = await store.enter(caller("ada"))
    bob, _ = await store.enter(caller("bob"))
    counts = Counts()
    assert (await store.cast_vote(bob.id, story.id, 1)).ups == 1
    assert (await store.cast_vote(bob.id, story.id, -1)).downs == 1
    assert (await store.cast_vote(bob.id, story.id, 0)).downs == 0
    with pytest.raises(OwnStory):
        await store.cast_vote(ada.id, story.id, 1)
    votes = [counts("votes_total", value=value) for value in ("up", "down", "clear")]
    assert votes == [1, 1, 1]
    assert counts("store_call_seconds_count", call="cast_vote") == 4


async def test_every_call_of_the_store_is_timed_by_its_name(core: Core) -> None:
    store = observed_store(core.store)
    counts = Counts()
    for _ in range(3):
        assert await store.story(1) is None
    assert counts("store_call_seconds_count", call="story") == 3
    assert 0 < counts("store_call_seconds_sum", call="story") < 30


async def test_waits_are_told_from_a_jobs_place_in_line() -> None:
    gate = Gate()
    gate.hold()
    async with open_queue("memory://") as plain, ScriptedEngine(step=gate.step, slots=1) as engine:
        queue = observed_queue(plain)
        counts = Counts()
        await queue.submit(Job(1, 1, "ada", REQUEST))
        worker = asyncio.create_task(queue.work(StoryWriter(engine, publish_interval_s=0)))
        events = []
        async for update in queue.updates(1):
            events.append(update.event)
            gate.open()
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker
        assert (events[0], events[-1]) == ("waiting", "finished")
        assert (await queue.state()).writing == ()
    assert counts("queue_wait_seconds_count") == 1
    assert counts("first_text_seconds_count") == 1
    assert counts("first_text_seconds_sum") >= counts("queue_wait_seconds_sum") > 0


async def test_a_worker_counts_its_stories_and_tokens() -> None:
    gate = Gate()
    gate.hold()
    plain = ScriptedEngine(
        lambda request: " one two three",
        step=gate.step,
        slots=3,
        fail_on=lambda request: request.genre == "drama",
    )
    async with plain:
        counts = Counts()
        engine = ObservedEngine(plain)
        assert (engine.slots, engine.info) == (3, plain.info)

        async def write(genre: str) -> str:
            request = GenerationRequest(genre)
            async with aclosing(engine.generate(request)) as chunks:
                return "".join([chunk.text async for chunk in chunks])

        tasks = [asyncio.create_task(write(genre)) for genre in ("horror", "drama", "action")]
        await eventually(lambda: counts("worker_writing_stories") == 3)
        tasks[2].cancel()
        await eventually(lambda: counts("worker_writing_stories") == 2)
        gate.open()
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert done[0] == " one two three"
    assert isinstance(done[1], GenerationFailed)
    assert isinstance(done[2], asyncio.CancelledError)
    outcomes = ("finished", "failed", "stopped")
    assert [counts("worker_stories_total", outcome=one) for one in outcomes] == [1, 1, 1]
    assert counts("worker_tokens_total") == 3
    assert counts("worker_first_text_seconds_count") == 1
    assert counts("worker_writing_stories") == 0
