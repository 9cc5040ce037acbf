"""A story from queued to closed when things go wrong around it: restarts, shutdowns, locks."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fakes.core import PATIENCE_S, Core, caller, eventually, telling

from bot import follower
from bot.domain import Post, Status, Story, StoryUpdate
from bot.errors import AlreadyEnded, DatabaseError, Stopping, StoreBusy, StoryNotFound
from bot.follower import Feed
from bot.store import database
from model.engine import GenerationRequest, SamplingParams
from model.scripted_engine import ScriptedEngine

MakeCore = Callable[..., Awaitable[Core]]
ADA, BEN = caller("ada"), caller("ben")


def update(text: str, status: Status = Status.WRITING) -> StoryUpdate:
    return StoryUpdate(
        Story(1, status, 1, 1, "Ada", "horror", "", "", text, SamplingParams(), created_at=0.0)
    )


# -- the feed --------------------------------------------------------------------------------------
async def test_a_slow_watcher_misses_only_stale_states() -> None:
    feed = Feed(update("a"))
    watcher = feed.watch()
    assert (await anext(watcher)).story.text == "a"
    for text in ("ab", "abc", "abcd"):
        feed.publish(update(text))
    assert (await anext(watcher)).story.text == "abcd"
    feed.publish(update("abcde", Status.FINISHED))
    assert (await anext(watcher)).story.text == "abcde"
    with pytest.raises(StopAsyncIteration):
        await anext(watcher)


async def test_every_watcher_of_a_closed_feed_is_let_go() -> None:
    feed = Feed(update("a"))
    seen: list[list[str]] = [[], []]

    async def watch(into: list[str]) -> None:
        async for one in feed.watch():
            into.append(one.story.text)  # noqa: PERF401 (as it comes)

    tasks = [asyncio.create_task(watch(into)) for into in seen]
    await eventually(lambda: seen == [["a"], ["a"]])
    feed.publish(update("ab"))
    feed.close()
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*tasks)
    assert seen == [["a", "ab"], ["a", "ab"]]
    assert [one.story.text async for one in feed.watch()] == ["ab"]


# -- stopping and starting again -------------------------------------------------------------------
async def test_open_stories_outlive_a_stop_and_are_finished_once_in_their_order(
    make_core: MakeCore,
) -> None:
    core = await make_core(engine=telling(" stood there. Alone."))
    core.gate.hold()
    ids = [(await core.service.write(ADA, "horror", f"House {n}")).id for n in range(4)]
    await core.service.add_post(Post(ids[2], "console", "channel", "message"))
    core.gate.give(1)
    await core.begun(ids[0], "stood")
    await core.stop()

    written: list[str] = []

    def remember(request: GenerationRequest) -> str:
        written.append(request.prompt)
        return " stood there. Alone."

    core = await make_core(engine=telling(remember), worker=False)
    unfinished = await core.store.unfinished_stories()
    assert [story.status for story in unfinished] == [Status.QUEUED] * 4
    assert await core.service.open_posts("console") == [
        Post(ids[2], "console", "channel", "message")
    ]
    waiting = await core.until(ids[0], lambda u: u.position is not None)
    assert (waiting.story.status, waiting.position) == (Status.QUEUED, 1)
    core.start_worker()
    ended = [await core.ended(story_id) for story_id in ids]
    assert written == ["House 0", "House 1", "House 2", "House 3"]
    assert [story.text for story in ended] == [f"House {n} stood there. Alone." for n in range(4)]
    assert [story.attempts for story in ended] == [1, 1, 1, 1], "a stop is no failure"
    assert await core.store.unfinished_stories() == []


async def test_more_open_stories_than_the_queue_takes_are_all_resumed(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    ids = [(await core.service.write(ADA, "horror", f"House {n}")).id for n in range(5)]
    await core.stop()
    core = await make_core(max_waiting=2)
    for story_id in ids:
        assert (await core.ended(story_id)).status is Status.FINISHED


async def test_a_story_that_brought_its_worker_down_three_times_is_given_up(
    make_core: MakeCore,
) -> None:
    core = await make_core(worker=False)
    poison = await core.service.write(ADA, "horror", "poison")
    other = await core.service.write(ADA, "horror", "fine")
    for _ in range(3):
        await core.store.begin_attempt(poison.id)
    await core.stop()
    core = await make_core()
    ended = await core.ended(poison.id)
    assert (ended.status, ended.failure, ended.attempts) == (Status.FAILED, "failure-gave-up", 3)
    assert (await core.ended(other.id)).status is Status.FINISHED


async def test_a_failure_after_a_restart_counts_on(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "bad")
    await core.store.begin_attempt(story.id)
    await core.stop()
    asked: list[str] = []

    def fails(request: GenerationRequest) -> bool:
        asked.append(request.prompt)
        return True

    core = await make_core(engine=lambda gate: ScriptedEngine(fail_on=fails))
    assert (await core.ended(story.id)).attempts == 3
    assert asked == ["bad", "bad"]


async def test_a_resumed_continuation_has_its_earlier_parts(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(" stood there."))
    first = await core.finished(prompt="A house")
    core.gate.hold()
    second = await core.service.continue_story(ADA, first.id, "Then")
    await core.stop()
    prompts: list[str] = []

    def remember(request: GenerationRequest) -> str:
        prompts.append(request.prompt)
        return " it fell."

    core = await make_core(engine=telling(remember))
    assert (await core.ended(second.id)).text == "Then it fell."
    assert prompts == ["A house stood there. Then"]


async def test_stopping_lets_watchers_go_and_leaves_stories_open(make_core: MakeCore) -> None:
    core = await make_core()
    core.gate.hold()
    story = await core.service.write(ADA, "horror", "A house")
    watched: list[StoryUpdate] = []

    async def watch() -> None:
        async for one in core.service.watch(story.id):
            watched.append(one)  # noqa: PERF401 (as it comes)

    watcher = asyncio.create_task(watch())
    await core.begun(story.id)
    await core.service.__aexit__()
    async with asyncio.timeout(PATIENCE_S):
        await watcher
    assert watched[-1].story.status is Status.WRITING
    assert (await core.row(story.id)).status is Status.QUEUED
    with pytest.raises(Stopping):
        await core.service.write(ADA, "horror", "Another")
    assert len(await core.store.unfinished_stories()) == 1


async def test_a_cancel_that_the_stop_overtakes_says_so(make_core: MakeCore) -> None:
    core = await make_core()
    core.gate.hold()
    story = await core.service.write(ADA, "horror", "A house")
    await core.begun(story.id)
    closing_story = asyncio.Event()

    async def busy(story_id: int, text: str = "") -> bool:
        closing_story.set()
        raise StoreBusy

    core.store.cancel_story = busy  # type: ignore[method-assign]
    cancelling = asyncio.create_task(core.service.cancel(ADA, story.id))
    await closing_story.wait()
    await core.service.__aexit__()
    with pytest.raises(Stopping):
        await cancelling
    assert (await core.row(story.id)).status is Status.QUEUED


async def test_a_story_asked_for_during_the_stop_is_refused_whole(make_core: MakeCore) -> None:
    core = await make_core(worker=False)
    add, added = core.store.add_story, asyncio.Event()

    async def slowly(new: object) -> Story:
        story = await add(new)  # type: ignore[arg-type]
        added.set()
        await asyncio.sleep(0.05)
        return story

    core.store.add_story = slowly  # type: ignore[method-assign]
    asking = asyncio.create_task(core.service.write(ADA, "horror", "A house"))
    await added.wait()
    await core.service.__aexit__()
    with pytest.raises(Stopping):
        await asking
    assert await core.store.unfinished_stories() == []
    assert not core.service._open._tasks


async def test_a_caller_who_goes_away_before_the_answer_leaves_no_story(
    make_core: MakeCore,
) -> None:
    core = await make_core(worker=False)
    first = await core.service.write(ADA, "horror", "A house")
    core.start_worker()
    await core.ended(first.id)
    read, reading = core.store.story, asyncio.Event()

    async def slowly(story_id: int) -> Story | None:
        if asyncio.current_task() is asking and (await read(story_id)) and reading_twice():
            reading.set()
            await asyncio.sleep(PATIENCE_S)
        return await read(story_id)

    times: list[int] = []

    def reading_twice() -> bool:
        times.append(1)
        return len(times) == 2  # the second time: the earlier parts, after it was recorded

    core.store.story = slowly  # type: ignore[method-assign]
    asking = asyncio.create_task(core.service.continue_story(ADA, first.id))
    await reading.wait()
    assert len(await core.store.unfinished_stories()) == 1
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await core.store.unfinished_stories() == []


async def test_its_worker_leaves_and_another_writes_the_story_anew(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(" stood there. Alone."))
    core.gate.hold()
    story = await core.service.write(ADA, "horror", "A house")
    core.gate.give(2)
    await core.begun(story.id, "there.")
    await core.stop_worker()
    waiting = await core.until(story.id, lambda u: u.position is not None)
    assert (waiting.story.status, waiting.story.text) == (Status.QUEUED, "")
    core.gate.open()
    core.start_worker()
    ended = await core.ended(story.id)
    assert (ended.status, ended.text) == (Status.FINISHED, "A house stood there. Alone.")


# -- a busy or broken database ---------------------------------------------------------------------
async def test_a_finished_story_is_kept_until_a_locked_database_takes_it(
    make_core: MakeCore, core_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            other.rollback()
        await asyncio.sleep(0)

    monkeypatch.setattr(follower, "_pause", pause)
    core = await make_core(engine=telling(" stood there. Alone."))
    core.gate.hold()
    story = await core.service.write(ADA, "horror", "A house")
    await core.begun(story.id)
    with closing(sqlite3.connect(core_database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        core.gate.open()
        ended = await core.ended(story.id)
    assert pauses == [1, 2, 4]
    assert (ended.status, ended.text) == (Status.FINISHED, "A house stood there. Alone.")
    assert await core.row(story.id) == ended


async def test_a_story_lost_to_a_broken_database_says_so_and_can_be_cancelled(
    make_core: MakeCore,
) -> None:
    core = await make_core(worker=False)
    story = await core.service.write(ADA, "horror", "A house")
    begin = core.store.begin_attempt

    async def broken(story_id: int) -> int | None:
        raise DatabaseError("the disk fell off")

    core.store.begin_attempt = broken  # type: ignore[method-assign]
    core.start_worker()
    lost = await core.until(story.id, lambda u: u.is_final)
    assert (lost.story.status, lost.story.failure) == (Status.FAILED, "failure-lost")
    assert (await core.row(story.id)).status is Status.QUEUED
    core.store.begin_attempt = begin  # type: ignore[method-assign]
    assert (await core.service.cancel(ADA, story.id)).status is Status.CANCELLED
    assert (await core.row(story.id)).status is Status.CANCELLED
    with pytest.raises(AlreadyEnded):
        await core.service.cancel(ADA, story.id)


async def test_nothing_is_kept_of_stories_that_ended(core: Core) -> None:
    for name in ("ada", "ben", "eve"):
        await core.finished(name)
    await eventually(lambda: not core.service._open._tasks)
    assert len(core.service._open) == 0
    assert not core.service._submission._asking
    assert not core.service.rounds._changed
    with pytest.raises(StoryNotFound):
        await core.ended(99)


async def test_a_story_just_being_finished_at_the_stop_is_finished(make_core: MakeCore) -> None:
    core = await make_core(engine=telling(" stood there. Alone."))
    finish, finishing = core.store.finish_story, asyncio.Event()
    with closing(sqlite3.connect(core.url.removeprefix("sqlite:///"))) as other:

        async def against_a_lock(*given: Any) -> bool:
            other.execute("BEGIN IMMEDIATE")
            asyncio.get_running_loop().call_later(0.05, finishing.set)
            return await finish(*given)

        core.store.finish_story = against_a_lock  # type: ignore[method-assign]
        story = await core.service.write(ADA, "horror", "A house")
        await finishing.wait()
        stopping = asyncio.create_task(core.service.__aexit__())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        other.rollback()
        await stopping
    assert (await core.row(story.id)).text == "A house stood there. Alone."
