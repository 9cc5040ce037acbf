"""A community in figures, counted in the database.

The functions run on a connection that their caller opened; they change nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import DayStats, GenreStats, Stats
from bot.store.rows import is_readable
from bot.store.tables import stories, votes

DAYS = 30
DAY_S = 86_400


async def stats(connection: AsyncConnection, community_id: int, now: float) -> Stats:
    """Genres of all time, and the last `DAYS` days."""
    return Stats(
        await _genres(connection, community_id), await _days(connection, community_id, now)
    )


async def _genres(connection: AsyncConnection, community_id: int) -> tuple[GenreStats, ...]:
    rows = await connection.execute(
        select(
            stories.c.genre,
            func.count().label("n"),
            func.sum(stories.c.ups).label("ups"),
            func.sum(stories.c.downs).label("downs"),
        )
        .where(is_readable(community_id, None))
        .group_by(stories.c.genre)
    )
    found = [GenreStats(row.genre, row.n, int(row.ups), int(row.downs)) for row in rows]
    return tuple(sorted(found, key=lambda one: (-one.ups - one.downs, -one.stories, one.genre)))


async def _days(connection: AsyncConnection, community_id: int, now: float) -> tuple[DayStats, ...]:
    today = int(now) // DAY_S
    first = today - DAYS + 1
    day = _day_of(stories.c.finished_at)
    finished = await _by_day(
        connection,
        select(day, func.count())
        .where(is_readable(community_id, None), stories.c.finished_at >= first * DAY_S)
        .group_by(day),
    )
    day = _day_of(votes.c.updated_at)
    voted = await _by_day(
        connection,
        select(day, func.count())
        .join(stories, stories.c.id == votes.c.story_id)
        .where(
            is_readable(community_id, None),
            votes.c.updated_at >= first * DAY_S,
            votes.c.held.is_(None),
        )
        .group_by(day),
    )
    return tuple(
        DayStats(
            datetime.fromtimestamp(number * DAY_S, UTC).date(),
            finished.get(number, 0),
            voted.get(number, 0),
        )
        for number in range(first, today + 1)
    )


def _day_of(at: ColumnElement[float]) -> ColumnElement[int]:
    """Days since the epoch. PostgreSQL rounds to whole seconds here, SQLite cuts."""
    return cast(at, BigInteger) // DAY_S


async def _by_day(connection: AsyncConnection, question: Select[int, int]) -> dict[int, int]:
    return {row[0]: row[1] for row in await connection.execute(question)}
