"""Every use case a platform can ask for. Knows no platform library, no SQL, no torch.

A story's way: `write` checks limits and words, records the story as queued and submits it; a
follower task hears the queue, cleans the text, and closes the story in the store, once; anyone
may `watch` meanwhile. What is open in the store when the service opens is queued again.

Raises MemberError for everything a member should read.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self
from weakref import WeakValueDictionary

from bot.domain import (
    PERIOD_SECONDS,
    Caller,
    Forgotten,
    Member,
    NewStory,
    Period,
    Post,
    Relation,
    Status,
    Story,
    StoryUpdate,
    VoteValue,
)
from bot.errors import (
    AlreadyEnded,
    NoStories,
    NotFinished,
    NothingToCancel,
    NotYours,
    Stopping,
    StoryNotFound,
    UnknownGenre,
)
from bot.follower import MAX_ATTEMPTS, Follower
from bot.limits import Limits
from bot.moderation import check_prompt, check_title, refuse_blocked
from bot.queue import StoryQueue
from bot.settings import Length, Settings
from bot.store import StoryStore
from model.engine import EngineInfo, SamplingParams
from model.genres import Genre, GenreTable
from model.genres import UnknownGenre as NoSuchGenre
from model.prompt import opening

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueView:
    """The line as one member sees it."""

    waiting: int
    writing: int
    expected_wait_s: float
    """For a story asked for now."""
    mine: tuple[tuple[int, int | None], ...]
    """The caller's open stories: id, and position in line (None: being written)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator set for everyone."""

    sampling: Callable[[Length, int], SamplingParams]
    """By length and seed."""
    limits: Limits = field(default_factory=Limits)
    max_prompt_chars: int = 600
    max_title_chars: int = 100
    blocked_words: tuple[str, ...] = ()

    @classmethod
    def from_settings(cls, settings: Settings) -> Rules:
        return cls(
            sampling=settings.sampling,
            limits=Limits(settings.max_pending, settings.daily_quota, settings.cooldown_s),
            max_prompt_chars=settings.max_prompt_chars,
            max_title_chars=settings.max_title_chars,
            blocked_words=settings.banned,
        )


