"""The part of the store about running communities: settings, the trail, reports, blocks.

Knows an open database; which one, `SqlStore` knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.community_settings import CommunitySettings
from bot.domain import AuditEntry, Blocked, Case, Community, Member, Stats, Story
from bot.store import figures, governance, held_votes, reports, sharing
from bot.store.database import Database
from bot.store.share import Share
from bot.store.whole import whole_calls


@whole_calls
class CommunityStore:
    """A part of `SqlStore`, which opens the database and has the clock."""

    _db: Database
    _clock: Callable[[], float]
    _share: Share

    async def community_settings(self, community_id: int) -> CommunitySettings:
        async with self._db.read() as connection:
            return await governance.settings_of(connection, community_id)

    async def change_setting(
        self,
        community_id: int,
        member_id: int,
        name: str,
        value: Any,
        before: CommunitySettings | None = None,
    ) -> None:
        change = governance.Change(name, value, before)
        async with self._db.write() as connection:
            await governance.change_setting(
                connection, community_id, member_id, change, self._clock()
            )

    async def note_action(
        self, community_id: int, member_id: int, action: str, details: dict[str, Any]
    ) -> None:
        async with self._db.write() as connection:
            await governance.note_action(
                connection, community_id, member_id, action, details, self._clock()
            )

    async def audit_log(
        self, community_id: int, *, limit: int = 10, offset: int = 0
    ) -> list[AuditEntry]:
        async with self._db.read() as connection:
            return await governance.audit_trail(
                connection, community_id, limit=limit, offset=offset
            )

    # -- across communities --------------------------------------------------------------------
    async def shared_top(
        self, genre: str | None, since: float | None, limit: int, offset: int
    ) -> list[Story]:
        async with self._db.read() as connection:
            return await sharing.shared_top(connection, genre, since, limit, offset)

    async def shared_story(self, story_id: int) -> Story | None:
        async with self._db.read() as connection:
            return await sharing.shared_story(connection, story_id)

    async def stats(self, community_id: int, now: float) -> Stats:
        async with self._db.read() as connection:
            return await figures.stats(connection, community_id, now)

    # -- what is posted by itself --------------------------------------------------------------
    async def communities_with(
        self, platform: str, setting: str
    ) -> list[tuple[Community, CommunitySettings]]:
        async with self._db.read() as connection:
            found = await governance.communities_with(connection, platform, setting)
        return [
            (community, settings)
            for community, settings in found
            if self._share.includes(community.platform, community.platform_id, community.is_private)
        ]

    async def claim_famous(self, community_id: int, votes: int, *, since: float) -> Story | None:
        async with self._db.read() as connection:
            found = await sharing.famous(connection, community_id, votes, since)
        if found is None:  # as nearly always: no lock for that
            return None
        async with self._db.write() as connection:
            return await sharing.claim_famous(connection, community_id, votes, since, self._clock())

    async def release_famous(self, story_id: int) -> None:
        async with self._db.write() as connection:
            await sharing.release_famous(connection, story_id)

    # -- reports -------------------------------------------------------------------------------
    async def report_story(
        self, member_id: int, story_id: int, reason: str, threshold: int
    ) -> bool:
        async with self._db.write() as connection:
            return await reports.report_story(
                connection, member_id, story_id, reason, threshold, self._clock()
            )

    async def count_cases(self, community_id: int) -> int:
        async with self._db.read() as connection:
            return await reports.count_cases(connection, community_id)

    async def cases(self, community_id: int, *, limit: int, offset: int) -> list[Case]:
        async with self._db.read() as connection:
            return await reports.cases(connection, community_id, limit=limit, offset=offset)

    async def keep_story(self, story_id: int, moderator_id: int) -> None:
        async with self._db.write() as connection:
            await reports.keep_story(connection, story_id, moderator_id, self._clock())

    # -- votes that are not counted ------------------------------------------------------------
    async def count_held(self, community_id: int) -> int:
        async with self._db.read() as connection:
            return await held_votes.count(connection, community_id)

    async def held(self, community_id: int, *, limit: int, offset: int) -> list[Case]:
        async with self._db.read() as connection:
            return await held_votes.cases(connection, community_id, limit=limit, offset=offset)

    async def release_votes(self, story_id: int, moderator_id: int) -> int:
        async with self._db.write() as connection:
            return await held_votes.release(connection, story_id, moderator_id, self._clock())

    async def author_of(self, story_id: int) -> Member | None:
        async with self._db.read() as connection:
            return await reports.author_of(connection, story_id)

    # -- blocks --------------------------------------------------------------------------------
    async def block(self, community_id: int, platform_id: str, moderator_id: int) -> None:
        async with self._db.write() as connection:
            await governance.block(
                connection, community_id, platform_id, moderator_id, self._clock()
            )

    async def unblock(self, community_id: int, platform_id: str, moderator_id: int) -> None:
        async with self._db.write() as connection:
            await governance.unblock(
                connection, community_id, platform_id, moderator_id, self._clock()
            )

    async def is_blocked(self, community_id: int, member_id: int) -> bool:
        async with self._db.read() as connection:
            return await governance.is_blocked(connection, community_id, member_id)

    async def blocked(self, community_id: int, *, limit: int, offset: int) -> list[Blocked]:
        async with self._db.read() as connection:
            return await governance.blocked(connection, community_id, limit=limit, offset=offset)
