"""What is told of stories beyond one list: the best of all communities that share, a member's
stories in figures, and the hall of fame.

The functions run on a connection that their caller opened; they commit nothing.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, false, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Member, Profile, Status, Story
from bot.ranking import wilson_lower_bound
from bot.store.database import upsert
from bot.store.rows import select_stories, story_from
from bot.store.tables import (
    BEST_FIRST,
    communities,
    community_settings,
    hall_of_fame,
    stories,
)


def _is_readable() -> ColumnElement[bool]:
    return (stories.c.status == Status.FINISHED) & (stories.c.hidden == false())


async def _sharing(connection: AsyncConnection) -> list[int]:
    """The communities that let others read their stories. Never a private chat, nor one whose
    stories are for adults only."""
    rows = await connection.execute(
        select(
            community_settings.c.community_id, community_settings.c.name, community_settings.c.value
        )
        .join(communities, communities.c.id == community_settings.c.community_id)
        .where(
            community_settings.c.name.in_(("in_global_top", "age_restricted_only")),
            communities.c.is_private == false(),
        )
    )
    chosen = {(row.community_id, row.name) for row in rows if row.value is True}
    sharing = {number for number, name in chosen if name == "in_global_top"}
    return sorted(sharing - {number for number, name in chosen if name == "age_restricted_only"})


async def shared_top(
    connection: AsyncConnection, genre: str | None, since: float | None, limit: int, offset: int
) -> list[Story]:
    """Best first."""
    condition = _is_readable() & stories.c.community_id.in_(await _sharing(connection))
    if genre is not None:
        condition &= stories.c.genre == genre
    if since is not None:
        condition &= stories.c.finished_at >= since
    rows = await connection.execute(
        select_stories().where(condition).order_by(*BEST_FIRST).limit(limit).offset(offset)
    )
    return [story_from(row) for row in rows]


async def shared_story(connection: AsyncConnection, story_id: int) -> Story | None:
    condition = _is_readable() & stories.c.community_id.in_(await _sharing(connection))
    row = (
        await connection.execute(select_stories().where(stories.c.id == story_id, condition))
    ).one_or_none()
    return None if row is None else story_from(row)


async def profile(
    connection: AsyncConnection, member: Member, community_id: int | None
) -> Profile | None:
    """None without a finished story."""
    condition = (stories.c.author_id == member.id) & _is_readable()
    if community_id is not None:
        condition &= stories.c.community_id == community_id
    rows = (
        await connection.execute(
            select(
                stories.c.genre,
                func.count().label("n"),
                func.sum(stories.c.ups).label("ups"),
                func.sum(stories.c.downs).label("downs"),
            )
            .where(condition)
            .group_by(stories.c.genre)
        )
    ).all()
    if not rows:
        return None
    best = (
        await connection.execute(select_stories().where(condition).order_by(*BEST_FIRST).limit(1))
    ).one()
    ranks = {row.genre: wilson_lower_bound(int(row.ups), int(row.downs)) for row in rows}
    genre = max(ranks, key=lambda name: (ranks[name], name))
    return Profile(
        name=member.name,
        n_stories=sum(row.n for row in rows),
        ups=int(sum(row.ups for row in rows)),
        downs=int(sum(row.downs for row in rows)),
        best_genre=genre if ranks[genre] else "",
        best=story_from(best),
    )


# -- the hall of fame --------------------------------------------------------------------------
async def famous(
    connection: AsyncConnection, community_id: int, votes: int, since: float
) -> Story | None:
    """The oldest story with so many more up than down votes that is not in the hall yet."""
    row = (
        await connection.execute(
            select_stories()
            .where(
                _is_readable(),
                stories.c.community_id == community_id,
                stories.c.finished_at >= since,
                stories.c.score >= votes,
                stories.c.id.not_in(select(hall_of_fame.c.story_id)),
            )
            .order_by(stories.c.finished_at, stories.c.id)
            .limit(1)
        )
    ).one_or_none()
    return None if row is None else story_from(row)


async def claim_famous(
    connection: AsyncConnection, community_id: int, votes: int, since: float, now: float
) -> Story | None:
    """Enter that story into the hall; None if it was entered meanwhile."""
    story = await famous(connection, community_id, votes, since)
    if story is None:
        return None
    row = upsert(connection, hall_of_fame).values(story_id=story.id, at=now)
    claimed = await connection.execute(row.on_conflict_do_nothing())
    return story if claimed.rowcount else None


async def release_famous(connection: AsyncConnection, story_id: int) -> None:
    await connection.execute(delete(hall_of_fame).where(hall_of_fame.c.story_id == story_id))
