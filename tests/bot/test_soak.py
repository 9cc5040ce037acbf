"""Members who do everything at once while the engine fails and workers come and go.

Whatever the order: every story ends, is finished at most once, and nothing of it stays behind.
"""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from fakes.core import Core, Gate, caller, eventually

from bot.errors import MemberError
from bot.limits import Limits
from bot.queue.memory import MemoryQueue
from model.engine import GenerationRequest
from model.scripted_engine import ScriptedEngine

MakeCore = Callable[..., Awaitable[Core]]
MEMBERS = ("ada", "ben", "eve", "kim")
JOURNAL = """
CREATE TABLE journal (story_id INTEGER NOT NULL, status TEXT NOT NULL);
CREATE TRIGGER ended AFTER UPDATE OF status ON stories
WHEN new.status IN ('finished', 'failed', 'cancelled') BEGIN
    INSERT INTO journal VALUES (new.id, new.status);
END;
"""


async def live(core: Core, name: str, dice: random.Random, until: float = math.inf) -> None:
    """One member's hour: asks, cancels, continues, votes, forgets."""
    me = caller(name)
    service = core.service
    for _ in range(12):
        await asyncio.sleep(dice.random() * 0.01)
        if asyncio.get_running_loop().time() > until:
            return
        some_id = dice.randint(1, 40)
        action = dice.choice(["write", "write", "write", "cancel", "continue", "retry", "vote"])
        with suppress(MemberError):
            if action == "write":
                await service.write(me, "horror", f"House {dice.random()}")
            elif action == "cancel":
                await service.cancel(me, some_id)
            elif action == "continue":
                await service.continue_story(me, some_id)
            elif action == "retry":
                await service.retry(me, some_id)
            else:
                await service.vote(me, some_id, dice.choice([1, -1, 0]))
    if name == "kim":
        await service.forget(me)


async def change_shifts(core: Core, dice: random.Random) -> None:
    while True:
        await asyncio.sleep(dice.random() * 0.05)
        await core.stop_worker()
        core.start_worker()


@pytest.mark.parametrize("seed", range(3))
async def test_every_story_ends_once_and_leaves_nothing_behind(
    make_core: MakeCore, core_database: Path, seed: int
) -> None:
    dice = random.Random(seed)

    def fails(request: GenerationRequest) -> bool:
        return dice.random() < 0.2

    def engine(gate: Gate) -> ScriptedEngine:
        return ScriptedEngine(step=gate.step, slots=2, fail_on=fails, fail_after=5)

    with closing(sqlite3.connect(core_database)) as connection:
        connection.executescript(JOURNAL)
    core = await make_core(engine=engine, max_waiting=8, limits=Limits(max_pending=6))
    shifts = asyncio.create_task(change_shifts(core, dice))
    await asyncio.gather(*(live(core, name, dice) for name in MEMBERS))
    shifts.cancel()
    with suppress(asyncio.CancelledError):
        await shifts
    if core.worker is None:  # cancelled in mid-change
        core.start_worker()
    await eventually(lambda: not core.service._open._tasks)

    assert await core.store.unfinished_stories() == []
    assert isinstance(core.queue, MemoryQueue)
    assert (core.queue._records, core.queue._returned, core.queue._n_waiting) == ({}, [], 0)
    await eventually(lambda: core.engine.running == 0)
    assert (core.queue._writing, core.queue._lanes) == ({}, {})
    assert len(core.service._open) == 0
    with closing(sqlite3.connect(core_database)) as connection:
        ended = connection.execute("SELECT story_id FROM journal").fetchall()
        tallies = connection.execute(
            "SELECT s.id, s.ups, s.downs, "
            "(SELECT count(*) FROM votes v WHERE v.story_id = s.id AND value = 1), "
            "(SELECT count(*) FROM votes v WHERE v.story_id = s.id AND value = -1) FROM stories s"
        ).fetchall()
    assert len(ended) > 3
    assert len(ended) == len(set(ended))
    assert all(tally[1:3] == tally[3:5] for tally in tallies)


@pytest.mark.parametrize("seed", range(2))
async def test_restarts_in_the_middle_of_it_all_lose_nothing(
    make_core: MakeCore, core_database: Path, seed: int
) -> None:
    """Stopped at whatever moment, and started again."""
    dice = random.Random(seed)
    with closing(sqlite3.connect(core_database)) as connection:
        connection.executescript(JOURNAL)
    for _ in range(4):
        core = await make_core(engine=lambda gate: ScriptedEngine(step=gate.step, slots=2))
        evening = asyncio.get_running_loop().time() + dice.random() * 0.15
        await asyncio.gather(*(live(core, name, dice, evening) for name in MEMBERS[:3]))
        await core.stop()
    core = await make_core()
    await eventually(lambda: not core.service._open._tasks)

    assert await core.store.unfinished_stories() == []
    with closing(sqlite3.connect(core_database)) as connection:
        ended = connection.execute("SELECT story_id FROM journal").fetchall()
        closed = connection.execute("SELECT id FROM stories ORDER BY id").fetchall()
        blank = connection.execute(
            "SELECT count(*) FROM stories "
            "WHERE status = 'finished' AND (text = '' OR model IS NULL)"
        ).fetchone()
    assert len(closed) > 3
    assert sorted(ended) == closed
    assert blank == (0,)
