"""A member's own data: what there is, and its removal; and the removal of one story's words.

The functions run on a connection that their caller opened; they commit nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Text, cast, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Forgotten, Status
from bot.store import people
from bot.store.rounds import withdraw_lines
from bot.store.rows import is_identity_of
from bot.store.tables import (
    audit_log,
    blocks,
    communities,
    identities,
    lines,
    link_codes,
    link_tries,
    members,
    posts,
    reports,
    rounds,
    stories,
    votes,
)
from bot.store.votes import withdraw_votes

_BLANK: dict[str, Any] = {
    "status": Status.DELETED,
    "title": "",
    "prompt": "",
    "text": "",
    "failure": None,
    "ups": 0,
    "downs": 0,
    "rank": 0.0,
    "hidden": False,
}
"""What a deleted story keeps of its words and votes: nothing."""


async def delete_story(connection: AsyncConnection, story_id: int) -> bool:
    """Remove a story's words and votes; True if this call did it."""
    condition = (stories.c.id == story_id) & (stories.c.status != Status.DELETED)
    if not await _blank(connection, condition):
        return False
    await connection.execute(delete(votes).where(votes.c.story_id == story_id))
    await connection.execute(delete(reports).where(reports.c.story_id == story_id))
    return True


async def forget_member(connection: AsyncConnection, member_id: int) -> Forgotten:
    """Remove the member with all their identities, their votes, the words, votes and posts of
    their stories, and what tells whose their private chats were. A round that others wrote in too
    loses the member's words alone."""
    # Their row first: whoever adds a story or vote of theirs now waits, and then finds nobody.
    await people.hold(connection, member_id, change=True)
    await _disown_private_chats(connection, member_id)
    await _leave_trails(connection, member_id)
    n_votes = await withdraw_votes(connection, member_id)
    await withdraw_lines(connection, member_id)
    others_wrote = exists().where(lines.c.story_id == stories.c.id, lines.c.member_id.is_not(None))
    theirs = (stories.c.author_id == member_id) & ~others_wrote
    their_stories = select(stories.c.id).where(theirs)
    n_stories = await _blank(connection, theirs & (stories.c.status != Status.DELETED))
    await connection.execute(delete(votes).where(votes.c.story_id.in_(their_stories)))
    await connection.execute(delete(posts).where(posts.c.story_id.in_(their_stories)))
    await connection.execute(
        delete(reports).where(
            reports.c.story_id.in_(their_stories) | (reports.c.member_id == member_id)
        )
    )
    await connection.execute(
        update(stories).where(stories.c.author_id == member_id).values(author_id=None)
    )
    await connection.execute(
        update(audit_log).where(audit_log.c.member_id == member_id).values(member_id=None)
    )
    for table in (link_codes, link_tries, identities):
        await connection.execute(delete(table).where(table.c.member_id == member_id))
    await connection.execute(delete(members).where(members.c.id == member_id))
    return Forgotten(stories=n_stories, votes=n_votes)


async def _leave_trails(connection: AsyncConnection, member_id: int) -> None:
    """Take the member's ids out of the trails of communities where they are not blocked now."""
    theirs = await connection.execute(select(identities).where(identities.c.member_id == member_id))
    for identity in theirs.all():
        await _leave_trails_of_platform(connection, identity)


async def _leave_trails_of_platform(connection: AsyncConnection, member: Row[Any]) -> None:
    still_blocked = select(blocks.c.community_id).where(blocks.c.platform_id == member.platform_id)
    rows = await connection.execute(
        select(audit_log.c.id, audit_log.c.details)
        .join(communities, communities.c.id == audit_log.c.community_id)
        .where(
            communities.c.platform == member.platform,
            audit_log.c.action.in_(("block", "unblock")),
            audit_log.c.community_id.not_in(still_blocked),
        )
    )
    for row in rows.all():
        if row.details["member"] == member.platform_id:
            await connection.execute(
                update(audit_log).where(audit_log.c.id == row.id).values(details={"member": ""})
            )


async def _disown_private_chats(connection: AsyncConnection, member_id: int) -> None:
    """A private chat's id is its member's own, or leads to them. Its row stays for its stories."""
    written_in = select(stories.c.community_id).where(stories.c.author_id == member_id)
    has_their_id = exists().where(
        identities.c.member_id == member_id,
        identities.c.platform == communities.c.platform,
        identities.c.platform_id == communities.c.platform_id,
    )
    await connection.execute(
        update(communities)
        .where(communities.c.is_private, communities.c.id.in_(written_in) | has_their_id)
        .values(platform_id="forgotten-" + cast(communities.c.id, Text), name="")
    )


async def _blank(connection: AsyncConnection, condition: ColumnElement[bool]) -> int:
    for table in (lines, rounds):
        blanked = select(stories.c.id).where(condition)
        await connection.execute(delete(table).where(table.c.story_id.in_(blanked)))
    return (await connection.execute(update(stories).where(condition).values(**_BLANK))).rowcount


