"""One vote per member and story, and the story's tally that follows it in the same transaction.

A tally counts the votes that are not held (bot.fairness says which are).

The functions run inside a writing transaction that their caller opened; they commit nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, bindparam, delete, false, func, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Hold, Status, Tally, VoteGuard, VoteValue
from bot.errors import NotFinished, OwnStory, StoryHidden, StoryNotFound
from bot.fairness import BURST_S, NEWCOMER_S, Voter, is_burst, is_newcomer, is_young
from bot.ranking import wilson_lower_bound
from bot.store.database import upsert
from bot.store.people import hold
from bot.store.rows import is_by
from bot.store.tables import communities, members, stories, votes

_AT_ONCE = 500
"""Stories counted in one question: databases bound how many values one may hold."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """Who votes how on what, and what the story's community does against brigades."""

    member_id: int
    story_id: int
    value: VoteValue
    guard: VoteGuard
    account_made: float | None


async def cast_vote(connection: AsyncConnection, ballot: Ballot, now: float) -> Tally:
    """Set, change or (0) remove a vote.

    Raises StoryNotFound, NotFinished, StoryHidden, OwnStory.
    """
    first_seen = await hold(connection, ballot.member_id)
    before, community_since = await _lock_story(connection, ballot.member_id, ballot.story_id)
    # Asked only now that the story is locked: in one question with it, PostgreSQL would answer
    # from before the wait for the lock, and two presses at once would count twice.
    mine = (votes.c.story_id == ballot.story_id) & (votes.c.member_id == ballot.member_id)
    old = (await connection.execute(select(votes).where(mine))).one_or_none()
    if ballot.value == (old.value if old else 0) and not (old and old.held == Hold.YOUNG):
        return replace(before, held=Hold(old.held) if old and old.held else None)
    if ballot.value == 0:
        await connection.execute(delete(votes).where(mine))
        held = None
    else:
        voter = Voter(min(first_seen, default=now), ballot.account_made, community_since)
        was_released = old is not None and old.released
        held = None if was_released else await _judge(connection, ballot, voter, now)
        await _write_vote(connection, ballot, held, now)
    if held is Hold.BURST:  # which may have begun before
        await _hold_burst(connection, ballot, now)
        await recount(connection, [ballot.story_id])
        after = await _tally_of(connection, ballot.story_id)
    else:
        was = old.value if old and old.held is None else 0
        after = _moved(before, was, 0 if held else ballot.value)
        await _write_tallies(connection, {ballot.story_id: after})
    return replace(after, held=held)


async def _judge(
    connection: AsyncConnection, ballot: Ballot, voter: Voter, now: float
) -> Hold | None:
    """Why this vote is not to count."""
    if is_young(voter, ballot.guard, now):
        return Hold.YOUNG
    if ballot.guard.against_bursts and is_newcomer(voter, now):
        newcomers, others = await _recent(connection, ballot, now)
        return Hold.BURST if is_burst(newcomers + 1, others) else None
    return None


async def _recent(connection: AsyncConnection, ballot: Ballot, now: float) -> tuple[int, int]:
    """How many newcomers, and how many others, just voted on the story as this member does."""
    is_new = members.c.created_at > now - NEWCOMER_S
    rows = await connection.execute(
        select(func.count().filter(is_new), func.count().filter(not_(is_new)))
        .join_from(votes, members, members.c.id == votes.c.member_id)
        .where(_alike(ballot, now), votes.c.member_id != ballot.member_id)
    )
    newcomers, others = rows.one()
    return newcomers, others


async def _hold_burst(connection: AsyncConnection, ballot: Ballot, now: float) -> None:
    """Hold what has come of the burst so far, but for what a moderator let count."""
    newcomers = select(members.c.id).where(members.c.created_at > now - NEWCOMER_S)
    await connection.execute(
        update(votes)
        .where(
            _alike(ballot, now),
            votes.c.held.is_(None),
            votes.c.released == false(),
            votes.c.member_id.in_(newcomers),
        )
        .values(held=Hold.BURST)
    )


