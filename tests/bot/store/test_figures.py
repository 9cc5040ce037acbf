"""A community in figures."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from bot.domain import DayStats, GenreStats

if TYPE_CHECKING:
    from conftest import Clock, House

DAY = 86_400


async def test_votes_and_stories_are_counted_by_genre_and_day(house: House, clock: Clock) -> None:
    clock.now = 20_000 * DAY + 60.0  # 2024-10-04, a minute past midnight
    await house.vote(await house.finished(), 2, 1)
    await house.finished(genre="drama")
    clock.now += 2 * DAY
    await house.vote(await house.finished(genre="action"), 4)
    await house.finished(place="elsewhere")
    await house.queued()
    _, home = await house.enter("ann")
    stats = await house.store.stats(home.id, clock.now)
    assert stats.genres == (
        GenreStats("action", 1, 4, 0),
        GenreStats("horror", 1, 2, 1),
        GenreStats("drama", 1, 0, 0),
    )
    assert len(stats.days) == 30
    assert stats.days[-3:] == (
        DayStats(date(2024, 10, 4), 2, 3),
        DayStats(date(2024, 10, 5), 0, 0),
        DayStats(date(2024, 10, 6), 1, 4),
    )
    clock.now += 30 * DAY
    later = await house.store.stats(home.id, clock.now)
    assert later.genres == stats.genres
    assert all(one.stories == one.votes == 0 for one in later.days)


async def test_an_empty_place_and_a_hidden_story_have_no_figures(house: House) -> None:
    story_id = await house.finished()
    _, home = await house.enter("ann")
    await house.store.report_story(await house.member("bob"), story_id, "", 1)
    assert (await house.store.stats(home.id, house.clock.now)).genres == ()
