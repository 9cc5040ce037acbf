"""Rounds: stories that members and the model write in turn, line by line.

The story's row has all lines as its text, and is open as long as the round is. A turn changes hands
by one conditional change, so of two lines at once one is taken.

The functions run on a connection that their caller opened; they commit nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, delete, false, func, insert, literal_column, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import BETWEEN_LINES, NewStory, Provenance, Round, Status, Story, Turn
from bot.errors import AlreadyEnded, ModelsTurn, OthersFirst, StoryNotFound
from bot.store.people import hold
from bot.store.rows import OPEN, is_identity_of, select_stories, story_from
from bot.store.tables import communities, identities, lines, rounds, stories


async def begin(connection: AsyncConnection, story_id: int, new: NewStory, now: float) -> None:
    """Make a story that was just added a round; its prompt, if any, is the first line."""
    await connection.execute(
        insert(rounds).values(story_id=story_id, turn=Turn.MODEL, changed_at=now)
    )
    if new.prompt:
        await _write(connection, story_id, new.prompt, now, member_id=new.member_id)
        await _set(connection, story_id, text=new.prompt)


async def add_line(
    connection: AsyncConnection,
    member_id: int,
    story_id: int,
    text: str,
    now: float,
    *,
    others_first_s: float,
) -> None:
    """A member's line; the model's turn from then on.

    Raises StoryNotFound, AlreadyEnded, ModelsTurn, OthersFirst.
    """
    if not await hold(connection, member_id):  # forgotten meanwhile
        raise StoryNotFound(id=story_id)
    turn = await _lock(connection, story_id)
    if turn is None:
        raise StoryNotFound(id=story_id)
    if turn is Turn.OVER:
        raise AlreadyEnded(id=story_id)
    if turn is Turn.MODEL:
        raise ModelsTurn
    written = await _lines(connection, story_id)
    last = _waits_for_others(written)
    if last is not None and last.member_id == member_id:
        left_s = last.created_at + others_first_s - now
        if left_s > 0:
            raise OthersFirst(minutes=max(1, round(left_s / 60)))
    await _write(connection, story_id, text, now, member_id=member_id)
    await _hand_on(connection, story_id, Turn.MODEL, now, status=Status.QUEUED)


async def take_line_back(
    connection: AsyncConnection, member_id: int, story_id: int, now: float
) -> None:
    """Undo a line that the model was not asked about after all."""
    if await _lock(connection, story_id) is not Turn.MODEL:
        return
    last = select(func.max(lines.c.number)).where(lines.c.story_id == story_id)
    await connection.execute(
        delete(lines).where(
            lines.c.story_id == story_id,
            lines.c.number == last.scalar_subquery(),
            lines.c.member_id == member_id,
        )
    )
    await _hand_on(connection, story_id, Turn.MEMBERS, now, status=Status.WRITING)


async def end_turn(
    connection: AsyncConnection,
    story_id: int,
    text: str,
    provenance: Provenance | None,
    most: int,
    now: float,
) -> bool:
    """The model's line, if any came; members' turn from then on, or the end at `most` lines.
    False if the round is over by now."""
    if await _lock(connection, story_id) is not Turn.MODEL:
        return False
    if provenance is not None:
        await _write(connection, story_id, text, now, member_id=None)
        so_far = {
            "n_tokens": func.coalesce(stories.c.n_tokens, 0) + provenance.n_tokens,
            "seconds": func.coalesce(stories.c.seconds, 0.0) + provenance.seconds,
        }
        await _set(connection, story_id, **(asdict(provenance) | so_far))
    await _hand_on(connection, story_id, Turn.MEMBERS, now, status=Status.WRITING)
    if len(await _lines(connection, story_id)) >= most:
        await end(connection, story_id, now)
    return True


async def end(
    connection: AsyncConnection, story_id: int, now: float, idle_since: float | None = None
) -> bool:
    """Finish a round that has a line of the model's and one of a member's, cancel any other. False
    if it is over by now or, with `idle_since`, somebody wrote since then."""
    turn = await _lock(connection, story_id)
    if turn is None or turn is Turn.OVER:
        return False
    if idle_since is not None:
        changed_at = await connection.scalar(
            select(rounds.c.changed_at).where(rounds.c.story_id == story_id)
        )
        if turn is Turn.MODEL or changed_at is None or changed_at >= idle_since:
            return False
    written = await _lines(connection, story_id)
    is_story = len({line.is_models for line in written}) == 2
    await _hand_on(
        connection,
        story_id,
        Turn.OVER,
        now,
        status=Status.FINISHED if is_story else Status.CANCELLED,
        finished_at=now if is_story else None,
    )
    return True


# -- reading -----------------------------------------------------------------------------------
async def state(connection: AsyncConnection, story_id: int, most: int) -> Round | None:
    """How far a round is; None for any other story."""
    turn = await connection.scalar(select(rounds.c.turn).where(rounds.c.story_id == story_id))
    if turn is None:
        return None
    written = await _lines(connection, story_id)
    last = _waits_for_others(written)
    name = None
    if last is not None:
        name = await connection.scalar(
            select(identities.c.name)
            .join_from(stories, communities, communities.c.id == stories.c.community_id)
            .join(identities, is_identity_of(last.member_id))
            .where(stories.c.id == story_id)
        )
    return Round(len(written), most, name or "")


async def open_rounds(connection: AsyncConnection, community_id: int) -> list[Story]:
    """Newest first."""
    rows = await connection.execute(
        select_stories()
        .where(
            rounds.c.turn != literal_column(f"'{Turn.OVER}'"),
            stories.c.community_id == community_id,
            stories.c.status.in_(OPEN),
        )
        .order_by(stories.c.id.desc())
    )
    return [story_from(row) for row in rows]


async def idle(connection: AsyncConnection, since: float) -> dict[int, int]:
    """Rounds that nobody wrote in since then, and that wait for members; of each its community."""
    found = await connection.execute(
        select(rounds.c.story_id, stories.c.community_id)
        .join(stories, stories.c.id == rounds.c.story_id)
        .where(
            rounds.c.turn != literal_column(f"'{Turn.OVER}'"),  # as the index has it
            rounds.c.turn == Turn.MEMBERS,
            rounds.c.changed_at < since,
        )
        .order_by(rounds.c.story_id)
    )
    return {row.story_id: row.community_id for row in found}


async def count_lines(
    connection: AsyncConnection, member_id: int, since: float, community_id: int | None
) -> int:
    """How many lines a member wrote since then, in a community or (None) anywhere."""
    question = (
        select(func.count())
        .select_from(lines)
        .where(lines.c.member_id == member_id, lines.c.created_at >= since)
    )
    if community_id is not None:
        question = question.join(stories, stories.c.id == lines.c.story_id).where(
            stories.c.community_id == community_id
        )
    return await connection.scalar(question) or 0


# -- a member's own words ----------------------------------------------------------------------
async def withdraw_lines(connection: AsyncConnection, member_id: int) -> None:
    """Take the words of a member's lines out of every round, and their title and opening out of
    those they began."""
    theirs = lines.c.member_id == member_id
    touched = await connection.scalars(
        select(stories.c.id)
        .where(stories.c.id.in_(select(lines.c.story_id).where(theirs)))
        .order_by(stories.c.id)
        .with_for_update()
    )
    story_ids = list(touched)
    await connection.execute(update(lines).where(theirs).values(text="", member_id=None))
    for story_id in story_ids:
        await _set(connection, story_id, text=_joined(await _lines(connection, story_id)))
    await connection.execute(
        update(stories)
        .where(
            stories.c.author_id == member_id,
            stories.c.id.in_(select(rounds.c.story_id)),
        )
        .values(title="", prompt="")
    )


# -- inside ------------------------------------------------------------------------------------
async def _lock(connection: AsyncConnection, story_id: int) -> Turn | None:
    """Whose turn it is, and stays until we commit; None where there is no such round."""
    row = (
        await connection.execute(
            select(stories.c.status).where(stories.c.id == story_id).with_for_update()
        )
    ).one_or_none()
    if row is None or row.status == Status.DELETED:
        return None
    # Asked only now that the story is locked: see bot.store.votes.
    turn = await connection.scalar(select(rounds.c.turn).where(rounds.c.story_id == story_id))
    if turn is None:
        return None
    return Turn(turn) if row.status in OPEN else Turn.OVER


async def _lines(connection: AsyncConnection, story_id: int) -> Sequence[Row[Any]]:
    found = await connection.execute(
        select(lines).where(lines.c.story_id == story_id).order_by(lines.c.number)
    )
    return found.all()


def _waits_for_others(written: Sequence[Row[Any]]) -> Row[Any] | None:
    """The last line of a member's, where it is for others to go on."""
    by_members = [line for line in written if line.member_id is not None]
    return by_members[-1] if len({line.member_id for line in by_members}) > 1 else None


async def _write(
    connection: AsyncConnection, story_id: int, text: str, now: float, *, member_id: int | None
) -> None:
    """One more line, a member's or (None) the model's."""
    last = select(func.coalesce(func.max(lines.c.number), 0)).where(lines.c.story_id == story_id)
    await connection.execute(
        insert(lines).values(
            story_id=story_id,
            number=last.scalar_subquery() + 1,
            is_models=true() if member_id is None else false(),
            member_id=member_id,
            text=text,
            created_at=now,
        )
    )


async def _hand_on(
    connection: AsyncConnection, story_id: int, turn: Turn, now: float, **values: Any
) -> None:
    await connection.execute(
        update(rounds).where(rounds.c.story_id == story_id).values(turn=turn, changed_at=now)
    )
    text = _joined(await _lines(connection, story_id))
    await _set(connection, story_id, text=text, attempts=0, **values)


async def _set(connection: AsyncConnection, story_id: int, **values: Any) -> None:
    await connection.execute(update(stories).where(stories.c.id == story_id).values(**values))


def _joined(written: Sequence[Row[Any]]) -> str:
    return BETWEEN_LINES.join(line.text for line in written if line.text)
