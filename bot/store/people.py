"""Members, their identities, and communities: their rows, made on first sight.

The functions run on a connection that their caller opened; they commit nothing.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Caller, Community, Member
from bot.store import governance
from bot.store.database import upsert
from bot.store.tables import communities, identities, members, stories


async def find(connection: AsyncConnection, caller: Caller) -> tuple[Member, Community] | None:
    """Both of the caller's rows as they are kept, None if one is missing."""
    row = (
        await connection.execute(
            select(
                identities.c.member_id,
                identities.c.name.label("member_name"),
                communities.c.id.label("community_id"),
                communities.c.name.label("community_name"),
                communities.c.is_private,
            )
            .join_from(identities, communities, identities.c.platform == communities.c.platform)
            .where(
                _is_identity(caller.platform, caller.member_id),
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
            select(identities.c.member_id, identities.c.name).where(
                _is_identity(platform, platform_id)
            )
        )
    ).one_or_none()
    return None if row is None else Member(row.member_id, platform, platform_id, row.name)


async def identities_of(connection: AsyncConnection, member_id: int) -> list[Member]:
    """A member as each of their platforms knows them, the oldest first."""
    rows = await connection.execute(
        select(identities)
        .where(identities.c.member_id == member_id)
        .order_by(identities.c.created_at, identities.c.platform)
    )
    return [Member(member_id, row.platform, row.platform_id, row.name) for row in rows]


def _is_identity(platform: str, platform_id: str) -> ColumnElement[bool]:
    return (identities.c.platform == platform) & (identities.c.platform_id == platform_id)


async def hold(connection: AsyncConnection, *member_ids: int, change: bool = False) -> list[float]:
    """Let nobody forget or link these members until we commit, nor (`change`) act for them; since
    when we know each who is still there.

    Members are locked before stories, wherever both are, so that two cannot wait for each other.
    """
    since = await connection.scalars(
        select(members.c.created_at)
        .where(members.c.id.in_(member_ids))
        .order_by(members.c.id)
        .with_for_update(read=not change, key_share=not change)
    )
    return list(since)


def is_current(caller: Caller, member: Member, community: Community) -> bool:
    """True if the rows say what the platform says now. An empty name means it did not say."""
    return (
        caller.member_name in ("", member.name)
        and caller.community_name in ("", community.name)
        and caller.is_private == community.is_private
    )


async def register(connection: AsyncConnection, caller: Caller, now: float) -> None:
    """Make the caller's rows, or bring them up to date."""
    known = await connection.execute(
        update(identities)
        .where(_is_identity(caller.platform, caller.member_id))
        .values(name=caller.member_name or identities.c.name)
    )
    if not known.rowcount:
        await _welcome(connection, caller, now)
    row = upsert(connection, communities).values(
        platform=caller.platform,
        platform_id=caller.community_id,
        name=caller.community_name,
        is_private=caller.is_private,
        created_at=now,
    )
    name = case((row.excluded.name == "", communities.c.name), else_=row.excluded.name)
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=["platform", "platform_id"],
            set_={"name": name, "is_private": row.excluded.is_private},
        )
    )


async def _welcome(connection: AsyncConnection, caller: Caller, now: float) -> None:
    """A new member with one identity, unless somebody else made it meanwhile."""
    member_id = await new_member(connection, now)
    row = upsert(connection, identities).values(
        platform=caller.platform,
        platform_id=caller.member_id,
        name=caller.member_name,
        member_id=member_id,
        created_at=now,
    )
    made = await connection.execute(row.on_conflict_do_nothing())
    if not made.rowcount:
        await connection.execute(delete(members).where(members.c.id == member_id))


async def new_member(connection: AsyncConnection, since: float) -> int:
    """The id of a member without an identity yet."""
    member_id: int | None = await connection.scalar(
        insert(members).values(created_at=since).returning(members.c.id)
    )
    assert member_id is not None, "a row that was inserted has its id"  # noqa: S101
    return member_id


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
