"""Reports and what moderators do about them: keep, delete, block.

A part of `StoryService`. Whether the caller may do so is asked here, whatever a platform shows.
"""

from __future__ import annotations

from bot.domain import Blocked, Caller, Case
from bot.errors import BlockedMember, NotModerator, StoryNotFound
from bot.moderation import sanitize
from bot.store import StoryStore

MAX_REASON_CHARS = 300


class ModerationDesk:
    """`report` is everybody's; the rest raises NotModerator for whoever is none."""

    def __init__(self, store: StoryStore) -> None:
        self._store = store

    async def report(self, caller: Caller, story_id: int, reason: str = "") -> bool:
        """Tell the moderators of a story; True if that hid it until they look at it.

        Raises StoryNotFound, NotFinished, OwnReport, AlreadyReported, BlockedMember.
        """
        member, community = await self._store.enter(caller)
        if await self._store.is_blocked(community.id, member.id):
            raise BlockedMember
        story = await self._store.story(story_id)
        if story is None or story.community_id != community.id:
            raise StoryNotFound(id=story_id)
        threshold = (await self._store.community_settings(community.id)).report_threshold
        reason = sanitize(reason)[:MAX_REASON_CHARS]
        return await self._store.report_story(member.id, story_id, reason, threshold)

    async def case(self, caller: Caller, offset: int) -> tuple[Case | None, int, int]:
        """The reported story at `offset` or, past the end, the last one; its offset; how many
        there are. Hidden ones come first, then those with the most reports."""
        _, community_id = await self._enter(caller)
        n = await self._store.count_cases(community_id)
        offset = max(0, min(offset, n - 1))
        cases = await self._store.cases(community_id, limit=1, offset=offset)
        return (cases[0] if cases else None), offset, n

    async def held(self, caller: Caller, offset: int) -> tuple[Case | None, int, int]:
        """As `case`, of the stories on which votes are kept but not counted: those with the most
        of them first."""
        _, community_id = await self._enter(caller)
        n = await self._store.count_held(community_id)
        offset = max(0, min(offset, n - 1))
        cases = await self._store.held(community_id, limit=1, offset=offset)
        return (cases[0] if cases else None), offset, n

    async def count_held(self, caller: Caller) -> int:
        """On how many stories votes are kept but not counted."""
        _, community_id = await self._enter(caller)
        return await self._store.count_held(community_id)

    async def release_votes(self, caller: Caller, story_id: int) -> int:
        """Count a story's held votes; how many they were. Raises StoryNotFound."""
        member_id, community_id = await self._enter(caller)
        await self._check_is_here(story_id, community_id)
        return await self._store.release_votes(story_id, member_id)

    async def keep(self, caller: Caller, story_id: int) -> None:
        """Show a reported story again; later reports do not hide it. Raises StoryNotFound."""
        member_id, community_id = await self._enter(caller)
        await self._check_is_here(story_id, community_id)
        await self._store.keep_story(story_id, member_id)

    async def block_author(self, caller: Caller, story_id: int) -> None:
        """Block whoever asked for a story. Raises StoryNotFound, also if they were forgotten."""
        member_id, community_id = await self._enter(caller)
        await self._check_is_here(story_id, community_id)
        author = await self._store.author_of(story_id)
        if author is None:
            raise StoryNotFound(id=story_id)
        await self._store.block(community_id, author.platform_id, member_id)

    async def block(self, caller: Caller, platform_id: str) -> None:
        """Let someone, by their id on the platform, ask, vote and report here no more."""
        member_id, community_id = await self._enter(caller)
        await self._store.block(community_id, platform_id, member_id)

    async def unblock(self, caller: Caller, platform_id: str) -> None:
        """Let them again."""
        member_id, community_id = await self._enter(caller)
        await self._store.unblock(community_id, platform_id, member_id)

    async def blocked(self, caller: Caller, *, limit: int, offset: int) -> list[Blocked]:
        """Who is blocked here, newest first."""
        _, community_id = await self._enter(caller)
        return await self._store.blocked(community_id, limit=limit, offset=offset)

    async def _enter(self, caller: Caller) -> tuple[int, int]:
        if not caller.is_moderator:
            raise NotModerator
        member, community = await self._store.enter(caller)
        return member.id, community.id

    async def _check_is_here(self, story_id: int, community_id: int) -> None:
        story = await self._store.story(story_id)
        if story is None or story.community_id != community_id:
            raise StoryNotFound(id=story_id)