# -- export ------------------------------------------------------------------------------------
async def export_member(connection: AsyncConnection, member_id: int) -> dict[str, Any]:
    """Everything kept about a member, ready for JSON; times in ISO 8601, UTC."""
    theirs = (
        await connection.execute(
            select(identities)
            .where(identities.c.member_id == member_id)
            .order_by(identities.c.created_at, identities.c.platform)
        )
    ).all()
    return {
        "identities": [_identity(row) for row in theirs],
        "linking": await _linking(connection, member_id),
        "stories": await _stories(connection, member_id),
        "lines": await _lines(connection, member_id),
        "votes": await _votes(connection, member_id),
        "reports": await _reports(connection, member_id),
        "actions": await _actions(connection, member_id),
        "blocked_in": await _blocked_in(connection, member_id),
    }


def _identity(row: Row[Any]) -> dict[str, Any]:
    return {
        "platform": row.platform,
        "platform_id": row.platform_id,
        "name": row.name,
        "first_seen": _iso(row.created_at),
    }


async def _linking(connection: AsyncConnection, member_id: int) -> dict[str, Any]:
    """What is kept while identities are linked; the code itself is not."""
    until = select(link_codes.c.expires_at).where(link_codes.c.member_id == member_id)
    wrong = select(link_tries.c.wrong).where(link_tries.c.member_id == member_id)
    return {
        "code_until": _iso(await connection.scalar(until)),
        "wrong_codes": await connection.scalar(wrong) or 0,
    }


async def _stories(connection: AsyncConnection, member_id: int) -> list[dict[str, Any]]:
    shown_at: dict[int, list[dict[str, str]]] = {}
    for post in await connection.execute(
        select(posts)
        .join(stories, stories.c.id == posts.c.story_id)
        .where(stories.c.author_id == member_id)
        .order_by(posts.c.id)
    ):
        shown_at.setdefault(post.story_id, []).append(
            {
                "platform": post.platform,
                "channel_id": post.channel_id,
                "message_id": post.message_id,
            }
        )
    rows = await connection.execute(
        select(stories, communities.c.name.label("community"))
        .join(communities, communities.c.id == stories.c.community_id)
        .where(stories.c.author_id == member_id)
        .order_by(stories.c.id)
    )
    return [_story(row) | {"shown_at": shown_at.get(row.id, [])} for row in rows]


def _story(row: Row[Any]) -> dict[str, Any]:
    provenance = ("model", "revision", "adapter_hash", "n_tokens", "seconds", "finish_reason")
    return {
        "id": row.id,
        "status": row.status,
        "community": row.community,
        "genre": row.genre,
        "title": row.title,
        "prompt": row.prompt,
        "text": row.text,
        "parent_id": row.parent_id,
        "relation": row.relation,
        "created_at": _iso(row.created_at),
        "finished_at": _iso(row.finished_at),
        "failure": row.failure,
        "attempts": row.attempts,
        "sampling": row.sampling,
        "provenance": (
            None if row.model is None else {name: getattr(row, name) for name in provenance}
        ),
        "votes_received": {"up": row.ups, "down": row.downs, "rank": row.rank},
    }


async def _lines(connection: AsyncConnection, member_id: int) -> list[dict[str, Any]]:
    rows = await connection.execute(
        select(lines)
        .where(lines.c.member_id == member_id)
        .order_by(lines.c.story_id, lines.c.number)
    )
    return [
        {"story_id": row.story_id, "text": row.text, "created_at": _iso(row.created_at)}
        for row in rows
    ]


async def _votes(connection: AsyncConnection, member_id: int) -> list[dict[str, Any]]:
    rows = await connection.execute(
        select(votes).where(votes.c.member_id == member_id).order_by(votes.c.story_id)
    )
    return [
        {
            "story_id": row.story_id,
            "value": row.value,
            "not_counted": row.held,
            "created_at": _iso(row.created_at),
            "updated_at": _iso(row.updated_at),
        }
        for row in rows
    ]


async def _reports(connection: AsyncConnection, member_id: int) -> list[dict[str, Any]]:
    rows = await connection.execute(
        select(reports).where(reports.c.member_id == member_id).order_by(reports.c.story_id)
    )
    return [
        {"story_id": row.story_id, "reason": row.reason, "created_at": _iso(row.created_at)}
        for row in rows
    ]


async def _blocked_in(connection: AsyncConnection, member_id: int) -> list[dict[str, Any]]:
    rows = await connection.execute(
        select(blocks.c.at, communities.c.name)
        .join(communities, communities.c.id == blocks.c.community_id)
        .join(identities, is_identity_of(member_id))
        .where(identities.c.platform_id == blocks.c.platform_id)
        .order_by(blocks.c.at)
    )
    return [{"community": row.name, "at": _iso(row.at)} for row in rows]


async def _actions(connection: AsyncConnection, member_id: int) -> list[dict[str, Any]]:
    """What they did in running communities."""
    rows = await connection.execute(
        select(audit_log, communities.c.name.label("community"))
        .join(communities, communities.c.id == audit_log.c.community_id)
        .where(audit_log.c.member_id == member_id)
        .order_by(audit_log.c.id)
    )
    return [
        {
            "at": _iso(row.at),
            "community": row.community,
            "action": row.action,
            "details": row.details,
        }
        for row in rows
    ]


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()
