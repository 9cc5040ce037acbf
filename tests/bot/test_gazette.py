"""Digests and the hall of fame: what is due when, and that nothing is due twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from fakes.core import Core, caller

from bot.gazette import last_slot

BOSS = replace(caller("boss"), is_manager=True)
DAY = 86_400.0


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "period", "hour", "slot"),
    [
        ("2026-11-23T18:00:00", "day", 18, "2026-11-23T18:00:00"),
        ("2026-11-23T17:59:59", "day", 18, "2026-11-22T18:00:00"),
        ("2026-03-01T00:30:00", "day", 23, "2026-02-28T23:00:00"),
        ("2026-11-23T18:00:00", "week", 18, "2026-11-23T18:00:00"),  # a Monday
        ("2026-11-23T17:00:00", "week", 18, "2026-11-16T18:00:00"),
        ("2026-11-29T23:59:00", "week", 0, "2026-11-23T00:00:00"),
    ],
)
def test_the_last_time_that_it_was_this_hour(
    now: str, period: Literal["day", "week"], hour: int, slot: str
) -> None:
    assert last_slot(at(now), period, hour) == at(slot)


async def choose(core: Core, **settings: Any) -> None:
    for name, value in settings.items():
        await core.service.administration.change(BOSS, name, value)


async def test_a_digest_is_due_once_a_day_from_the_next_hour_on(core: Core) -> None:
    gazette = core.service.gazette
    core.clock.now = at("2026-11-23T19:00:00")
    await choose(core, digest="day", digest_channel="7", digest_hour=18, language="en")
    story = await core.finished()
    assert await gazette.due_digests("console") == []  # that hour was before it was chosen
    core.clock.now = at("2026-11-24T17:59:00")
    assert await gazette.due_digests("console") == []
    core.clock.now = at("2026-11-24T18:00:30")
    [digest] = await gazette.due_digests("console")
    assert (digest.channel_id, digest.language, digest.period) == ("7", "en", "day")
    assert (digest.slot, digest.stories) == (at("2026-11-24T18:00:00"), (story,))
    assert await gazette.due_digests("console") == [digest]  # until it is posted
    await gazette.digest_posted(digest)
    assert await gazette.due_digests("console") == []
    assert await gazette.due_digests("discord") == []
    core.clock.now += DAY
    assert await gazette.due_digests("console") == []  # nothing was finished since


async def test_a_digest_that_is_too_late_is_left_out(core: Core) -> None:
    core.clock.now = at("2026-11-23T17:00:00")
    await choose(core, digest="day", digest_channel="7")
    await core.service.gazette.due_digests("console")
    core.clock.now = at("2026-11-24T01:00:00")
    await core.finished()
    assert await core.service.gazette.due_digests("console") == []


@pytest.mark.parametrize("chosen", [{"digest": "off"}, {"digest_channel": ""}])
async def test_no_digest_where_none_is_wanted(core: Core, chosen: dict[str, str]) -> None:
    core.clock.now = at("2026-11-23T17:00:00")
    await choose(core, **{"digest": "week", "digest_channel": "7", **chosen})
    await core.service.gazette.due_digests("console")
    await core.finished()
    core.clock.now = at("2026-11-23T18:30:00")
    assert await core.service.gazette.due_digests("console") == []


async def liked(core: Core, votes: int) -> int:
    story = await core.finished()
    for number in range(votes):
        await core.service.vote(caller(f"voter-{number}"), story.id, 1)
    return story.id


async def test_a_story_enters_the_hall_once(core: Core) -> None:
    gazette = core.service.gazette
    await choose(core, hall_channel="7", hall_votes=2)
    first, second, _ = await liked(core, 2), await liked(core, 3), await liked(core, 1)
    claims = await asyncio.gather(*(gazette.claim_fame("console") for _ in range(4)))
    claimed = [fame.story.id for fames in claims for fame in fames]
    assert sorted(claimed) == [first, second]
    assert await gazette.claim_fame("console") == []
    [fame] = [one for fames in claims for one in fames if one.story.id == first]
    assert fame.channel_id == "7"
    await gazette.release_fame(fame)
    [again] = await gazette.claim_fame("console")
    assert again.story.id == first


async def test_old_stories_and_other_places_have_no_part_in_it(core: Core) -> None:
    await liked(core, 2)
    core.clock.now += 8 * DAY
    await choose(core, hall_channel="7", hall_votes=2)
    assert await core.service.gazette.claim_fame("console") == []
    await liked(core, 2)
    assert await core.service.gazette.claim_fame("discord") == []
    await choose(core, hall_channel="")
    assert await core.service.gazette.claim_fame("console") == []