def _alike(ballot: Ballot, now: float) -> ColumnElement[bool]:
    return (
        (votes.c.story_id == ballot.story_id)
        & (votes.c.value == ballot.value)
        & (votes.c.updated_at > now - BURST_S)
    )


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
    await recount(connection, voted_on)
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
    their_own = select(stories.c.id).where(is_by(newer, older))
    await connection.execute(delete(votes).where(both, votes.c.story_id.in_(their_own)))
    await connection.execute(
        update(votes).where(votes.c.member_id == newer).values(member_id=older)
    )
    await recount(connection, voted_on)


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


async def recount(connection: AsyncConnection, story_ids: Sequence[int]) -> None:
    """Make the tallies of stories that are locked what their votes say."""
    for start in range(0, len(story_ids), _AT_ONCE):
        few = story_ids[start : start + _AT_ONCE]
        rows = await connection.execute(
            select(votes.c.story_id, votes.c.value, func.count())
            .where(votes.c.story_id.in_(few), votes.c.held.is_(None))
            .group_by(votes.c.story_id, votes.c.value)
        )
        counts = {(story_id, value): n for story_id, value, n in rows}
        tallies = {
            number: _tally(counts.get((number, 1), 0), counts.get((number, -1), 0))
            for number in few
        }
        await _write_tallies(connection, tallies)


async def _write_tallies(connection: AsyncConnection, tallies: Mapping[int, Tally]) -> None:
    await connection.execute(
        update(stories).where(stories.c.id == bindparam("story")),
        [
            {"story": number, "ups": tally.ups, "downs": tally.downs, "rank": tally.rank}
            for number, tally in tallies.items()
        ],
    )


async def _lock_story(
    connection: AsyncConnection, member_id: int, story_id: int
) -> tuple[Tally, float]:
    """The tally of a story this member may vote on, and since when we know its community; nobody
    else changes it until we commit."""
    story = (
        await connection.execute(
            select(
                stories.c.status,
                is_by(member_id).label("is_own"),
                stories.c.hidden,
                stories.c.ups,
                stories.c.downs,
                stories.c.rank,
                communities.c.created_at.label("community_since"),
            )
            .join(communities, communities.c.id == stories.c.community_id)
            .where(stories.c.id == story_id)
            .with_for_update(of=stories)
        )
    ).one_or_none()
    if story is None or story.status == Status.DELETED:
        raise StoryNotFound(id=story_id)
    if story.status != Status.FINISHED:
        raise NotFinished(id=story_id)
    if story.hidden:
        raise StoryHidden(id=story_id)
    if story.is_own:
        raise OwnStory(id=story_id)
    return Tally(story.ups, story.downs, story.rank), story.community_since


async def _tally_of(connection: AsyncConnection, story_id: int) -> Tally:
    story = await connection.execute(
        select(stories.c.ups, stories.c.downs, stories.c.rank).where(stories.c.id == story_id)
    )
    return Tally(*story.one())


async def _write_vote(
    connection: AsyncConnection, ballot: Ballot, held: Hold | None, now: float
) -> None:
    vote = upsert(connection, votes).values(
        story_id=ballot.story_id,
        member_id=ballot.member_id,
        value=ballot.value,
        held=held,
        created_at=now,
        updated_at=now,
    )
    changed = {name: vote.excluded[name] for name in ("value", "held", "updated_at")}
    await connection.execute(
        vote.on_conflict_do_update(index_elements=["story_id", "member_id"], set_=changed)
    )


def _moved(tally: Tally, old: int, new: int) -> Tally:
    """The tally after one vote changed from `old` to `new`."""
    ups = tally.ups - (old == 1) + (new == 1)
    downs = tally.downs - (old == -1) + (new == -1)
    return _tally(ups, downs)


def _tally(ups: int, downs: int) -> Tally:
    return Tally(ups, downs, wilson_lower_bound(ups, downs))