class StoryService:
    """Open with `async with`, after the store and the queue and before any platform."""

    def __init__(
        self,
        store: StoryStore,
        queue: StoryQueue,
        genres: GenreTable,
        rules: Rules,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._queue = queue
        self._genres = genres
        self._rules = rules
        self._clock = clock
        self._open: dict[int, Follower] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._stopping = False

    async def __aenter__(self) -> Self:
        await self._resume()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop listening. Open stories stay open in the store, for the next start."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def genres(self) -> GenreTable:
        return self._genres

    # -- asking for stories --------------------------------------------------------------------
    async def write(
        self,
        caller: Caller,
        genre: str,
        prompt: str = "",
        title: str = "",
        length: Length | None = None,
    ) -> Story:
        """Record and queue a new story. `watch` it to see it grow.

        Raises UnknownGenre, PromptTooLong, TitleTooLong, NothingToRead, BlockedWords,
        TooManyPending, CoolingDown, QuotaUsed, QueueFull, Stopping.
        """
        row = self._genre(genre)
        prompt = check_prompt(prompt, self._rules.max_prompt_chars)
        title = check_title(title, self._rules.max_title_chars)
        refuse_blocked(f"{title}\n{prompt}", self._rules.blocked_words)
        begin = opening(row.name, title, prompt, table=self._genres)
        return await self._ask(caller, row.name, title, begin, self._sampling(length))

    async def continue_story(self, caller: Caller, story_id: int, prompt: str = "") -> Story:
        """Queue the next part of a finished story; `prompt`, if any, begins it.

        Raises as `write` does, and StoryNotFound, NotFinished.
        """
        parent = await self.read(caller, story_id)
        if parent.status is not Status.FINISHED:
            raise NotFinished(id=story_id)
        prompt = check_prompt(prompt, self._rules.max_prompt_chars)
        refuse_blocked(prompt, self._rules.blocked_words)
        genre = self._genre(parent.genre).name
        sampling = replace(parent.sampling, seed=_new_seed())
        return await self._ask(
            caller, genre, parent.title, prompt, sampling, parent, Relation.CONTINUATION
        )

    async def retry(self, caller: Caller, story_id: int) -> Story:
        """Queue another version of a story; the old one stays. Raises as `write` does."""
        old = await self.read(caller, story_id)
        # The genre table and the blocked words may have changed since.
        genre = self._genre(old.genre).name
        refuse_blocked(f"{old.title}\n{old.prompt}", self._rules.blocked_words)
        sampling = replace(old.sampling, seed=_new_seed())
        return await self._ask(
            caller, genre, old.title, old.prompt, sampling, old, Relation.VERSION
        )

    async def cancel(self, caller: Caller, story_id: int | None = None) -> Story:
        """Stop a story of the caller's own, queued or being written; what was written is kept.

        Without an id it is their newest. Raises StoryNotFound, NotYours, NothingToCancel,
        AlreadyEnded (it finished first), Stopping.
        """
        if story_id is None:
            story_id = await self._newest_open(caller)
        member, story = await self._find(caller, story_id)
        if story.author_id != member.id:
            raise NotYours(id=story_id)
        follower = self._open.get(story_id)
        if follower is None:
            return await self._cancel_lost(story)
        await follower.cancel()
        async for update in follower.feed.watch():
            story = update.story
        if story.status.is_open:
            raise Stopping
        if story.status is not Status.CANCELLED:
            raise AlreadyEnded(id=story_id)
        return story

    async def _newest_open(self, caller: Caller) -> int:
        member, _ = await self._store.enter(caller)
        newest = max(self._open_of(member.id), default=None)
        if newest is None:
            raise NothingToCancel
        return newest

    async def _cancel_lost(self, story: Story) -> Story:
        """Cancel what is open in the store only (its follower failed). Raises AlreadyEnded."""
        if not await self._store.cancel_story(story.id):
            raise AlreadyEnded(id=story.id)
        return replace(story, status=Status.CANCELLED)

    async def watch(self, story_id: int) -> AsyncIterator[StoryUpdate]:
        """The newest state of a story each time it is asked for, until it is closed.

        Ends before that when the service closes: the story goes on after the next start.
        Knows no caller: for the platform that asked for the story. Raises StoryNotFound.
        """
        follower = self._open.get(story_id)
        if follower is not None:
            async for update in follower.feed.watch():
                yield update
            return
        story = await self._store.story(story_id)
        if story is None:
            raise StoryNotFound(id=story_id)
        yield StoryUpdate(story)

    async def until_written(self) -> None:
        """Wait until every story that is open now is closed, or the service is."""
        for follower in list(self._open.values()):
            async for _ in follower.feed.watch():
                pass

    # -- reading -------------------------------------------------------------------------------
    async def read(self, caller: Caller, story_id: int) -> Story:
        """A story of this community, or of the caller's own. Raises StoryNotFound."""
        _, story = await self._find(caller, story_id)
        return story

    async def random(self, caller: Caller, genre: str = "") -> Story:
        """Any finished story of this community. Raises UnknownGenre, NoStories."""
        _, community = await self._store.enter(caller)
        name = self._genre(genre).name if genre else None
        story = await self._store.random_story(community.id, name)
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
    ) -> list[Story]:
        """This community's best, by Wilson rank. Raises UnknownGenre, NoStories."""
        _, community = await self._store.enter(caller)
        seconds = PERIOD_SECONDS[period]
        stories = await self._store.top_stories(
            community.id,
            genre=self._genre(genre).name if genre else None,
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

    async def queue_view(self, caller: Caller) -> QueueView:
        """How long the line is, and where the caller's stories stand in it."""
        member, _ = await self._store.enter(caller)
        state = await self._queue.state()
        position = {story_id: n + 1 for n, story_id in enumerate(state.waiting)}
        mine = [(story_id, position.get(story_id)) for story_id in self._open_of(member.id)]
        return QueueView(
            len(state.waiting), len(state.writing), state.expected_wait_s, tuple(sorted(mine))
        )

    async def about(self) -> EngineInfo | None:
        """What writes the stories; None while no worker has joined."""
        return (await self._queue.state()).engine

    # -- voting --------------------------------------------------------------------------------
    async def vote(self, caller: Caller, story_id: int, value: VoteValue) -> Story:
        """Set, change or (0) take back the caller's vote; the story with its new tally.

        Raises StoryNotFound, NotFinished, OwnStory.
        """
        member, story = await self._find(caller, story_id)
        return replace(story, tally=await self._store.cast_vote(member.id, story_id, value))

    # -- a member's own data -------------------------------------------------------------------
    async def export(self, caller: Caller) -> dict[str, Any]:
        """Everything kept about the caller, ready for JSON."""
        member, _ = await self._store.enter(caller)
        return await self._store.export_member(member.id)

    async def forget(self, caller: Caller) -> Forgotten:
        """Remove the caller, their votes and their stories' words, open stories included."""
        member, _ = await self._store.enter(caller)
        forgotten = await self._store.forget_member(member.id)
        for follower in self._open_of(member.id).values():
            await follower.cancel()
        return forgotten

    # -- for platforms -------------------------------------------------------------------------
    async def add_post(self, post: Post) -> None:
        """Remember where a story is shown, so that a restart goes on in the same message."""
        await self._store.add_post(post)

    async def open_posts(self, platform: str) -> list[Post]:
        """Messages that do not show their story's end yet: a platform resumes them at start.

        A story of several pages has several, in order.
        """
        return await self._store.open_posts(platform)

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

    # -- inside --------------------------------------------------------------------------------
    async def _find(self, caller: Caller, story_id: int) -> tuple[Member, Story]:
        """The caller, and a story they may see as it is by now. Raises StoryNotFound."""
        member, community = await self._store.enter(caller)
        story = await self._store.story(story_id)
        if story is None or story.status is Status.DELETED:
            raise StoryNotFound(id=story_id)
        if story.community_id != community.id and story.author_id != member.id:
            raise StoryNotFound(id=story_id)
        follower = self._open.get(story_id)
        return member, follower.feed.latest.story if follower and story.status.is_open else story

    def _open_of(self, member_id: int) -> dict[int, Follower]:
        """A member's stories still to be written."""
        return {
            story_id: follower
            for story_id, follower in self._open.items()
            if follower.feed.latest.story.author_id == member_id
        }

    def _genre(self, text: str) -> Genre:
        try:
            return self._genres.get(text)
        except NoSuchGenre as error:
            raise UnknownGenre(
                given=text[:40], nearest=error.nearest or "", choices=", ".join(error.choices)
            ) from None

    def _sampling(self, length: Length | None) -> SamplingParams:
        return self._rules.sampling(length or "medium", _new_seed())

    async def _ask(
        self,
        caller: Caller,
        genre: str,
        title: str,
        prompt: str,
        sampling: SamplingParams,
        parent: Story | None = None,
        relation: Relation | None = None,
    ) -> Story:
        if self._stopping:
            raise Stopping
        member, community = await self._store.enter(caller)
        settings = await self._store.community_settings(community.id)
        if settings.genres is not None and genre not in settings.genres:
            raise UnknownGenre(given=genre, nearest="", choices=", ".join(settings.genres))
        if settings.max_new_tokens is not None:
            most = min(sampling.max_new_tokens, settings.max_new_tokens)
            sampling = replace(sampling, max_new_tokens=most)
        async with self._asking.setdefault(member.id, asyncio.Lock()):
            await self._rules.limits.check(self._store, member.id, self._clock)
            story = await self._store.add_story(
                NewStory(
                    member_id=member.id,
                    community_id=community.id,
                    genre=genre,
                    title=title,
                    prompt=prompt,
                    sampling=sampling,
                    parent_id=parent.id if parent else None,
                    relation=relation,
                )
            )
        try:
            await self._submit(story)
        except BaseException:  # refused, or the caller was cancelled: never acknowledged
            await self._store.discard_story(story.id)
            raise
        return story

    async def _resume(self) -> None:
        """Queue again what was open when the last process ended, oldest first."""
        stories = await self._store.unfinished_stories()
        for story in stories:
            if story.attempts >= MAX_ATTEMPTS:
                await self._store.fail_story(story.id, "failure-gave-up")
                log.error("story %d was given up after %d attempts", story.id, story.attempts)
            else:
                await self._submit(story, even_if_full=True)
        if stories:
            log.info("queued %d unfinished stories again", len(stories))

    async def _submit(self, story: Story, *, even_if_full: bool = False) -> None:
        follower = Follower(
            self._store, self._queue, self._genres, self._rules.blocked_words, story
        )
        await follower.submit(even_if_full=even_if_full)
        if self._stopping:  # since it was asked for; nobody would wait for the follower
            raise Stopping
        self._open[story.id] = follower
        task = asyncio.create_task(follower.run())
        self._tasks.add(task)
        task.add_done_callback(partial(self._unfollow, follower))

    def _unfollow(self, follower: Follower, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        feed = follower.feed
        story = feed.latest.story
        del self._open[story.id]
        if not task.cancelled() and (error := task.exception()):
            log.error("story %d is open but lost until a restart", story.id, exc_info=error)
            feed.publish(StoryUpdate(replace(story, status=Status.FAILED, failure="failure-lost")))
        feed.close()


def _new_seed() -> int:
    return secrets.randbits(31)
