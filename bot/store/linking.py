"""One person on several platforms: codes that join two members into one, and the way apart.

What someone did belongs to the identity on whose platform they did it, and that the place tells: so
two members can become one, and one two again, with nothing written down about it.

The functions run inside a writing transaction that their caller opened; they commit nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain import Member
from bot.errors import MemberError, NotLinked, OwnCode, PlatformTaken, TooManyTries, WrongCode
from bot.store.database import upsert
from bot.store.people import hold, new_member
from bot.store.tables import (
    audit_log,
    communities,
    identities,
    lines,
    link_codes,
    link_tries,
    members,
    reports,
    stories,
    votes,
)
from bot.store.votes import join_votes

MAX_WRONG = 5
"""Wrong codes a member may try in an hour. With codes of 40 bits that live ten minutes, one try
hits one of a hundred open codes once in 10^10 (RFC 8628, section 5.1, asks for a bound)."""
WRONG_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Offer:
    """A code, by its hash, until when it holds, and on which platform it was given out."""

    code_hash: str
    platform: str
    expires_at: float


async def offer(connection: AsyncConnection, member_id: int, code: Offer, now: float) -> None:
    """Keep a member's code; one they had before is worth nothing from now on."""
    await connection.execute(delete(link_codes).where(link_codes.c.expires_at <= now))
    row = upsert(connection, link_codes).values(
        member_id=member_id,
        platform=code.platform,
        code_hash=code.code_hash,
        expires_at=code.expires_at,
    )
    renewed = {name: row.excluded[name] for name in ("platform", "code_hash", "expires_at")}
    await connection.execute(row.on_conflict_do_update(index_elements=["member_id"], set_=renewed))


async def present(
    connection: AsyncConnection, member_id: int, code_hash: str, now: float, *, redeem: bool
) -> Member | MemberError:
    """Whose code this is; with `redeem`, they and the member are one from now on.

    Returns WrongCode, TooManyTries, OwnCode or PlatformTaken where it does not serve. Returns
    them, since what is raised undoes the transaction, and a wrong try is to be remembered.
    """
    found = await _offered(connection, code_hash, now)
    ids = [member_id] if found is None else [member_id, found.id]
    await hold(connection, *ids, change=True)
    if (wait_s := await _must_wait(connection, member_id, now)) > 0:
        return TooManyTries(minutes=max(1, round(wait_s / 60)))
    found = await _offered(connection, code_hash, now)  # somebody may have redeemed it meanwhile
    if found is None or found.id not in ids:
        await _note_wrong(connection, member_id, now)
        return WrongCode()
    if found.id == member_id:
        return OwnCode()
    if platform := await _shared_platform(connection, member_id, found.id):
        return PlatformTaken(platform=platform)
    if redeem:
        await _join(connection, max(ids), min(ids))
    return replace(found, id=min(ids)) if redeem else found


async def _offered(connection: AsyncConnection, code_hash: str, now: float) -> Member | None:
    rows = await connection.execute(
        select(identities)
        .join(
            link_codes,
            (identities.c.member_id == link_codes.c.member_id)
            & (identities.c.platform == link_codes.c.platform),
        )
        .where(link_codes.c.code_hash == code_hash, link_codes.c.expires_at > now)
    )
    row = rows.one_or_none()
    if row is None:
        return None
    return Member(row.member_id, row.platform, row.platform_id, row.name)


async def _must_wait(connection: AsyncConnection, member_id: int, now: float) -> float:
    """Seconds until the member may try a code again, 0 if now."""
    row = (
        await connection.execute(select(link_tries).where(link_tries.c.member_id == member_id))
    ).one_or_none()
    return 0.0 if row is None or row.wrong < MAX_WRONG else max(0.0, row.since + WRONG_S - now)


async def _note_wrong(connection: AsyncConnection, member_id: int, now: float) -> None:
    mine = link_tries.c.member_id == member_id
    await connection.execute(delete(link_tries).where(mine, link_tries.c.since <= now - WRONG_S))
    row = upsert(connection, link_tries).values(member_id=member_id, wrong=1, since=now)
    await connection.execute(
        row.on_conflict_do_update(
            index_elements=["member_id"], set_={"wrong": link_tries.c.wrong + 1}
        )
    )


async def _shared_platform(connection: AsyncConnection, one: int, other: int) -> str:
    """A platform on which both have an identity, "" without one."""
    twice = (
        select(identities.c.platform)
        .where(identities.c.member_id.in_((one, other)))
        .group_by(identities.c.platform)
        .having(func.count() > 1)
        .order_by(identities.c.platform)
        .limit(1)
    )
    return await connection.scalar(twice) or ""


async def _join(connection: AsyncConnection, newer: int, older: int) -> None:
    """Make two members the older one of them."""
    await join_votes(connection, newer, older)
    await _join_reports(connection, newer, older)
    for column in (
        stories.c.author_id,
        lines.c.member_id,
        audit_log.c.member_id,
        identities.c.member_id,
    ):
        await connection.execute(
            update(column.table).where(column == newer).values({column: older})
        )
    for table in (link_codes, link_tries):
        await connection.execute(delete(table).where(table.c.member_id.in_((newer, older))))
    await _since_first_seen(connection, older)
    await connection.execute(delete(members).where(members.c.id == newer))


async def _join_reports(connection: AsyncConnection, newer: int, older: int) -> None:
    both = reports.c.member_id.in_((newer, older))
    their_own = select(stories.c.id).where(stories.c.author_id.in_((newer, older)))
    await connection.execute(delete(reports).where(both, reports.c.story_id.in_(their_own)))
    already = select(reports.c.story_id).where(reports.c.member_id == older)
    await connection.execute(
        delete(reports).where(reports.c.member_id == newer, reports.c.story_id.in_(already))
    )
    await connection.execute(
        update(reports).where(reports.c.member_id == newer).values(member_id=older)
    )


async def _since_first_seen(connection: AsyncConnection, member_id: int) -> None:
    first = select(func.min(identities.c.created_at)).where(identities.c.member_id == member_id)
    await connection.execute(
        update(members).where(members.c.id == member_id).values(created_at=first.scalar_subquery())
    )


async def separate(connection: AsyncConnection, member_id: int, platform: str) -> None:
    """Make a member's identity on this platform a member of its own, with all that was done there.

    Raises NotLinked.
    """
    await hold(connection, member_id, change=True)
    theirs = await connection.execute(
        select(identities.c.platform, identities.c.created_at).where(
            identities.c.member_id == member_id
        )
    )
    since = {row.platform: row.created_at for row in theirs}
    if len(since) < 2 or platform not in since:
        raise NotLinked
    apart = await new_member(connection, since[platform])
    there = select(communities.c.id).where(communities.c.platform == platform)
    told_there = select(stories.c.id).where(stories.c.community_id.in_(there))
    for column, is_there in (
        (identities.c.member_id, identities.c.platform == platform),
        (stories.c.author_id, stories.c.community_id.in_(there)),
        (audit_log.c.member_id, audit_log.c.community_id.in_(there)),
        (lines.c.member_id, lines.c.story_id.in_(told_there)),
        (votes.c.member_id, votes.c.story_id.in_(told_there)),
        (reports.c.member_id, reports.c.story_id.in_(told_there)),
    ):
        await connection.execute(
            update(column.table).where(column == member_id, is_there).values({column: apart})
        )
    await connection.execute(delete(link_codes).where(link_codes.c.member_id == member_id))
    await _since_first_seen(connection, member_id)
