"""Reports of stories, and what moderators decided about them.

The functions run on a connection that their caller opened; they commit nothing.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, false, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Case, Member, Status
from bot.errors import AlreadyReported, NotFinished, OwnReport, StoryNotFound
from bot.store.governance import note_action
from bot.store.held_votes import held_on
from bot.store.people import hold
from bot.store.rows import is_identity_of, select_stories, story_from
from bot.store.tables import communities, identities, reports, stories


async def report_story(
    connection: AsyncConnection,
    member_id: int,
    story_id: int,
    reason: str,
    threshold: int,
    now: float,
) -> bool:
    """Keep a report; True if it hid the story, as the `threshold`-th since nobody looked.

    A story that a moderator kept is not hidden again. Raises StoryNotFound, NotFinished,
    OwnReport, AlreadyReported.
    """
    await hold(connection, member_id)
    await _lock_story(connection, member_id, story_id)
    of_story = reports.c.story_id == story_id
    rows = (await connection.execute(select(reports).where(of_story))).all()
    if any(row.member_id == member_id for row in rows):
        raise AlreadyReported(id=story_id)
    await connection.execute(
        insert(reports).values(
            story_id=story_id, member_id=member_id, reason=reason, created_at=now, settled=False
        )
    )
    if any(row.settled for row in rows) or not threshold or len(rows) + 1 < threshold:
        return False
    hidden = await connection.execute(
        update(stories)
        .where(stories.c.id == story_id, stories.c.hidden == false())
        .values(hidden=True)
    )
    return hidden.rowcount == 1


async def _lock_story(connection: AsyncConnection, member_id: int, story_id: int) -> None:
    story = (
        await connection.execute(
            select(stories.c.status, stories.c.author_id)
            .where(stories.c.id == story_id)
            .with_for_update()
        )
    ).one_or_none()
    if story is None or story.status == Status.DELETED:
        raise StoryNotFound(id=story_id)
    if story.status != Status.FINISHED:
        raise NotFinished(id=story_id)
    if story.author_id == member_id:
        raise OwnReport


# -- for moderators ----------------------------------------------------------------------------
def _is_case(community_id: int) -> ColumnElement[bool]:
    """Hidden, or reported since a moderator last looked."""
    # From the few open reports to their stories: SQLite would walk all of the community's instead.
    here = (stories.c.community_id == community_id) & (stories.c.status == Status.FINISHED)
    is_open = reports.c.settled == false()
    opened = select(reports.c.story_id).where(is_open).group_by(reports.c.story_id).subquery()
    reported = (
        select(stories.c.id)
        .join_from(opened, stories, stories.c.id == opened.c.story_id)
        .where(here)
    )
    hidden = select(stories.c.id).where(here, stories.c.hidden == true())
    return stories.c.id.in_(reported.union(hidden))


async def count_cases(connection: AsyncConnection, community_id: int) -> int:
    question = select(func.count()).select_from(stories)
    return await connection.scalar(question.where(_is_case(community_id))) or 0


async def cases(
    connection: AsyncConnection, community_id: int, *, limit: int, offset: int
) -> list[Case]:
    """Hidden ones first, then those with the most reports, then the oldest."""
    n_reports = (
        select(func.count())
        .where(reports.c.story_id == stories.c.id, reports.c.settled == false())
        .scalar_subquery()
    )
    rows = await connection.execute(
        select_stories()
        .add_columns(n_reports.label("n_reports"))
        .where(_is_case(community_id))
        .order_by(stories.c.hidden.desc(), n_reports.desc(), stories.c.id)
        .limit(limit)
        .offset(offset)
    )
    return [
        Case(
            story_from(row),
            row.n_reports,
            await _reasons(connection, row.id),
            await held_on(connection, row.id),
        )
        for row in rows.all()
    ]


async def _reasons(connection: AsyncConnection, story_id: int) -> tuple[str, ...]:
    rows = await connection.scalars(
        select(reports.c.reason)
        .where(reports.c.story_id == story_id, reports.c.settled == false(), reports.c.reason != "")
        .order_by(reports.c.created_at, reports.c.member_id)
    )
    return tuple(rows)


async def keep_story(
    connection: AsyncConnection, story_id: int, moderator_id: int, now: float
) -> None:
    """Show a story again, and take its reports as looked at. Raises StoryNotFound, also where
    another moderator deleted it meanwhile."""
    kept = await connection.execute(
        update(stories)
        .where(stories.c.id == story_id, stories.c.status != Status.DELETED)
        .values(hidden=False)
    )
    if not kept.rowcount:
        raise StoryNotFound(id=story_id)
    await connection.execute(
        update(reports).where(reports.c.story_id == story_id).values(settled=True)
    )
    await note_decision(connection, story_id, moderator_id, "keep", now)


async def note_decision(
    connection: AsyncConnection, story_id: int, moderator_id: int, action: str, now: float
) -> None:
    """Into the trail of the story's community."""
    community_id = await connection.scalar(
        select(stories.c.community_id).where(stories.c.id == story_id)
    )
    if community_id is not None:
        details = {"story": story_id}
        await note_action(connection, community_id, moderator_id, action, details, now)


async def author_of(connection: AsyncConnection, story_id: int) -> Member | None:
    """Who asked for the story, as their community knows them; None once they were forgotten."""
    row = (
        await connection.execute(
            select(identities)
            .join_from(stories, communities, communities.c.id == stories.c.community_id)
            .join(identities, is_identity_of(stories.c.author_id))
            .where(stories.c.id == story_id)
        )
    ).one_or_none()
    return None if row is None else Member(row.member_id, row.platform, row.platform_id, row.name)
