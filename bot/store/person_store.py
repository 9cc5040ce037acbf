"""The part of the store about one person: their identities, and their own data.

Knows an open database; which one, `SqlStore` knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.domain import Forgotten, Member, Profile
from bot.errors import MemberError
from bot.store import linking, people, privacy, sharing
from bot.store.database import Database
from bot.store.linking import Offer
from bot.store.whole import whole_calls


@whole_calls
class PersonStore:
    """A part of `SqlStore`, which opens the database and has the clock."""

    _db: Database
    _clock: Callable[[], float]

    async def member(self, platform: str, platform_id: str) -> Member | None:
        async with self._db.read() as connection:
            return await people.member(connection, platform, platform_id)

    async def identities(self, member_id: int) -> list[Member]:
        async with self._db.read() as connection:
            return await people.identities_of(connection, member_id)

    async def profile(self, member: Member, community_id: int | None) -> Profile | None:
        async with self._db.read() as connection:
            return await sharing.profile(connection, member, community_id)

    # -- one person on several platforms -------------------------------------------------------
    async def offer_link(self, member: Member, code_hash: str, life_s: float) -> None:
        now = self._clock()
        code = Offer(code_hash, member.platform, now + life_s)
        async with self._db.write() as connection:
            await linking.offer(connection, member.id, code, now)

    async def linked_by(self, member_id: int, code_hash: str) -> Member:
        return await self._present(member_id, code_hash, redeem=False)

    async def redeem_link(self, member_id: int, code_hash: str) -> Member:
        return await self._present(member_id, code_hash, redeem=True)

    async def _present(self, member_id: int, code_hash: str, *, redeem: bool) -> Member:
        async with self._db.write() as connection:
            outcome = await linking.present(
                connection, member_id, code_hash, self._clock(), redeem=redeem
            )
        if isinstance(outcome, MemberError):
            raise outcome
        return outcome

    async def unlink(self, member: Member) -> None:
        async with self._db.write() as connection:
            await linking.separate(connection, member.id, member.platform)

    # -- a member's own data -------------------------------------------------------------------
    async def export_member(self, member_id: int) -> dict[str, Any]:
        async with self._db.read() as connection:
            return await privacy.export_member(connection, member_id)

    async def forget_member(self, member_id: int) -> Forgotten:
        async with self._db.write() as connection:
            return await privacy.forget_member(connection, member_id)
