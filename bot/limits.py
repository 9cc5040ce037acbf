"""How much one member may ask for, and where: the operator's limits, then the community's own.

The counts come from the store, so that they hold across restarts; the clock is injected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bot.community_settings import CommunitySettings
from bot.domain import Caller
from bot.errors import (
    AdultsOnly,
    CoolingDown,
    LinesUsed,
    NotInThisChannel,
    QuotaUsed,
    TooManyPending,
)
from bot.store import StoryStore

DAY_S = 86_400.0
LINES_A_STORY = 5
"""Lines of rounds that a member may add for each story they may ask for: the model answers each
with a fifth of a story or less."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a member may ask for. 0 switches the quota or the cooldown off."""

    max_pending: int = 20
    daily_quota: int = 200
    cooldown_s: float = 0.0

    async def check(self, store: StoryStore, member_id: int, clock: Callable[[], float]) -> None:
        """Raises TooManyPending, CoolingDown or QuotaUsed if one more story is too many."""
        if await store.count_stories(member_id, open_only=True) >= self.max_pending:
            raise TooManyPending(limit=self.max_pending)
        await _check_pace(store, member_id, None, self.daily_quota, self.cooldown_s, clock())

    async def check_lines(self, store: StoryStore, member_id: int, now: float) -> None:
        """Raises LinesUsed if one more line of a round is too many."""
        await _check_lines(store, member_id, None, self.daily_quota, now)


def check_place(caller: Caller, settings: CommunitySettings) -> None:
    """Raises NotInThisChannel or AdultsOnly where the community wants no stories."""
    if settings.channels and not set(caller.channel_ids) & set(settings.channels):
        raise NotInThisChannel(settings.channels)
    check_age(caller, settings)


def check_age(caller: Caller, settings: CommunitySettings) -> None:
    """Raises AdultsOnly where a community's stories may not be read."""
    if settings.age_restricted_only and not caller.is_age_restricted:
        raise AdultsOnly


async def check_pace(
    store: StoryStore,
    caller: Caller,
    member_id: int,
    community_id: int,
    settings: CommunitySettings,
    now: float,
) -> None:
    """Raises CoolingDown or QuotaUsed if the community wants no more of this member for now."""
    if not set(caller.role_ids) & set(settings.exempt_roles):
        quota, cooldown_s = settings.daily_quota, settings.cooldown_s
        await _check_pace(store, member_id, community_id, quota, cooldown_s, now)


async def check_lines(
    store: StoryStore,
    caller: Caller,
    member_id: int,
    community_id: int,
    settings: CommunitySettings,
    now: float,
) -> None:
    """Raises LinesUsed if the community wants no more lines of this member for now."""
    if not set(caller.role_ids) & set(settings.exempt_roles):
        await _check_lines(store, member_id, community_id, settings.daily_quota, now)


async def _check_lines(
    store: StoryStore, member_id: int, community_id: int | None, daily_quota: int, now: float
) -> None:
    most = daily_quota * LINES_A_STORY
    if most:
        since = now - DAY_S
        if await store.count_lines(member_id, since=since, community_id=community_id) >= most:
            raise LinesUsed(limit=most, hours=24)


async def _check_pace(
    store: StoryStore,
    member_id: int,
    community_id: int | None,
    daily_quota: int,
    cooldown_s: float,
    now: float,
) -> None:
    if cooldown_s:
        last = await store.last_story_at(member_id, community_id)
        if last is not None and (left := last + cooldown_s - now) > 0:
            raise CoolingDown(seconds=math.ceil(left))
    if daily_quota:
        since = now - DAY_S
        asked = await store.count_stories(member_id, since=since, community_id=community_id)
        if asked >= daily_quota:
            raise QuotaUsed(limit=daily_quota, hours=24)
