"""Recording a story and putting it in line, as one: refused, it was never there.

A part of `StoryService`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary

from bot.admission import Place
from bot.domain import NewStory, Story
from bot.open_stories import OpenStories
from bot.store import StoryStore


class Submission:
    """`clock` tells seconds since the Unix epoch."""

    def __init__(
        self, store: StoryStore, open_stories: OpenStories, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._open = open_stories
        self._clock = clock
        self._asking: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def one_at_a_time(self, member_id: int) -> asyncio.Lock:
        """Held from looking at what a member asked for to recording more of it."""
        return self._asking.setdefault(member_id, asyncio.Lock())

    async def ask(self, place: Place, new: NewStory) -> Story:
        """Raises TooManyPending, CoolingDown, QuotaUsed, QueueFull, Stopping."""
        async with self.one_at_a_time(place.member_id):
            await place.check_pace(self._store, self._clock)
            story = await self._store.add_story(new)
        try:
            await self._open.submit(story)
        except BaseException:  # refused, or the caller was cancelled: never acknowledged
            await self._store.discard_story(story.id)
            raise
        return story
