"""How much one member may ask for: pending stories, a daily quota, a cooldown.

The counts come from the store, so that they hold across restarts; the clock is injected.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bot.errors import CoolingDown, QuotaUsed, TooManyPending
from bot.store import StoryStore

DAY_S = 86_400.0


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
        now = clock()
        if self.cooldown_s:
            last = await store.last_story_at(member_id)
            if last is not None and (left := last + self.cooldown_s - now) > 0:
                raise CoolingDown(seconds=math.ceil(left))
        if self.daily_quota:
            asked = await store.count_stories(member_id, since=now - DAY_S)
            if asked >= self.daily_quota:
                raise QuotaUsed(limit=self.daily_quota, hours=24)
