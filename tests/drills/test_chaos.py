"""Everything at once, in an order that dice decide."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from functools import partial

import pytest
from drills.conftest import Drill
from drills.worker_process import telling
from fakes.core import caller

from bot.domain import Status

N_MISHAPS = 6


@pytest.mark.parametrize("seed", [1])
async def test_every_story_ends_once_whatever_happens(drill: Drill, seed: int) -> None:
    """Stories are asked for and cancelled while workers die, leave, hang and join, and Redis
    restarts, empty. Those not cancelled end finished and whole, or given up after three deaths."""
    dice = random.Random(seed)
    workers = [await drill.start_worker(slots=3) for _ in range(2)]
    ids: list[int] = []

    async def replace(n: int, how: signal.Signals) -> None:
        workers[n].send_signal(how)
        workers[n] = await drill.start_worker(slots=3)

    async def hang(n: int) -> None:
        hung = workers[n]
        hung.send_signal(signal.SIGSTOP)
        await asyncio.sleep(dice.choice([0.3, 2.5]))
        hung.send_signal(signal.SIGCONT)

    async def restart() -> None:
        drill.server.stop()
        await asyncio.sleep(0.5)
        drill.server.start()

    async def cancel() -> None:
        n = dice.randrange(len(ids))
        word = (await drill.core.row(ids[n])).prompt.split()[-1]
        if (await drill.core.row(ids[n])).status.is_open:
            await drill.core.service.cancel(caller(word), ids[n])

    for mishap in range(N_MISHAPS):
        ids += await drill.ask(4, f"house{mishap}x")
        await asyncio.sleep(dice.uniform(0.1, 0.8))
        n = dice.randrange(2)
        mishaps = (
            partial(replace, n, signal.SIGKILL),
            partial(replace, n, signal.SIGTERM),
            partial(hang, n),
            restart,
            cancel,
        )
        await dice.choice(mishaps)()
    stories = await drill.ended(ids)
    for story in stories:
        if story.status is Status.FINISHED:
            assert story.text == story.prompt + telling(story.prompt)
        elif story.status is Status.FAILED:
            assert story.failure == "failure-gave-up"
    drill.check(ids, Counter(str(story.status) for story in stories))
