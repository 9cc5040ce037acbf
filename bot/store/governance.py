"""How a community is run: what it chose, and the trail of who did what.

The functions run on a connection that their caller opened; they commit nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.community_settings import CommunitySettings
from bot.domain import AuditEntry
from bot.store.database import upsert
from bot.store.tables import audit_log, communities, community_settings, members


async def settings_of(connection: AsyncConnection, community_id: int) -> CommunitySettings:
    rows = await connection.execute(
        select(community_settings.c.name, community_settings.c.value).where(
            community_settings.c.community_id == community_id
        )
    )
    return CommunitySettings.from_kept({row.name: row.value for row in rows})


async def change_setting(
    connection: AsyncConnection,
    community_id: int,
    member_id: int,
    name: str,
    value: Any,
    now: float,
) -> None:
    """Keep a setting and who gave it which value instead of which."""
    # One after another, or of two changes at once both would say they found the same value.
    await connection.execute(
        select(communities.c.id).where(communities.c.id == community_id).with_for_update()
    )
    before = (await settings_of(connection, community_id)).model_dump(mode="json")[name]
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
        select(audit_log, members.c.name.label("actor"))
        .outerjoin_from(audit_log, members, audit_log.c.member_id == members.c.id)
        .where(audit_log.c.community_id == community_id)
        .order_by(audit_log.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [AuditEntry(row.at, row.actor or "", row.action, row.details) for row in rows]


async def join_communities(connection: AsyncConnection, newer: int, older: int) -> None:
    """The newer's choices go, as the older's hold; what was done there is part of one trail."""
    await connection.execute(
        delete(community_settings).where(community_settings.c.community_id == newer)
    )
    await connection.execute(
        update(audit_log).where(audit_log.c.community_id == newer).values(community_id=older)
    )
