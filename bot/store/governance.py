"""How a community is run: what it chose, and the trail of who did what.

The functions run on a connection that their caller opened; they commit nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.community_settings import CommunitySettings
from bot.domain import AuditEntry, Blocked, Community
from bot.errors import ChangedMeanwhile
from bot.store.database import upsert
from bot.store.rows import is_identity_of
from bot.store.tables import audit_log, blocks, communities, community_settings, identities


async def settings_of(connection: AsyncConnection, community_id: int) -> CommunitySettings:
    rows = (
        await connection.execute(
            select(communities.c.platform, community_settings.c.name, community_settings.c.value)
            .outerjoin_from(
                communities,
                community_settings,
                community_settings.c.community_id == communities.c.id,
            )
            .where(communities.c.id == community_id)
        )
    ).all()
    kept = {row.name: row.value for row in rows if row.name is not None}
    return CommunitySettings.from_kept(kept, rows[0].platform if rows else "")


async def communities_with(
    connection: AsyncConnection, platform: str, setting: str
) -> list[tuple[Community, CommunitySettings]]:
    """Communities of a platform that ever changed a setting, with all of theirs."""
    rows = await connection.execute(
        select(communities)
        .join(community_settings, community_settings.c.community_id == communities.c.id)
        .where(communities.c.platform == platform, community_settings.c.name == setting)
        .order_by(communities.c.id)
    )
    return [
        (
            Community(row.id, row.platform, row.platform_id, row.name, row.is_private),
            await settings_of(connection, row.id),
        )
        for row in rows.all()
    ]


@dataclass(frozen=True, slots=True)
class Change:
    """A setting's new value, ready for JSON."""

    name: str
    value: Any
    seen: CommunitySettings | None = None
    """What whoever changes it saw; None: it does not matter."""


async def change_setting(
    connection: AsyncConnection, community_id: int, member_id: int, change: Change, now: float
) -> None:
    """Keep a setting and who gave it which value instead of which. Raises ChangedMeanwhile."""
    name, value = change.name, change.value
    # One after another, or of two changes at once both would say they found the same value.
    await connection.execute(
        select(communities.c.id).where(communities.c.id == community_id).with_for_update()
    )
    found = await settings_of(connection, community_id)
    if change.seen is not None and getattr(change.seen, name) != getattr(found, name):
        raise ChangedMeanwhile
    before = found.model_dump(mode="json")[name]
    row = upsert(connection, community_settings).values(
        community_id=community_id, name=name, value=value
    )
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=["community_id", "name"], set_={"value": row.excluded.value}
        )
    )
    details = {"name": name, "before": before, "after": value}
    await note_action(connection, community_id, member_id, "setting", details, now)


async def note_action(
    connection: AsyncConnection,
    community_id: int,
    member_id: int,
    action: str,
    details: dict[str, Any],
    now: float,
) -> None:
    """Add to the trail."""
    await connection.execute(
        insert(audit_log).values(
            community_id=community_id, member_id=member_id, at=now, action=action, details=details
        )
    )


async def audit_trail(
    connection: AsyncConnection, community_id: int, *, limit: int, offset: int
) -> list[AuditEntry]:
    """Newest first."""
    rows = await connection.execute(
        select(audit_log, identities.c.name.label("actor"))
        .outerjoin_from(audit_log, communities, communities.c.id == audit_log.c.community_id)
        .outerjoin(identities, is_identity_of(audit_log.c.member_id))
        .where(audit_log.c.community_id == community_id)
        .order_by(audit_log.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [AuditEntry(row.at, row.actor or "", row.action, row.details) for row in rows]


async def join_communities(connection: AsyncConnection, newer: int, older: int) -> None:
    """The newer's choices go, as the older's hold; whom it blocked and what was done stays."""
    await connection.execute(
        delete(community_settings).where(community_settings.c.community_id == newer)
    )
    already = select(blocks.c.platform_id).where(blocks.c.community_id == older)
    await connection.execute(
        delete(blocks).where(blocks.c.community_id == newer, blocks.c.platform_id.in_(already))
    )
    await connection.execute(
        update(blocks).where(blocks.c.community_id == newer).values(community_id=older)
    )
    await connection.execute(
        update(audit_log).where(audit_log.c.community_id == newer).values(community_id=older)
    )


# -- blocks ------------------------------------------------------------------------------------
async def block(
    connection: AsyncConnection, community_id: int, platform_id: str, moderator_id: int, now: float
) -> None:
    """Keep who is blocked, and by whom. Once blocked, again changes nothing."""
    row = upsert(connection, blocks).values(
        community_id=community_id, platform_id=platform_id, at=now
    )
    added = await connection.execute(row.on_conflict_do_nothing())
    if added.rowcount:
        details = {"member": platform_id}
        await note_action(connection, community_id, moderator_id, "block", details, now)


async def unblock(
    connection: AsyncConnection, community_id: int, platform_id: str, moderator_id: int, now: float
) -> None:
    removed = await connection.execute(delete(blocks).where(_is_block(community_id, platform_id)))
    if removed.rowcount:
        details = {"member": platform_id}
        await note_action(connection, community_id, moderator_id, "unblock", details, now)


async def is_blocked(connection: AsyncConnection, community_id: int, member_id: int) -> bool:
    """Whether any identity of the member is blocked there: a block is meant for the person."""
    block = (
        select(blocks.c.at)
        .join(communities, communities.c.id == blocks.c.community_id)
        .join(identities, _is_identity_blocked())
        .where(blocks.c.community_id == community_id, identities.c.member_id == member_id)
    )
    return bool(await connection.scalar(select(block.exists())))


async def blocked(
    connection: AsyncConnection, community_id: int, *, limit: int, offset: int
) -> list[Blocked]:
    """Newest first."""
    rows = await connection.execute(
        select(blocks.c.platform_id, blocks.c.at, identities.c.name)
        .join(communities, communities.c.id == blocks.c.community_id)
        .outerjoin(identities, _is_identity_blocked())
        .where(blocks.c.community_id == community_id)
        .order_by(blocks.c.at.desc(), blocks.c.platform_id)
        .limit(limit)
        .offset(offset)
    )
    return [Blocked(row.platform_id, row.name or "", row.at) for row in rows]


def _is_identity_blocked() -> ColumnElement[bool]:
    return (identities.c.platform == communities.c.platform) & (
        identities.c.platform_id == blocks.c.platform_id
    )


def _is_block(community_id: int, platform_id: str) -> ColumnElement[bool]:
    return (blocks.c.community_id == community_id) & (blocks.c.platform_id == platform_id)
