"""Redis is restarted, emptied, paused, filled; the bot is killed. Stories end whole, and once."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

import pytest
from drills.conftest import Drill
from redis import Redis

from bot.queue import open_queue
from bot.worker import StoryWriter
from model.scripted_engine import ScriptedEngine


@pytest.mark.parametrize("is_durable", [True, False], ids=["keeps its data", "forgets all"])
async def test_redis_is_restarted_in_the_middle(drill: Drill, is_durable: bool) -> None:
    """While stories are written and others wait; new ones are taken meanwhile."""
    with Redis.from_url(drill.server.url) as redis:
        redis.config_set("appendonly", "yes" if is_durable else "no")
    await drill.start_worker(slots=4, step_s=0.04)
    ids = await drill.ask(6)
    await drill.begun(ids[:4])
    drill.server.stop()
    ids += await drill.ask(3, "road")
    await asyncio.sleep(1.0)
    drill.server.start(is_durable=is_durable)
    await drill.all_finish(ids)
    assert len((await drill.core.queue.state()).workers) == 1


async def test_redis_hangs_for_twenty_seconds(drill: Drill) -> None:
    """Nobody is taken for dead: stories are where they were, and begun once."""
    await drill.start_worker(slots=4, step_s=0.05)
    ids = await drill.ask(6)
    await drill.begun(ids[:4])
    drill.server.pause()
    ids += await drill.ask(3, "road")
    await asyncio.sleep(20)
    drill.server.go_on()
    await drill.all_finish(ids)
    assert drill.n_deliveries() == len(ids)


async def test_redis_is_full(drill: Drill) -> None:
    """What was begun is finished meanwhile, the rest waits in line."""
    await drill.start_worker(slots=4, step_s=0.04)
    ids = await drill.ask(6)
    await drill.begun(ids[:4])
    with Redis.from_url(drill.server.url) as redis:
        redis.config_set("maxmemory", 1)
        ids += await drill.ask(3, "road")
        await drill.ended(ids[:4])
        state = await drill.becomes(lambda state: len(state.waiting) == 5)
        assert (state.slots, set(state.waiting)) == (0, set(ids[4:]))
        redis.config_set("maxmemory", 0)
    await drill.all_finish(ids)
    assert {(await drill.core.row(story_id)).attempts for story_id in ids[:4]} == {1}


async def test_kill_9_of_the_bot(drill: Drill) -> None:
    """Its workers stop what nobody hears any more; the next bot has all of it written."""
    await drill.start_worker(slots=4, step_s=0.05)
    await drill.core.stop()
    folders = Path(__file__).parents[1], Path(__file__).parents[2]
    bot = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("bot_process.py")),
        str(drill.database),
        drill.server.url,
        "4",
        env={"PYTHONPATH": ":".join(map(str, folders))},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert bot.stdout is not None
        assert await bot.stdout.readline() == b"begun\n"
    finally:
        bot.kill()
        await bot.wait()
    await drill.start_bot()
    stories = await drill.core.store.unfinished_stories()
    assert len(stories) == 4
    await drill.all_finish([story.id for story in stories])
    assert {(await drill.core.row(story.id)).attempts for story in stories} == {2}
    with Redis.from_url(drill.server.url) as redis:
        records = [redis.get(key) or b"" for key in redis.keys("saq:job:*")]
    assert sum(b'"aborted"' in record for record in records) == 4


async def test_a_worker_can_leave_while_redis_hangs(drill: Drill) -> None:
    """Without a word, leaving nothing running; its stories are missed, and written by others."""
    async with (
        ScriptedEngine(step=partial(asyncio.sleep, 0.05)) as engine,
        open_queue(drill.server.url) as queue,
    ):
        work = asyncio.create_task(queue.work(StoryWriter(engine)))
        ids = await drill.ask(2)
        await drill.core.begun(ids[0], "house0 ")
        drill.server.pause()
        work.cancel()
        await asyncio.wait([work])
        assert engine.running == 0
        drill.server.go_on()
    await drill.start_worker()
    await drill.all_finish(ids)
