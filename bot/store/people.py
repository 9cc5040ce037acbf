"""Members and communities: their rows, made on first sight.

The functions run on a connection that their caller opened; they commit nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, case, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Caller, Community, Member
from bot.store import governance
from bot.store.database import upsert
from bot.store.tables import communities, members, stories


async def find(connection: AsyncConnection, caller: Caller) -> tuple[Member, Community] | None:
    """Both of the caller's rows as they are kept, None if one is missing."""
    row = (
        await connection.execute(
            select(
                members.c.id.label("member_id"),
                members.c.name.label("member_name"),
                communities.c.id.label("community_id"),
                communities.c.name.label("community_name"),
                communities.c.is_private,
            )
            .join_from(members, communities, members.c.platform == communities.c.platform)
            .where(
                members.c.platform == caller.platform,
                members.c.platform_id == caller.member_id,
                communities.c.platform_id == caller.community_id,
            )
        )
    ).one_or_none()
    if row is None:
        return None
    return (
        Member(row.member_id, caller.platform, caller.member_id, row.member_name),
        Community(
            row.community_id,
            caller.platform,
            caller.community_id,
            row.community_name,
            row.is_private,
        ),
    )


async def member(connection: AsyncConnection, platform: str, platform_id: str) -> Member | None:
    row = (
        await connection.execute(
            select(members).where(
                members.c.platform == platform, members.c.platform_id == platform_id
            )
        )
    ).one_or_none()
    return None if row is None else Member(row.id, platform, platform_id, row.name)


def is_current(caller: Caller, member: Member, community: Community) -> bool:
    """True if the rows say what the platform says now. An empty name means it did not say."""
    return (
        caller.member_name in ("", member.name)
        and caller.community_name in ("", community.name)
        and caller.is_private == community.is_private
    )


async def register(connection: AsyncConnection, caller: Caller, now: float) -> None:
    """Make the caller's rows, or bring them up to date."""
    await _register(
        connection,
        members,
        platform=caller.platform,
        platform_id=caller.member_id,
        name=caller.member_name,
        created_at=now,
    )
    await _register(
        connection,
        communities,
        platform=caller.platform,
        platform_id=caller.community_id,
        name=caller.community_name,
        is_private=caller.is_private,
        created_at=now,
    )


async def _register(connection: AsyncConnection, table: Table, **values: Any) -> None:
    row = upsert(connection, table).values(**values)
    changes = {"name": case((row.excluded.name == "", table.c.name), else_=row.excluded.name)}
    if "is_private" in values:
        changes["is_private"] = row.excluded.is_private
    await connection.execute(
        row.on_conflict_do_update(index_elements=["platform", "platform_id"], set_=changes)
    )


async def move_community(
    connection: AsyncConnection, platform: str, old_id: str, new_id: str
) -> None:
    """Give a community's row its new id; a row made under that id meanwhile joins it."""
    rows = await connection.execute(
        select(communities.c.platform_id, communities.c.id).where(
            communities.c.platform == platform, communities.c.platform_id.in_([old_id, new_id])
        )
    )
    ids = {row.platform_id: row.id for row in rows}
    if old_id not in ids or old_id == new_id:
        return
    if (newer := ids.get(new_id)) is not None:
        await connection.execute(
            update(stories).where(stories.c.community_id == newer).values(community_id=ids[old_id])
        )
        await governance.join_communities(connection, newer, ids[old_id])
        await connection.execute(delete(communities).where(communities.c.id == newer))
    await connection.execute(
        update(communities).where(communities.c.id == ids[old_id]).values(platform_id=new_id)
    )
