"""What a community has posted by itself: the digest of the day or week, and the hall of fame.

A part of `StoryService`. Says what is due; the platform posts it and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from bot.domain import PERIOD_SECONDS, Community, Story
from bot.store import StoryStore

DIGEST_STORIES = 5
LATE_S = 6 * 3_600.0
"""A digest this late, as after a long pause of the bot, is left out."""
FAME_S = 7 * 86_400.0
"""Stories older than this are not news: a new hall of fame does not begin with a flood."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The best of a day or week, to be posted once."""

    community: Community
    channel_id: str
    language: str
    """"" for the community's own on its platform."""
    period: Literal["day", "week"]
    slot: float
    """The time it is for."""
    stories: tuple[Story, ...]
    adults_only: bool
    """To be posted only where the platform lets adults alone read."""


@dataclass(frozen=True, slots=True)
class Fame:
    """A story that so many liked that it is posted once more, once."""

    community: Community
    channel_id: str
    language: str
    story: Story
    adults_only: bool


class Gazette:
    """`clock` tells seconds since the Unix epoch."""

    def __init__(self, store: StoryStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    async def due_digests(self, platform: str) -> list[Digest]:
        """Digests whose time has come; one without stories is passed over."""
        due = []
        for community, settings in await self._store.communities_with(platform, "digest"):
            if settings.digest == "off" or not settings.digest_channel:
                continue
            slot = last_slot(self._clock(), settings.digest, settings.digest_hour)
            if not await self._is_new(community, slot):
                continue
            since = slot - (PERIOD_SECONDS[settings.digest] or 0.0)
            stories = await self._store.top_stories(community.id, since=since, limit=DIGEST_STORIES)
            digest = Digest(
                community,
                settings.digest_channel,
                settings.language,
                settings.digest,
                slot,
                tuple(stories),
                settings.age_restricted_only,
            )
            if stories:
                due.append(digest)
            else:
                await self.digest_posted(digest)
        return due

    async def _is_new(self, community: Community, slot: float) -> bool:
        """Whether this slot's digest is still to be posted; the first one waits for the next."""
        last = await self._store.note(_digest_note(community))
        if last is not None and float(last) >= slot:
            return False
        if last is None or self._clock() - slot > LATE_S:
            await self._store.save_note(_digest_note(community), str(slot))
            return False
        return True

    async def digest_posted(self, digest: Digest) -> None:
        """Never post it again."""
        await self._store.save_note(_digest_note(digest.community), str(digest.slot))

    async def claim_fame(self, platform: str) -> list[Fame]:
        """One story for each hall of fame that has a new one. Each is given out once, ever, unless
        `release_fame` says that it could not be posted."""
        due = []
        for community, settings in await self._store.communities_with(platform, "hall_channel"):
            if not settings.hall_channel:
                continue
            story = await self._store.claim_famous(
                community.id, settings.hall_votes, since=self._clock() - FAME_S
            )
            if story is not None:
                adults_only = settings.age_restricted_only
                due.append(
                    Fame(community, settings.hall_channel, settings.language, story, adults_only)
                )
        return due

    async def release_fame(self, fame: Fame) -> None:
        """It could not be posted: another time."""
        await self._store.release_famous(fame.story.id)


def _digest_note(community: Community) -> str:
    return f"digest:{community.id}"


def last_slot(now: float, period: Literal["day", "week"], hour: int) -> float:
    """The last time, up to `now`, that it was `hour` o'clock UTC; of a week, on a Monday."""
    time = datetime.fromtimestamp(now, UTC)
    slot = time.replace(hour=hour, minute=0, second=0, microsecond=0)
    if period == "week":
        slot -= timedelta(days=slot.weekday())
    if slot > time:
        slot -= timedelta(days=1 if period == "day" else 7)
    return slot.timestamp()
