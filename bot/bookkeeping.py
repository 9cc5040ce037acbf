"""What a platform keeps beside stories: where it shows them, and notes of its own.

A part of `StoryService`.
"""

from __future__ import annotations

from bot.domain import Post
from bot.store import StoryStore


class Bookkeeping:
    """Everything here is on disk when it returns."""

    def __init__(self, store: StoryStore) -> None:
        self._store = store

    async def add_post(self, post: Post) -> None:
        """Remember where a story is shown, so that a restart goes on in the same message."""
        await self._store.add_post(post)

    async def open_posts(self, platform: str) -> list[Post]:
        """Messages that do not show their story's end yet: a platform resumes them at start.

        A story of several pages has several, in order.
        """
        return await self._store.open_posts(platform)

    async def posts(self, story_id: int) -> list[Post]:
        """Every message that shows the story, or did."""
        return await self._store.posts(story_id)

    async def end_posts(self, story_id: int, platform: str) -> None:
        """The story's end is shown, or cannot be: nothing is to be resumed."""
        await self._store.end_posts(story_id, platform)

    async def move_community(self, platform: str, old_id: str, new_id: str) -> None:
        """A community has another id on its platform from now on: its stories stay its own."""
        await self._store.move_community(platform, old_id, new_id)

    async def note(self, key: str) -> str | None:
        """A platform's own value kept across restarts."""
        return await self._store.note(key)

    async def save_note(self, key: str, value: str) -> None:
        await self._store.save_note(key, value)
