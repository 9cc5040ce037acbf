"""Votes that are kept but not counted: young accounts, bursts, release, and true tallies."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bot.domain import AuditEntry, HeldVotes, Hold, Tally, VoteGuard
from bot.ranking import wilson_lower_bound
from bot.store.store import SqlStore

if TYPE_CHECKING:
    from conftest import Clock, House

DAY_S = 86_400.0
WEEK = VoteGuard(min_age_s=7 * DAY_S)
BURSTS = VoteGuard(against_bursts=True)


def tally(ups: int, downs: int, held: Hold | None = None) -> Tally:
    return Tally(ups, downs, wilson_lower_bound(ups, downs), held)


@pytest.fixture
async def story(house: House, clock: Clock) -> int:
    """By Ann, in a community known for a month, with regulars as old."""
    for n in range(12):
        await house.member(f"regular-{n}")
    story = await house.finished("ann")
    clock.now += 30 * DAY_S
    return story


async def newcomers(house: House, n: int, begin: str = "new") -> list[int]:
    return [await house.member(f"{begin}-{number}") for number in range(n)]


async def held_on(house: House, story: int) -> HeldVotes:
    _, home = await house.enter("ann")
    for case in await house.store.held(home.id, limit=100, offset=0):
        if case.story.id == story:
            return case.held
    return HeldVotes()


# -- young accounts ----------------------------------------------------------------------------
async def test_a_young_accounts_vote_is_kept_and_not_counted(
    house: House, story: int, clock: Clock
) -> None:
    store = house.store
    bob = await house.member("bob")
    made = clock.now - 7 * DAY_S + 60
    assert await store.cast_vote(bob, story, 1, WEEK, made) == tally(0, 0, Hold.YOUNG)
    assert await store.vote_of(bob, story) == 1
    assert (await house.the_story(story)).tally == Tally()
    assert await held_on(house, story) == HeldVotes(young=1)
    [vote] = (await store.export_member(bob))["votes"]
    assert vote["not_counted"] == "young"
    assert await store.cast_vote(bob, story, 1, WEEK, made) == tally(0, 0, Hold.YOUNG)
    assert await store.cast_vote(bob, story, -1, WEEK, made) == tally(0, 0, Hold.YOUNG)
    assert await store.cast_vote(bob, story, 0, WEEK, made) == Tally()
    assert await held_on(house, story) == HeldVotes()


async def test_of_age_the_same_vote_given_again_counts_and_not_by_itself(
    house: House, story: int, clock: Clock
) -> None:
    bob = await house.member("bob")
    made = clock.now - 6 * DAY_S
    await house.store.cast_vote(bob, story, 1, WEEK, made)
    clock.now += DAY_S
    assert (await house.the_story(story)).tally == Tally()
    assert await house.store.cast_vote(bob, story, 1, WEEK, made) == tally(1, 0)
    assert await house.store.cast_vote(bob, story, 1, WEEK, made) == tally(1, 0)
    assert await held_on(house, story) == HeldVotes()


async def test_a_vote_that_counted_leaves_when_it_is_changed_too_young(
    house: House, story: int, clock: Clock
) -> None:
    bob = await house.member("bob")
    assert await house.store.cast_vote(bob, story, 1) == tally(1, 0)
    changed = await house.store.cast_vote(bob, story, -1, WEEK, clock.now)
    assert changed == tally(0, 0, Hold.YOUNG)


async def test_where_the_platform_tells_no_age_our_acquaintance_counts(
    house: House, story: int, clock: Clock
) -> None:
    store = house.store
    bob, regular = await house.member("bob"), await house.member("regular-1")
    assert await store.cast_vote(regular, story, 1, WEEK) == tally(1, 0)
    assert (await store.cast_vote(bob, story, 1, WEEK)).held is Hold.YOUNG
    fresh = await house.finished("ann", place="fresh")
    assert await store.cast_vote(bob, fresh, 1, WEEK) == tally(1, 0), "all are new there"


# -- bursts ------------------------------------------------------------------------------------
async def test_the_fifth_of_a_burst_takes_the_others_along(
    house: House, story: int, clock: Clock
) -> None:
    store = house.store
    crowd = await newcomers(house, 7)
    await store.cast_vote(await house.member("regular-0"), story, 1, BURSTS)
    for number, member in enumerate(crowd[:4]):
        clock.now += 100
        assert await store.cast_vote(member, story, 1, BURSTS) == tally(number + 2, 0)
    clock.now += 100
    assert await store.cast_vote(crowd[4], story, 1, BURSTS) == tally(1, 0, Hold.BURST)
    assert await store.cast_vote(crowd[4], story, 1, BURSTS) == tally(1, 0, Hold.BURST)
    assert (await store.cast_vote(crowd[5], story, 1, BURSTS)).held is Hold.BURST
    assert await held_on(house, story) == HeldVotes(burst=6)
    assert await store.cast_vote(crowd[6], story, -1, BURSTS) == tally(1, 1), "not alike"
    assert (await house.the_story(story)).tally == tally(1, 1)
    await store.cast_vote(crowd[0], story, 0, BURSTS)
    assert await held_on(house, story) == HeldVotes(burst=5)


async def test_slower_or_among_as_many_regulars_it_is_no_burst(
    house: House, story: int, clock: Clock
) -> None:
    store = house.store
    for member in await newcomers(house, 5, "slow"):
        clock.now += 150
        last = await store.cast_vote(member, story, 1, BURSTS)
    assert last == tally(5, 0), "the first was 600 s ago"
    clock.now += 600
    for number in range(5):
        await store.cast_vote(await house.member(f"regular-{number}"), story, 1, BURSTS)
    for member in await newcomers(house, 5, "many"):
        last = await store.cast_vote(member, story, 1, BURSTS)
    assert last == tally(15, 0)
    [sixth] = await newcomers(house, 1, "sixth")
    assert await store.cast_vote(sixth, story, 1, BURSTS) == tally(10, 0, Hold.BURST)


async def test_without_the_protection_and_where_all_are_new_crowds_count(
    house: House, story: int
) -> None:
    crowd = await newcomers(house, 8)
    fresh = await house.finished("ann", place="fresh")
    for member in crowd:
        await house.store.cast_vote(member, story, 1)
        await house.store.cast_vote(member, fresh, 1, BURSTS)
    for one in (story, fresh):
        assert (await house.the_story(one)).tally == tally(8, 0)


# -- moderators --------------------------------------------------------------------------------
async def test_a_moderator_sees_held_votes_and_releases_them(
    house: House, story: int, clock: Clock
) -> None:
    store = house.store
    other = await house.finished("ann")
    mod, home = await house.enter("regular-0")
    crowd = await newcomers(house, 8)
    for member in crowd[:5]:
        await store.cast_vote(member, story, 1, BURSTS)
    for member in crowd[5:7]:
        await store.cast_vote(member, story, -1, WEEK, clock.now)
    await store.cast_vote(crowd[0], other, -1, WEEK, clock.now)

    assert await store.count_held(home.id) == 2
    first, second = await store.held(home.id, limit=10, offset=0)
    assert (first.story.id, first.held) == (story, HeldVotes(young=2, burst=5))
    assert (second.story.id, second.held, second.held.total) == (other, HeldVotes(young=1), 1)
    assert [one.story.id for one in await store.held(home.id, limit=1, offset=1)] == [other]
    _, elsewhere = await house.enter("ann", "elsewhere")
    assert await store.count_held(elsewhere.id) == 0
    await store.report_story(mod.id, story, "", 0)
    [case] = await store.cases(home.id, limit=10, offset=0)
    assert case.held == HeldVotes(young=2, burst=5)

    assert await store.release_votes(story, mod.id) == 7
    assert (await house.the_story(story)).tally == tally(5, 2)
    assert await held_on(house, story) == HeldVotes()
    assert await store.release_votes(story, mod.id) == 0
    assert await store.release_votes(999, mod.id) == 0
    assert await store.audit_log(home.id) == [
        AuditEntry(clock.now, "regular-0", "release", {"story": story, "votes": 7})
    ]
    late = await store.cast_vote(crowd[7], story, 1, BURSTS)
    assert late == tally(5, 2, Hold.BURST), "what was released stays counted"
    assert await store.cast_vote(crowd[5], story, 1, WEEK, clock.now) == tally(6, 1)


async def test_held_votes_count_in_no_figure_and_no_list(house: House, story: int) -> None:
    store = house.store
    other = await house.finished("ann")
    ann, home = await house.enter("ann")
    await store.cast_vote(await house.member("regular-0"), other, 1)
    for member in await newcomers(house, 9):
        await store.cast_vote(member, story, 1, BURSTS)
    assert [one.id for one in await store.top_stories(home.id)] == [other, story]
    stats = await store.stats(home.id, house.clock.now)
    assert (stats.genres[0].ups, stats.days[-1].votes) == (1, 1)
    profile = await store.profile(ann, home.id)
    assert profile is not None
    assert (profile.ups, profile.best.id) == (1, other)
    assert await store.claim_famous(home.id, 2, since=0.0) is None


async def test_forgetting_and_linking_keep_tallies_true(house: House, story: int) -> None:
    store = house.store
    crowd = await newcomers(house, 6)
    for member in crowd:
        await store.cast_vote(member, story, 1, BURSTS)
    await store.cast_vote(await house.member("regular-0"), story, 1, BURSTS)
    await store.forget_member(crowd[0])
    assert (await house.the_story(story)).tally == tally(1, 0)
    assert await held_on(house, story) == HeldVotes(burst=5)
    await store.delete_story(story)
    assert await held_on(house, story) == HeldVotes()


async def test_a_burst_from_two_processes_at_once_is_held_whole(
    house: House, story: int, url: str
) -> None:
    crowd = await newcomers(house, 12)
    async with SqlStore(url, house.clock) as other:
        await asyncio.gather(
            *(
                (house.store, other)[number % 2].cast_vote(member, story, 1, BURSTS)
                for number, member in enumerate(crowd)
            )
        )
    assert (await house.the_story(story)).tally == Tally()
    assert await held_on(house, story) == HeldVotes(burst=12)
