"""What one member may ask for, counted in a real store, by a clock the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.core import Clock, caller

from bot.domain import NewStory, Provenance
from bot.errors import CoolingDown, QuotaUsed, TooManyPending
from bot.limits import DAY_S, Limits
from bot.store.store import SqlStore
from model.engine import SamplingParams

PROVENANCE = Provenance("scripted", "1", None, 1, 1.0, "stop")


class Desk:
    """Stories recorded for one member or another, with no queue and no worker."""

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    async def member(self, name: str) -> int:
        return (await self.store.enter(caller(name)))[0].id

    async def ask(self, name: str = "ada") -> int:
        member, community = await self.store.enter(caller(name))
        story = await self.store.add_story(
            NewStory(member.id, community.id, "horror", "", "", SamplingParams())
        )
        return story.id

    async def check(self, limits: Limits, name: str = "ada") -> None:
        await limits.check(self.store, await self.member(name), self.clock)


@pytest.fixture
async def desk(core_database: Path) -> AsyncIterator[Desk]:
    clock = Clock()
    async with SqlStore(f"sqlite:///{core_database}", clock) as store:
        yield Desk(store, clock)


async def test_a_newcomer_may_ask(desk: Desk) -> None:
    await desk.check(Limits(max_pending=1, daily_quota=1, cooldown_s=60.0))


async def test_pending_stories_count_until_they_are_closed(desk: Desk) -> None:
    limits = Limits(max_pending=2, daily_quota=0)
    first, second = await desk.ask(), await desk.ask()
    with pytest.raises(TooManyPending) as refused:
        await desk.check(limits)
    assert refused.value.values == {"limit": 2}
    await desk.check(limits, "ben")
    await desk.store.begin_attempt(first)
    with pytest.raises(TooManyPending):
        await desk.check(limits)
    await desk.store.finish_story(first, "The end.", PROVENANCE)
    await desk.check(limits)
    await desk.ask()
    await desk.store.cancel_story(second)
    await desk.check(limits)


async def test_the_cooldown_ends_to_the_second(desk: Desk) -> None:
    limits = Limits(cooldown_s=30.0)
    await desk.ask()
    for passed, left in ((0.0, 30), (0.5, 30), (29.0, 1), (29.9, 1)):
        desk.clock.now = 1_700_000_000.0 + passed
        with pytest.raises(CoolingDown) as refused:
            await desk.check(limits)
        assert refused.value.values == {"seconds": left}
    desk.clock.now = 1_700_000_000.0 + 30.0
    await desk.check(limits)
    await desk.check(limits, "ben")


async def test_a_clock_set_back_does_not_lock_a_member_out_for_good(desk: Desk) -> None:
    await desk.ask()
    desk.clock.now -= 3600
    with pytest.raises(CoolingDown):
        await desk.check(Limits(cooldown_s=30.0))
    await desk.check(Limits(cooldown_s=0.0))


async def test_the_quota_is_of_the_last_24_hours_whatever_became_of_the_stories(
    desk: Desk,
) -> None:
    limits = Limits(daily_quota=2)
    await desk.store.cancel_story(await desk.ask())
    desk.clock.now += 3600
    await desk.store.fail_story(await desk.ask(), "failure-error")
    with pytest.raises(QuotaUsed) as refused:
        await desk.check(limits)
    assert refused.value.values == {"limit": 2, "hours": 24}
    desk.clock.now += DAY_S - 3600  # the first was asked for exactly a day ago
    with pytest.raises(QuotaUsed):
        await desk.check(limits)
    desk.clock.now += 0.5
    await desk.check(limits)


async def test_0_switches_quota_and_cooldown_off(desk: Desk) -> None:
    for _ in range(3):
        await desk.ask()
    await desk.check(Limits(max_pending=4, daily_quota=0, cooldown_s=0.0))
