"""Every story still to be written, and the tasks that follow each through the queue.

What is open in the store at the start is queued again. Knows no caller and no rule.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

from bot import metrics
from bot.domain import Status, Story, StoryUpdate
from bot.errors import Stopping, StoryNotFound
from bot.follower import MAX_ATTEMPTS, Follower
from bot.moderation import WordList
from bot.queue import StoryQueue
from bot.store import StoryStore
from bot.turn_follower import MOST_LINES, TurnFollower
from model.genres import GenreTable

log = logging.getLogger(__name__)


class OpenStories:
    """Begins with `resume`, ends with `stop`."""

    def __init__(
        self,
        store: StoryStore,
        queue: StoryQueue,
        genres: GenreTable,
        blocked_words: tuple[str, ...],
    ) -> None:
        self._store = store
        self._queue = queue
        self._genres = genres
        self._blocked_words = blocked_words
        self._followers: dict[int, Follower] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_stopping = False

    def __len__(self) -> int:
        return len(self._followers)

    async def resume(self) -> None:
        """Queue again what was open when the last process ended, oldest first."""
        stories = await self._store.unfinished_stories()
        for story in stories:
            if story.attempts >= MAX_ATTEMPTS:
                await self._give_up(story)
                log.error("story %d was given up after %d attempts", story.id, story.attempts)
            else:
                await self.submit(story, even_if_full=True)
        if stories:
            log.info("queued %d unfinished stories again", len(stories))

    async def _give_up(self, story: Story) -> None:
        if story.turn is None:
            await self._store.fail_story(story.id, "failure-gave-up")
        else:  # the round goes on without this line
            await self._store.end_turn(story.id, "", None, MOST_LINES)

    async def submit(self, story: Story, *, even_if_full: bool = False) -> None:
        """Put a recorded story in line and follow it. Raises QueueFull, Stopping."""
        settings = await self._store.community_settings(story.community_id)
        words = WordList(self._blocked_words, settings.words)
        kind = Follower if story.turn is None else TurnFollower
        follower = kind(self._store, self._queue, self._genres, words, story)
        await follower.submit(even_if_full=even_if_full)
        if self.is_stopping:  # since it was asked for; nobody would wait for the follower
            raise Stopping
        metrics.STORIES_ASKED.labels(story.genre).inc()
        log.info("story %d is in line: %s", story.id, story.genre)
        self._followers[story.id] = follower
        task = asyncio.create_task(follower.run())
        self._tasks.add(task)
        task.add_done_callback(partial(self._unfollow, follower))

    def _unfollow(self, follower: Follower, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        feed = follower.feed
        story = feed.latest.story
        del self._followers[story.id]
        if not task.cancelled() and (error := task.exception()):
            log.error("story %d is open but lost until a restart", story.id, exc_info=error)
            feed.publish(StoryUpdate(replace(story, status=Status.FAILED, failure="failure-lost")))
        ended = feed.latest.story
        if not ended.status.is_open:
            metrics.STORIES_ENDED.labels(ended.genre, ended.status).inc()
            log.info("story %d is %s", ended.id, ended.status)
        feed.close()

    def check_not_stopping(self) -> None:
        """Raises Stopping."""
        if self.is_stopping:
            raise Stopping

    async def stop(self) -> None:
        """Stop listening. Open stories stay open in the store, for the next start."""
        self.is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- looking -------------------------------------------------------------------------------
    def get(self, story_id: int) -> Follower | None:
        return self._followers.get(story_id)

    def as_it_is(self, story: Story) -> Story:
        """A story of the store with what was written of it by now."""
        follower = self._followers.get(story.id)
        if follower is None or not story.status.is_open:
            return story
        # Whose it is, the store knows: its author may have become one with another since.
        latest = follower.feed.latest.story
        return replace(latest, author_id=story.author_id, author_name=story.author_name)

    async def watch(self, story_id: int) -> AsyncIterator[StoryUpdate]:
        """As `StoryService.watch`."""
        follower = self._followers.get(story_id)
        if follower is not None:
            async for update in follower.feed.watch():
                yield update
            return
        story = await self._store.story(story_id)
        if story is None:
            raise StoryNotFound(id=story_id)
        yield StoryUpdate(story)

    async def until_written(self) -> None:
        """As `StoryService.until_written`."""
        for follower in list(self._followers.values()):
            async for _ in follower.feed.watch():
                pass
