"""Votes that are kept but not counted, as moderators see them, and their release.

The functions run on a connection that their caller opened; they commit nothing.
"""

from __future__ import annotations

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Case, HeldVotes, Hold
from bot.store.governance import note_action
from bot.store.rows import is_readable, select_stories, story_from
from bot.store.tables import stories, votes
from bot.store.votes import recount

# Every held vote, by story: a short index to begin with, however many stories there are.
_HELD = (
    select(votes.c.story_id, func.count().label("n"))
    .where(votes.c.held.is_not(None))
    .group_by(votes.c.story_id)
    .subquery("held")
)


async def count(connection: AsyncConnection, community_id: int) -> int:
    """Of how many readable stories votes are held."""
    question = (
        select(func.count())
        .select_from(_HELD)
        .join(stories, stories.c.id == _HELD.c.story_id)
        .where(is_readable(community_id, None))
    )
    return await connection.scalar(question) or 0


async def cases(
    connection: AsyncConnection, community_id: int, *, limit: int, offset: int
) -> list[Case]:
    """Those with the most held votes first, then the newest."""
    found = (
        select(stories.c.id, _HELD.c.n)
        .join_from(_HELD, stories, stories.c.id == _HELD.c.story_id)
        .where(is_readable(community_id, None))
        .order_by(_HELD.c.n.desc(), stories.c.id.desc())
        .limit(limit)
        .offset(offset)
        .subquery("found")
    )
    rows = await connection.execute(
        select_stories()
        .join(found, found.c.id == stories.c.id)
        .order_by(found.c.n.desc(), found.c.id.desc())
    )
    return [Case(story_from(row), 0, (), await held_on(connection, row.id)) for row in rows.all()]


async def held_on(connection: AsyncConnection, story_id: int) -> HeldVotes:
    """How many votes on a story are held, by reason."""
    rows = await connection.execute(
        select(votes.c.held, func.count())
        .where(votes.c.story_id == story_id, votes.c.held.is_not(None))
        .group_by(votes.c.held)
    )
    counts = {Hold(reason): n for reason, n in rows}
    return HeldVotes(counts.get(Hold.YOUNG, 0), counts.get(Hold.BURST, 0))


async def release(connection: AsyncConnection, story_id: int, moderator_id: int, now: float) -> int:
    """Count a story's held votes from now on, and never hold them again; how many they were."""
    story = (
        await connection.execute(
            select(stories.c.community_id).where(stories.c.id == story_id).with_for_update()
        )
    ).one_or_none()
    if story is None:
        return 0
    released = await connection.execute(
        update(votes)
        .where(votes.c.story_id == story_id, votes.c.held.is_not(None))
        .values(held=None, released=True)
    )
    if released.rowcount:
        await recount(connection, [story_id])
        details = {"story": story_id, "votes": released.rowcount}
        await note_action(connection, story.community_id, moderator_id, "release", details, now)
    return released.rowcount
