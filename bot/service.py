"""Every use case a platform can ask for. Knows no platform library, no SQL, no torch.

A story's way: `write` checks limits and words, records the story as queued and submits it; a
follower task hears the queue, cleans the text, and closes the story in the store, once; anyone
may `watch` meanwhile. What is open in the store when the service opens is queued again.

Raises MemberError for everything a member should read.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Self

from bot.administration import Administration
from bot.admission import Place, admit
from bot.admission import Rules as Rules
from bot.domain import (
    Caller,
    Forgotten,
    Member,
    NewStory,
    QueueView,
    Relation,
    Status,
    Story,
    StoryUpdate,
    VoteValue,
)
from bot.errors import (
    AlreadyEnded,
    BlockedMember,
    NotFinished,
    NothingToCancel,
    NotYours,
    Stopping,
    StoryHidden,
    StoryNotFound,
)
from bot.gazette import Gazette
from bot.linking import Linking
from bot.lists import Lists
from bot.moderation_desk import ModerationDesk
from bot.open_stories import OpenStories
from bot.queue import StoryQueue
from bot.round_robin import RoundRobin
from bot.settings import Length
from bot.store import StoryStore
from bot.submission import Submission
from model.engine import EngineInfo, SamplingParams
from model.genres import GenreTable
from model.prompt import opening


class StoryService(Lists):
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
        super().__init__(store, genres, clock)
        self._queue = queue
        self.rules = rules
        self._open = OpenStories(store, queue, genres, rules.blocked_words)
        self._submission = Submission(store, self._open, clock)
        self.rounds = RoundRobin(store, genres, rules, self._open, self._submission, clock)
        self._idle_rounds: asyncio.Task[None] | None = None
        self.administration = Administration(store, genres)
        self.moderation = ModerationDesk(store)
        self.linking = Linking(store)
        self.gazette = Gazette(store, clock)

    async def __aenter__(self) -> Self:
        await self._open.resume()
        self._idle_rounds = asyncio.create_task(self.rounds.run())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop listening. Open stories stay open in the store, for the next start."""
        if self._idle_rounds is not None:
            self._idle_rounds.cancel()
            await asyncio.gather(self._idle_rounds, return_exceptions=True)
        await self._open.stop()

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
        NotInThisChannel, AdultsOnly, BlockedMember, TooManyPending, CoolingDown,
        QuotaUsed, QueueFull, Stopping.
        """
        place = await self._admit(caller)
        row = place.genre(genre)
        title, prompt = place.words(title, prompt)
        begin = opening(row.name, title, prompt, table=self._genres)
        return await self._ask(place, row.name, title, begin, place.sampling(length))

    async def continue_story(self, caller: Caller, story_id: int, prompt: str = "") -> Story:
        """Queue the next part of a finished story; `prompt`, if any, begins it.

        Raises as `write` does, and StoryNotFound, NotFinished.
        """
        _, parent = await self._find(caller, story_id)
        if parent.status is not Status.FINISHED:
            raise NotFinished(id=story_id)
        place = await self._admit(caller)
        _, prompt = place.words("", prompt)
        genre, sampling = place.genre(parent.genre).name, place.again(parent.sampling)
        return await self._ask(
            place, genre, parent.title, prompt, sampling, parent, Relation.CONTINUATION
        )

    async def retry(self, caller: Caller, story_id: int) -> Story:
        """Queue another version of a story; the old one stays. Raises as `write` does."""
        _, old = await self._find(caller, story_id)
        if old.turn is not None and old.status.is_open:
            raise NotFinished(id=story_id)
        place = await self._admit(caller)
        # The genre table and the unwelcome words may have changed since.
        genre, sampling = place.genre(old.genre).name, place.again(old.sampling)
        place.check_words(f"{old.title}\n{old.prompt}")
        return await self._ask(
            place,
            genre,
            old.title,
            old.prompt,
            sampling,
            await self._first_version(old),
            Relation.VERSION,
        )

    async def cancel(self, caller: Caller, story_id: int | None = None) -> Story:
        """Stop a story, queued or being written; what was written is kept. A round is ended.

        The author may, and a moderator. Without an id it is the caller's newest. Raises
        StoryNotFound, StoryHidden, NotYours, NothingToCancel, AlreadyEnded (it finished first),
        Stopping.
        """
        if story_id is None:
            story_id = await self._newest_open(caller)
        member, story = await self._find(caller, story_id)
        if story.turn is not None:
            return await self.rounds.end(caller, story_id)
        if story.author_id != member.id and not caller.is_moderator:
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
        if story.author_id != member.id:
            await self._store.note_action(
                story.community_id, member.id, "cancel", {"story": story_id}
            )
        return story

    async def _newest_open(self, caller: Caller) -> int:
        member, _ = await self._store.enter(caller)
        theirs = await self._store.open_stories_of(member.id)
        if not theirs:
            raise NothingToCancel
        return theirs[-1]

    async def _cancel_lost(self, story: Story) -> Story:
        """Cancel what nobody follows here: another process does, or the follower failed. Raises
        AlreadyEnded."""
        if not await self._store.cancel_story(story.id):
            raise AlreadyEnded(id=story.id)
        await self._stop_writing(story.id)
        return replace(story, status=Status.CANCELLED)

    async def _stop_writing(self, story_id: int) -> None:
        """Of a story that the store has closed, wherever it is followed."""
        if follower := self._open.get(story_id):
            await follower.cancel()
        else:
            await self._queue.cancel(story_id)

    async def delete(self, caller: Caller, story_id: int) -> None:
        """Remove a story's words and votes for good, and stop it if it is still to be written.

        The author may, and a moderator, who is remembered for it. Raises StoryNotFound, NotYours.
        """
        moderator_id = await self.check_may_delete(caller, story_id)
        if not await self._store.delete_story(story_id, moderator_id):
            raise StoryNotFound(id=story_id)
        await self._stop_writing(story_id)
        self.rounds.wake(story_id)

    async def check_may_delete(self, caller: Caller, story_id: int) -> int | None:
        """Raises as `delete` does. The moderator who would do it, None where it is the author."""
        member, community = await self._store.enter(caller)
        story = await self._store.story(story_id)
        is_own = story is not None and story.author_id == member.id
        if story is None or not (is_own or story.community_id == community.id):
            raise StoryNotFound(id=story_id)
        if not is_own and not caller.is_moderator:
            raise NotYours(id=story_id)
        return None if is_own else member.id

    async def share(
        self,
        caller: Caller,
        story_id: int,
        *,
        channel_ids: tuple[str, ...],
        is_age_restricted: bool,
    ) -> Story:
        """A finished story of this community, to be shown in another of its channels too.

        Raises StoryNotFound, StoryHidden, NotFinished, BlockedMember, NotInThisChannel, AdultsOnly.
        """
        _, story = await self._find(caller, story_id)
        if story.status is not Status.FINISHED:
            raise NotFinished(id=story_id)
        there = replace(caller, channel_ids=channel_ids, is_age_restricted=is_age_restricted)
        await self._admit(there)
        return story

    async def watch(self, story_id: int) -> AsyncIterator[StoryUpdate]:
        """The newest state of a story each time it is asked for, until it is closed; of a round,
        until it is over.

        Ends before that when the service closes: the story goes on after the next start.
        Knows no caller: for the platform that asked for the story. Raises StoryNotFound.
        """
        async for update in self.rounds.watch(story_id):
            yield update

    async def until_written(self) -> None:
        """Wait until every story that is open now is closed, or the service is."""
        await self._open.until_written()

    # -- reading -------------------------------------------------------------------------------
    async def read(self, caller: Caller, story_id: int) -> Story:
        """A story of this community, of the caller's own, or of a community that shares its own.

        Raises StoryNotFound, StoryHidden, AdultsOnly.
        """
        try:
            _, story = await self._find(caller, story_id)
        except StoryNotFound:
            shared = await self._store.shared_story(story_id)
            if shared is None:
                raise
            story = shared
        await self._check_age(caller, story.community_id)
        return story

    async def queue_view(self, caller: Caller) -> QueueView:
        """How long the line is, and where the caller's stories stand in it."""
        member, _ = await self._store.enter(caller)
        state = await self._queue.state()
        position = {story_id: n + 1 for n, story_id in enumerate(state.waiting)}
        theirs = await self._store.open_stories_of(member.id)
        mine = tuple((story_id, position.get(story_id)) for story_id in theirs)
        return QueueView(len(state.waiting), len(state.writing), state.expected_wait_s, mine)

    async def about(self) -> EngineInfo | None:
        """What writes the stories; None while no worker has joined."""
        return (await self._queue.state()).engine

    # -- voting --------------------------------------------------------------------------------
    async def vote(self, caller: Caller, story_id: int, value: VoteValue) -> Story:
        """Set, change or (0) take back the caller's vote; the story with its new tally, which says
        too if this vote is kept without counting.

        Raises StoryNotFound, StoryHidden, NotFinished, OwnStory, BlockedMember.
        """
        member, story = await self._find(caller, story_id)
        if await self._store.is_blocked(story.community_id, member.id):
            raise BlockedMember
        guard = (await self._store.community_settings(story.community_id)).vote_guard
        tally = await self._store.cast_vote(
            member.id, story_id, value, guard, caller.account_made_at
        )
        return replace(story, tally=tally)

    # -- a member's own data -------------------------------------------------------------------
    async def export(self, caller: Caller) -> dict[str, Any]:
        """Everything kept about the caller, ready for JSON."""
        member, _ = await self._store.enter(caller)
        return await self._store.export_member(member.id)

    async def forget(self, caller: Caller) -> Forgotten:
        """Remove the caller with all linked identities, their votes and their stories' words, open
        stories included."""
        member, _ = await self._store.enter(caller)
        were_open = await self._store.open_stories_of(member.id)
        forgotten = await self._store.forget_member(member.id)
        for story_id in were_open:
            await self._stop_writing(story_id)
        self.rounds.wake_all()  # some may have lost lines
        return forgotten

    # -- inside --------------------------------------------------------------------------------
    async def _find(self, caller: Caller, story_id: int) -> tuple[Member, Story]:
        """The caller, and a story they may see as it is by now.

        Raises StoryNotFound, StoryHidden.
        """
        member, community = await self._store.enter(caller)
        story = await self._store.story(story_id)
        if story is None or story.status is Status.DELETED:
            raise StoryNotFound(id=story_id)
        if story.community_id != community.id and story.author_id != member.id:
            raise StoryNotFound(id=story_id)
        if story.is_hidden:
            raise StoryHidden(id=story_id)
        return member, self._open.as_it_is(story)

    async def _admit(self, caller: Caller) -> Place:
        """As `admit`; raises Stopping too."""
        self._open.check_not_stopping()
        return await admit(caller, self._store, self.rules, self._genres)

    async def _first_version(self, story: Story) -> Story:
        """A version of a version is one of the first, so that they can be told together."""
        if story.relation is Relation.VERSION and story.parent_id is not None:
            return await self._store.story(story.parent_id) or story
        return story

    async def _ask(
        self,
        place: Place,
        genre: str,
        title: str,
        prompt: str,
        sampling: SamplingParams,
        parent: Story | None = None,
        relation: Relation | None = None,
    ) -> Story:
        new = NewStory(
            member_id=place.member_id,
            community_id=place.community_id,
            genre=genre,
            title=title,
            prompt=prompt,
            sampling=sampling,
            parent_id=parent.id if parent else None,
            relation=relation,
        )
        return await self._submission.ask(place, new)
