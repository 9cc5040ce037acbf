"""Lists and figures of stories: versions, any, the best, one's own, a member's, a community's.

A part of `StoryService`. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.admission import genre_named
from bot.bookkeeping import Bookkeeping
from bot.domain import PERIOD_SECONDS, Caller, Period, Profile, Relation, Stats, Story
from bot.errors import NoStories
from bot.limits import check_age
from bot.store import StoryStore
from model.genres import GenreTable


class Lists(Bookkeeping):
    """What members read that is more than one story."""

    def __init__(self, store: StoryStore, genres: GenreTable, clock: Callable[[], float]) -> None:
        super().__init__(store)
        self._genres = genres
        self._clock = clock

    async def versions(self, story: Story) -> list[Story]:
        """The finished versions of a story in its community, itself among them, oldest first."""
        first = story.parent_id if story.relation is Relation.VERSION else None
        found = await self._store.versions(first or story.id)
        return [one for one in found if one.community_id == story.community_id]

    async def random(self, caller: Caller, genre: str = "") -> Story:
        """Any finished story of this community. Raises UnknownGenre, NoStories, AdultsOnly."""
        _, community = await self._store.enter(caller)
        await self._check_age(caller, community.id)
        story = await self._store.random_story(community.id, self._genre_name(genre))
        if story is None:
            raise NoStories
        return story

    async def top(
        self,
        caller: Caller,
        genre: str = "",
        period: Period = "all",
        *,
        limit: int = 10,
        offset: int = 0,
        everywhere: bool = False,
    ) -> list[Story]:
        """The best of this community, or of all that share theirs, by Wilson rank.

        Raises UnknownGenre, NoStories, AdultsOnly.
        """
        _, community = await self._store.enter(caller)
        await self._check_age(caller, community.id)
        seconds = PERIOD_SECONDS[period]
        stories = await self._store.top_stories(
            None if everywhere else community.id,
            genre=self._genre_name(genre),
            since=None if seconds is None else self._clock() - seconds,
            limit=limit,
            offset=offset,
        )
        if not stories:
            raise NoStories
        return stories

    async def mine(self, caller: Caller, *, limit: int = 10, offset: int = 0) -> list[Story]:
        """The caller's own stories, newest first: everywhere in private, else this community's.

        Raises NoStories.
        """
        member, community = await self._store.enter(caller)
        stories = await self._store.stories_by(
            member.id,
            community_id=None if community.is_private else community.id,
            limit=limit,
            offset=offset,
        )
        if not stories:
            raise NoStories
        return stories

    async def profile(self, caller: Caller, platform_id: str | None = None) -> Profile:
        """The caller, or whom they name by their id, in figures: the caller in private everywhere,
        linked platforms included, else in this community. Raises NoStories."""
        member, community = await self._store.enter(caller)
        whose = await self._store.member(caller.platform, platform_id or member.platform_id)
        everywhere = community.is_private and whose == member
        place = None if everywhere else community.id
        profile = await self._store.profile(whose, place) if whose else None
        if profile is None:
            raise NoStories
        return profile

    async def stats(self, caller: Caller) -> Stats:
        """The caller's community in figures. Raises NoStories."""
        _, community = await self._store.enter(caller)
        stats = await self._store.stats(community.id, self._clock())
        if not stats.genres:
            raise NoStories
        return stats

    async def _check_age(self, caller: Caller, community_id: int) -> None:
        """Raises AdultsOnly where others would read along who should not."""
        if not caller.is_private and not caller.is_age_restricted:
            check_age(caller, await self._store.community_settings(community_id))

    def _genre_name(self, text: str) -> str | None:
        """ "" stands for any."""
        return genre_named(text, self._genres).name if text else None
