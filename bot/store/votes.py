"""One vote per member and story, and the story's tally that follows it in the same transaction.

The functions run inside a writing transaction that their caller opened; they commit nothing.
"""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Status, Tally, VoteValue
from bot.errors import NotFinished, OwnStory, StoryHidden, StoryNotFound
from bot.ranking import wilson_lower_bound
from bot.store.database import upsert
from bot.store.tables import stories, votes


async def cast_vote(
    connection: AsyncConnection, member_id: int, story_id: int, value: VoteValue, now: float
) -> Tally:
    """Set, change or (0) remove a vote.

    Raises StoryNotFound, NotFinished, StoryHidden, OwnStory.
    """
    before = await _lock_story(connection, member_id, story_id)
    # Asked only now that the story is locked: in one question with it, PostgreSQL would answer
    # from before the wait for the lock, and two presses at once would count twice.
    old = await vote_of(connection, member_id, story_id)
    if value == old:
        return before
    await _write_vote(connection, member_id, story_id, value, now)
    after = _moved(before, old, value)
    await connection.execute(
        update(stories)
        .where(stories.c.id == story_id)
        .values(ups=after.ups, downs=after.downs, rank=after.rank)
    )
    return after


async def vote_of(connection: AsyncConnection, member_id: int, story_id: int) -> VoteValue:
    """The member's vote on the story, 0 for none."""
    value: VoteValue | None = await connection.scalar(
        select(votes.c.value).where(votes.c.story_id == story_id, votes.c.member_id == member_id)
    )
    return value or 0


async def withdraw_votes(connection: AsyncConnection, member_id: int) -> int:
    """Remove every vote a member cast, and its part of each tally; how many they were."""
    voted_on = select(votes.c.story_id).where(votes.c.member_id == member_id)
    # In order of id: two who lock many stories in one order cannot wait for each other.
    await connection.execute(
        select(stories.c.id)
        .where(stories.c.id.in_(voted_on))
        .order_by(stories.c.id)
        .with_for_update()
    )
    rows = await connection.execute(
        select(stories.c.id, stories.c.ups, stories.c.downs, votes.c.value)
        .join(votes, votes.c.story_id == stories.c.id)
        .where(votes.c.member_id == member_id)
    )
    tallies = [(row.id, _moved(Tally(row.ups, row.downs), row.value, 0)) for row in rows]
    await connection.execute(delete(votes).where(votes.c.member_id == member_id))
    if tallies:
        await connection.execute(
            update(stories).where(stories.c.id == bindparam("story")),
            [
                {"story": story_id, "ups": tally.ups, "downs": tally.downs, "rank": tally.rank}
                for story_id, tally in tallies
            ],
        )
    return len(tallies)


async def _lock_story(connection: AsyncConnection, member_id: int, story_id: int) -> Tally:
    """The tally of a story this member may vote on; nobody else changes it until we commit."""
    story = (
        await connection.execute(
            select(
                stories.c.status,
                stories.c.author_id,
                stories.c.hidden,
                stories.c.ups,
                stories.c.downs,
                stories.c.rank,
            )
            .where(stories.c.id == story_id)
            .with_for_update()
        )
    ).one_or_none()
    if story is None or story.status == Status.DELETED:
        raise StoryNotFound(id=story_id)
    if story.status != Status.FINISHED:
        raise NotFinished(id=story_id)
    if story.hidden:
        raise StoryHidden(id=story_id)
    if story.author_id == member_id:
        raise OwnStory(id=story_id)
    return Tally(story.ups, story.downs, story.rank)


async def _write_vote(
    connection: AsyncConnection, member_id: int, story_id: int, value: VoteValue, now: float
) -> None:
    if value == 0:
        await connection.execute(
            delete(votes).where(votes.c.story_id == story_id, votes.c.member_id == member_id)
        )
        return
    vote = upsert(connection, votes).values(
        story_id=story_id, member_id=member_id, value=value, created_at=now, updated_at=now
    )
    await connection.execute(
        vote.on_conflict_do_update(
            index_elements=["story_id", "member_id"],
            set_={"value": vote.excluded.value, "updated_at": vote.excluded.updated_at},
        )
    )


def _moved(tally: Tally, old: int, new: int) -> Tally:
    """The tally after one vote changed from `old` to `new`."""
    ups = tally.ups - (old == 1) + (new == 1)
    downs = tally.downs - (old == -1) + (new == -1)
    return Tally(ups, downs, wilson_lower_bound(ups, downs))
