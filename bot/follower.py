"""One open story's way through the queue: submit it, hear it to its end, close it in the store.

`Feed` holds the newest state for whoever watches; `Follower` is the only one that publishes it
and the only one that closes the story. Knows no platform.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from bot.domain import Provenance, Relation, Status, Story, StoryUpdate
from bot.errors import StoreBusy
from bot.logs import about_story
from bot.moderation import WordList
from bot.queue import Job, JobUpdate, StoryQueue
from bot.store import StoryStore
from model.engine import GenerationRequest
from model.genres import GenreTable
from model.prompt import StoryText

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
"""A story that fails, or brings its worker down, this often is given up."""
MAX_CONTEXT_CHARS = 8_000
"""Earlier parts handed to the model for a continuation; about 2,000 tokens of English."""

_pause = asyncio.sleep

Result = TypeVar("Result")


class Feed:
    """The newest state of one story; a slow watcher misses only stale ones."""

    def __init__(self, first: StoryUpdate) -> None:
        self.latest = first
        self._changed = asyncio.Event()
        self._closed = False

    def publish(self, update: StoryUpdate) -> None:
        self.latest = update
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def close(self) -> None:
        """Nothing more will come: let watchers go, though the story may still be open."""
        self._closed = True
        self._changed.set()

    async def watch(self) -> AsyncIterator[StoryUpdate]:
        """Yield the state now, then each newer one when asked; ends after a final one, or when
        the feed is closed."""
        while True:
            update, changed = self.latest, self._changed
            yield update
            if update.is_final:
                return
            if self.latest is update:
                if self._closed:
                    return
                await changed.wait()


def provenance_of(update: JobUpdate) -> Provenance | None:
    """What wrote a job's text; None where it was not written to its end."""
    if update.event == "failed" or update.finish_reason is None or update.engine is None:
        return None
    return Provenance(
        model=update.engine.model,
        revision=update.engine.revision,
        adapter_hash=update.engine.adapter_hash,
        n_tokens=update.n_tokens,
        seconds=update.seconds,
        finish_reason=update.finish_reason,
    )


