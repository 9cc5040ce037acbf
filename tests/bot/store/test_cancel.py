"""A caller who is cancelled in mid-call leaves no transaction, and no lock, behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from bot.domain import NewStory
from bot.store import database


@pytest.fixture(autouse=True)
def a_lock_left_behind_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.2)
    gc.disable()  # or a collection may free it just in time
    yield
    gc.enable()


async def test_a_write_cut_off_anywhere_does_not_lock_the_next_one_out(sqlite_house: Any) -> None:
    member, community = await sqlite_house.enter("ann")
    new = NewStory(member.id, community.id, "horror", "", "", sqlite_house.sampling)
    for steps in range(60):
        asking = asyncio.create_task(sqlite_house.store.add_story(new))
        for _ in range(steps):
            await asyncio.sleep(0 if steps % 2 else 0.0001)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        await sqlite_house.store.add_story(new)
