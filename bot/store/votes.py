"""One vote per member and story, and the story's tally that follows it in the same transaction.

The functions run inside a writing transaction that their caller opened; they commit nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Status, Tally, VoteValue
from bot.errors import NotFinished, OwnStory, StoryHidden, StoryNotFound
from bot.ranking import wilson_lower_bound
from bot.store.database import upsert
from bot.store.people import hold
from bot.store.tables import stories, votes

_AT_ONCE = 500
"""Stories counted in one question: databases bound how many values one may hold."""


async def cast_vote(
    connection: AsyncConnection, member_id: int, story_id: int, value: VoteValue, now: float
) -> Tally:
    """Set, change or (0) remove a vote.

    Raises StoryNotFound, NotFinished, StoryHidden, OwnStory.
    """
    await hold(connection, member_id)
    before = await _lock_story(connection, member_id, story_id)
    # Asked only now that the story is locked: in one question with it, PostgreSQL would answer
    # from before the wait for the lock, and two presses at once would count twice.
    old = await vote_of(connection, member_id, story_id)
    if value == old:
        return before
    await _write_vote(connection, member_id, story_id, value, now)
    after = _moved(before, old, value)
    await connection.execute(
        update(stories).where(stories.c.id == story_id).values(**asdict(after))
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
    voted_on = await _lock_voted(connection, member_id)
    await connection.execute(delete(votes).where(votes.c.member_id == member_id))
    await _recount(connection, voted_on)
    return len(voted_on)


async def join_votes(connection: AsyncConnection, newer: int, older: int) -> None:
    """Make two members' votes the older's: of two on one story the later counts, and one on a
    story of their own goes. Call it before their stories are joined."""
    voted_on = await _lock_voted(connection, newer, older)
    of_newer, of_older = votes.alias(), votes.alias()
    twice = await connection.execute(
        select(of_newer.c.story_id, of_newer.c.updated_at > of_older.c.updated_at)
        .join(of_older, of_newer.c.story_id == of_older.c.story_id)
        .where(of_newer.c.member_id == newer, of_older.c.member_id == older)
    )
    outdated = [
        {"story": story_id, "member": older if newer_is_later else newer}
        for story_id, newer_is_later in twice
    ]
    if outdated:
        await connection.execute(
            delete(votes).where(
                votes.c.story_id == bindparam("story"), votes.c.member_id == bindparam("member")
            ),
            outdated,
        )
    both = votes.c.member_id.in_((newer, older))
    their_own = select(stories.c.id).where(stories.c.author_id.in_((newer, older)))
    await connection.execute(delete(votes).where(both, votes.c.story_id.in_(their_own)))
    await connection.execute(
        update(votes).where(votes.c.member_id == newer).values(member_id=older)
    )
    await _recount(connection, voted_on)


async def _lock_voted(connection: AsyncConnection, *member_ids: int) -> list[int]:
    """The stories they voted on. In order of id: two who lock many in one order cannot wait for
    each other."""
    voted_on = select(votes.c.story_id).where(votes.c.member_id.in_(member_ids))
    rows = await connection.scalars(
        select(stories.c.id)
        .where(stories.c.id.in_(voted_on))
        .order_by(stories.c.id)
        .with_for_update()
    )
    return list(rows)


async def _recount(connection: AsyncConnection, story_ids: Sequence[int]) -> None:
    """Make the tallies of stories that are locked what their votes say."""
    for start in range(0, len(story_ids), _AT_ONCE):
        few = story_ids[start : start + _AT_ONCE]
        rows = await connection.execute(
            select(votes.c.story_id, votes.c.value, func.count())
            .where(votes.c.story_id.in_(few))
            .group_by(votes.c.story_id, votes.c.value)
        )
        counts = {(story_id, value): n for story_id, value, n in rows}
        tallies = {
            number: _tally(counts.get((number, 1), 0), counts.get((number, -1), 0))
            for number in few
        }
        await connection.execute(
            update(stories).where(stories.c.id == bindparam("story")),
            [{"story": number, **asdict(tally)} for number, tally in tallies.items()],
        )


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
    return _tally(ups, downs)


def _tally(ups: int, downs: int) -> Tally:
    return Tally(ups, downs, wilson_lower_bound(ups, downs))