class Follower:
    """Brings one story from queued to closed. What it has to tell is in `feed`."""

    def __init__(
        self,
        store: StoryStore,
        queue: StoryQueue,
        genres: GenreTable,
        words: WordList,
        story: Story,
    ) -> None:
        self._store = store
        self._queue = queue
        self._genres = genres
        self._words = words
        self._story = replace(story, status=Status.QUEUED)
        self._context = ""
        self._cancel_asked = False
        self._opening, self._text_before = self._beginning(story)
        self._heard = ""
        """The raw completion as far as it is in `_text_heard`."""
        self._text_heard = StoryText(self._opening, genres)
        self.feed = Feed(StoryUpdate(self._story))

    async def submit(self, *, even_if_full: bool = False) -> None:
        """Put the story in line for the first time. Raises QueueFull, StoreBusy.

        `even_if_full`: it was acknowledged before a restart, so neither is raised.
        """
        parts = self._earlier_parts
        self._context = await (self._stubbornly(parts) if even_if_full else parts())
        await self._submit(even_if_full=even_if_full)

    async def cancel(self) -> None:
        """Stop the story wherever it is: in line, being written, or between two attempts."""
        self._cancel_asked = True
        await self._queue.cancel(self._story.id)

    async def run(self) -> None:
        """Follow a submitted story until it is closed, trying again if its writing failed.

        Cancelled, as at a stop, it hands an attempt under way back: only a crash counts as one.
        """
        about_story(self._story.id)
        try:
            await self._follow()
        except asyncio.CancelledError:
            if self._story.status is Status.WRITING:
                with suppress(StoreBusy):
                    await self._store.hand_back_story(self._story.id)
            raise

    async def _follow(self) -> None:
        while (last := await self._hear()).event == "failed" and self._may_try_again(last):
            await self._submit(even_if_full=True)
        await self._stubbornly(lambda: self._close(last))
        closed = await self._stubbornly(lambda: self._store.story(self._story.id))
        self.feed.publish(StoryUpdate(closed or replace(self._story, status=Status.DELETED)))

    async def _submit(self, *, even_if_full: bool) -> None:
        story = self._story
        job = Job(
            story_id=story.id,
            attempt=story.attempts + 1,
            member=str(story.author_id),
            request=self._request(),
        )
        await self._queue.submit(job, even_if_full=even_if_full)
        if self._cancel_asked:  # while it was neither in line nor being written
            await self._queue.cancel(story.id)

    def _beginning(self, story: Story) -> tuple[str, str]:
        """What the text begins with once something is written, and what there is before that."""
        return story.prompt, ""

    def _request(self) -> GenerationRequest:
        prompt = " ".join(part for part in (self._context, self._opening) if part)
        return GenerationRequest(self._story.genre, prompt, self._story.sampling)

    def _may_try_again(self, last: JobUpdate) -> bool:
        tried_enough = last.gave_up or self._story.attempts >= MAX_ATTEMPTS
        return not (self._cancel_asked or tried_enough)

    async def _hear(self) -> JobUpdate:
        """Publish a job's updates up to its final one, which is returned."""
        begun = False
        async for update in self._queue.updates(self._story.id):
            if update.event == "waiting":
                # Perhaps again: its worker left, or failed.
                self._story = replace(self._story, status=Status.QUEUED, text=self._text_before)
                self.feed.publish(StoryUpdate(self._story, update.position, update.expected_wait_s))
                continue
            if not begun and update.event != "cancelled":
                begun = True
                await self._begin()
            status = Status.WRITING if begun else self._story.status
            self._story = replace(self._story, status=status, text=self._text(update, final=False))
            if update.is_final:
                return update
            self.feed.publish(StoryUpdate(self._story))
        raise RuntimeError(f"the queue lost story {self._story.id}")

    async def _begin(self) -> None:
        attempts = await self._stubbornly(lambda: self._store.begin_attempt(self._story.id))
        if attempts is None:  # closed by someone else, such as /forget: nobody will read it
            await self.cancel()
        else:
            self._story = replace(self._story, attempts=attempts)

    async def _close(self, update: JobUpdate) -> None:
        story_id = self._story.id
        text = self._text(update, final=True)
        provenance = provenance_of(update)
        if update.event == "cancelled" or (update.event == "failed" and self._cancel_asked):
            await self._store.cancel_story(story_id, text)
        elif update.gave_up:
            await self._store.fail_story(story_id, "failure-gave-up")
        elif provenance is None:
            await self._store.fail_story(story_id, "failure-error")
        elif not self._adds_words(text):
            await self._store.fail_story(story_id, "failure-empty")
        else:
            await self._store.finish_story(story_id, text, provenance)

    def _text(self, update: JobUpdate, *, final: bool) -> str:
        if not update.completion.startswith(self._heard):  # begun anew
            self._heard, self._text_heard = "", StoryText(self._opening, self._genres)
        self._text_heard.add(update.completion[len(self._heard) :])
        self._heard = update.completion
        text = self._text_heard.whole() if final else self._text_heard.so_far()
        return self._words.mask(text)

    def _adds_words(self, text: str) -> bool:
        """Whether anything readable comes after the opening."""
        return any(char.isalnum() for char in text[len(self._opening) :])

    async def _earlier_parts(self) -> str:
        """What comes before a continuation: its earlier parts, cut from the left where long.

        Another version of a continuation has the same parts before it.
        """
        parts: list[str] = []
        story: Story = self._story
        while story.parent_id is not None and sum(map(len, parts)) < MAX_CONTEXT_CHARS:
            parent = await self._store.story(story.parent_id)
            if parent is None:
                break
            if story.relation is Relation.CONTINUATION:
                parts.append(parent.text)
            story = parent
        return " ".join(part for part in reversed(parts) if part)[-MAX_CONTEXT_CHARS:]

    @staticmethod
    async def _stubbornly(call: Callable[[], Awaitable[Result]]) -> Result:
        """The story is written: a busy store is asked until it takes it."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(StoreBusy), wait=wait_exponential(max=30), sleep=_pause
        ):
            with attempt:
                return await call()
        raise AssertionError("retries have no end")
