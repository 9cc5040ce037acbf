"""The worker between a queue and an engine: what it publishes, how often, and when it stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from fakes.core import Clock, Gate, eventually

from bot import worker
from bot.queue import Job, JobUpdate, open_queue
from bot.worker import StoryWriter
from model.engine import GenerationFailed, GenerationRequest, SamplingParams, TextChunk
from model.scripted_engine import ScriptedEngine

JOB = Job(7, 2, "ada", GenerationRequest("horror", "A house"))


async def written(engine: ScriptedEngine, interval_s: float = 0.0) -> list[JobUpdate]:
    writer = StoryWriter(engine, publish_interval_s=interval_s)
    return [update async for update in writer.write(JOB)]


async def test_updates_tell_the_text_so_far_and_at_last_its_provenance() -> None:
    async with ScriptedEngine(lambda request: " stood there.") as engine:
        updates = await written(engine)
    assert [(u.event, u.completion, u.n_tokens) for u in updates] == [
        ("writing", "", 0),
        ("writing", " stood", 1),
        ("writing", " stood there.", 2),
        ("finished", " stood there.", 2),
    ]
    assert {(u.story_id, u.attempt) for u in updates} == {(7, 2)}
    last = updates[-1]
    assert (last.finish_reason, last.engine) == ("stop", engine.info)
    assert [u.engine for u in updates[:-1]] == [None, None, None]
    assert last.seconds >= updates[-2].seconds >= 0


async def test_a_story_cut_at_its_limit_says_so() -> None:
    job = Job(7, 1, "ada", GenerationRequest("horror", "", SamplingParams(max_new_tokens=2)))
    async with ScriptedEngine(lambda request: "one two three") as engine:
        updates = [update async for update in StoryWriter(engine).write(job)]
    assert (updates[-1].finish_reason, updates[-1].completion) == ("length", "one two")


async def test_updates_are_not_more_frequent_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()

    async def step() -> None:
        clock.now += 1.0

    monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=clock))
    async with ScriptedEngine(lambda request: " word" * 10, step=step) as engine:
        updates = await written(engine, interval_s=4.0)
    assert [u.n_tokens for u in updates] == [0, 4, 8, 10]


async def test_an_engine_that_fails_fails_the_job() -> None:
    async with ScriptedEngine(fail_on=lambda request: True, fail_after=1) as engine:
        with pytest.raises(GenerationFailed):
            await written(engine)
        assert engine.running == 0


async def test_an_engine_that_ends_without_a_word_of_it_never_finishes() -> None:
    class Silent(ScriptedEngine):
        async def generate(self, request: GenerationRequest) -> AsyncIterator[TextChunk]:
            yield TextChunk("half", 1)

    async with Silent() as engine, open_queue("memory://") as queue:
        work = asyncio.create_task(queue.work(StoryWriter(engine)))
        await queue.submit(JOB)
        last = [update async for update in queue.updates(7)][-1]
        assert last.event == "failed"
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def test_no_more_stories_at_once_than_the_engine_has_slots() -> None:
    gate = Gate()
    gate.hold()
    async with ScriptedEngine(step=gate.step, slots=3) as engine, open_queue("memory://") as queue:
        work = asyncio.create_task(queue.work(StoryWriter(engine)))
        for n in range(8):
            await queue.submit(Job(n, 1, f"m{n}", GenerationRequest("horror")))
        await eventually(lambda: engine.running == 3)
        state = await queue.state()
        assert (len(state.writing), len(state.waiting), state.slots) == (3, 5, 3)
        gate.open()
        for n in range(8):
            assert [u async for u in queue.updates(n)][-1].event == "finished"
        assert engine.peak == 3
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work


async def test_closing_the_stream_stops_the_engine() -> None:
    gate = Gate()
    gate.hold()
    async with ScriptedEngine(step=gate.step) as engine:
        updates = StoryWriter(engine, publish_interval_s=0.0).write(JOB)
        gate.give(1)
        assert [(await anext(updates)).n_tokens for _ in range(2)] == [0, 1]
        assert engine.running == 1
        await updates.aclose()
        assert engine.running == 0


async def test_a_worker_that_finishes_takes_no_more_and_waits_for_what_is_written() -> None:
    gate = Gate()
    gate.hold()
    async with ScriptedEngine(step=gate.step, slots=2) as engine, open_queue("memory://") as queue:
        writer = StoryWriter(engine)
        work = asyncio.create_task(queue.work(writer))
        for n in range(3):
            await queue.submit(Job(n, 1, f"m{n}", GenerationRequest("horror")))
        await eventually(lambda: engine.running == 2)
        await writer.finish(grace_s=0.01)  # too short
        assert engine.running == 2
        finish = asyncio.create_task(writer.finish(grace_s=60))
        await asyncio.sleep(0)
        assert not finish.done()
        gate.open()
        await finish
        assert writer.slots == 0
        state = await queue.state()
        assert (state.waiting, state.writing, engine.running) == ((2,), (), 0)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
