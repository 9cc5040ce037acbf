"""Rounds: stories that members and the model write in turn, line by line.

A part of `StoryService`. A round is a story like any other once it is over; until then it is
members' turn or the model's. What of it must survive is in the store, turn included.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from weakref import WeakValueDictionary

from bot.admission import Place, Rules, admit
from bot.domain import Caller, NewStory, Story, StoryUpdate, Turn
from bot.errors import (
    AlreadyEnded,
    LineTooLong,
    NotYours,
    StoreBusy,
    StoryNotFound,
    TooManyRounds,
)
from bot.moderation import sanitize
from bot.open_stories import OpenStories
from bot.store import StoryStore
from bot.submission import Submission
from bot.turn_follower import MOST_LINES
from model.genres import GenreTable

log = logging.getLogger(__name__)

MAX_LINE_CHARS = 300
MOST_OPEN = 5
"""Rounds of one community that are open at once."""
OTHERS_FIRST_S = 600.0
"""So long the writer of members' last line waits for others who write along."""
IDLE_S = 86_400.0
"""A round in which nobody wrote for so long ends by itself."""
LOOK_S = 300.0
"""How often idle rounds are looked for."""


class RoundRobin:
    """`run` ends idle rounds, until cancelled. `clock` tells seconds since the Unix epoch."""

    def __init__(
        self,
        store: StoryStore,
        genres: GenreTable,
        rules: Rules,
        open_stories: OpenStories,
        submission: Submission,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._genres = genres
        self._rules = rules
        self._open = open_stories
        self._submission = submission
        self._clock = clock
        self._changed: WeakValueDictionary[int, asyncio.Event] = WeakValueDictionary()
        """Of rounds that somebody watches."""

    # -- use cases -----------------------------------------------------------------------------
    async def begin(self, caller: Caller, genre: str, line: str = "", title: str = "") -> Story:
        """Begin a round with the caller's line, or with the model's.

        Raises as `StoryService.write` does, and LineTooLong, LinesUsed, TooManyRounds.
        """
        place = await self._admit(caller)
        row = place.genre(genre)
        title, line = _checked(place, line, title)
        await self._check_lines(place)
        if len(await self._store.open_rounds(place.community_id)) >= MOST_OPEN:
            raise TooManyRounds(limit=MOST_OPEN)
        new = NewStory(
            member_id=place.member_id,
            community_id=place.community_id,
            genre=row.name,
            title=title,
            prompt=line,
            sampling=place.sampling(None),
            is_round=True,
        )
        return await self._submission.ask(place, new)

    async def add_line(self, caller: Caller, story_id: int, line: str) -> Story:
        """Add a member's line; the model writes the next one.

        Raises StoryNotFound, NotInThisChannel, AdultsOnly, BlockedMember,
        NothingToRead, LineTooLong, BlockedWords, LinesUsed, AlreadyEnded, ModelsTurn, OthersFirst,
        QueueFull, Stopping.
        """
        place = await self._admit(caller)
        await self._find(place.community_id, story_id)
        _, line = _checked(place, line or " ")
        async with self._submission.one_at_a_time(place.member_id):
            await self._check_lines(place)
            await self._store.add_line(
                place.member_id, story_id, line, others_first_s=OTHERS_FIRST_S
            )
        try:
            story = await self._find(place.community_id, story_id)
            await self._open.submit(story)
        except BaseException:  # refused, or the caller was cancelled: never acknowledged
            await self._store.take_line_back(place.member_id, story_id)
            raise
        self.wake(story_id)
        return story

    async def end(self, caller: Caller, story_id: int) -> Story:
        """End a round: what there is of it is the story. Whoever began it may, and a moderator, who
        is remembered for it.

        Raises StoryNotFound, NotYours, AlreadyEnded.
        """
        member, community = await self._store.enter(caller)
        story = await self._find(community.id, story_id)
        if story.author_id != member.id and not caller.is_moderator:
            raise NotYours(id=story_id)
        if not await self._store.end_round(story_id):
            raise AlreadyEnded(id=story_id)
        if story.author_id != member.id:
            await self._store.note_action(community.id, member.id, "end", {"story": story_id})
        await self._ended(story_id)
        ended = await self._store.story(story_id)
        return ended or story

    async def newest(self, caller: Caller) -> Story | None:
        """The newest open round of the caller's community. Raises as asking for a story does."""
        place = await self._admit(caller)
        rounds = await self._store.open_rounds(place.community_id)
        return rounds[0] if rounds else None

    # -- watching ------------------------------------------------------------------------------
    async def watch(self, story_id: int) -> AsyncIterator[StoryUpdate]:
        """As `StoryService.watch`; goes on from turn to turn to the round's end."""
        while True:
            changed = self._changed.setdefault(story_id, asyncio.Event())
            async for update in self._open.watch(story_id):
                yield await self._with_round(update)
                if update.is_final:
                    return
            if update.story.turn is None or self._open.is_stopping:
                return
            await changed.wait()

    def wake(self, story_id: int) -> None:
        """Tell whoever watches that there is something new."""
        changed = self._changed.pop(story_id, None)
        if changed is not None:
            changed.set()

    def wake_all(self) -> None:
        for story_id in list(self._changed):
            self.wake(story_id)

    async def _with_round(self, update: StoryUpdate) -> StoryUpdate:
        if update.is_final or update.story.turn is None:
            return update
        return replace(update, round=await self._store.round(update.story.id, MOST_LINES))

    # -- idle ones -----------------------------------------------------------------------------
    async def run(self) -> None:
        while True:
            try:
                await self.end_idle()
            except StoreBusy:
                log.warning("idle rounds are looked for later: the database is busy")
            await asyncio.sleep(LOOK_S)

    async def end_idle(self) -> None:
        """End rounds in which nobody wrote for long."""
        since = self._clock() - IDLE_S
        for story_id in await self._store.idle_rounds(since):
            if await self._store.end_round(story_id, idle_since=since):
                await self._ended(story_id)

    async def _ended(self, story_id: int) -> None:
        if follower := self._open.get(story_id):
            await follower.cancel()
        self.wake(story_id)

    # -- inside --------------------------------------------------------------------------------
    async def _admit(self, caller: Caller) -> Place:
        self._open.check_not_stopping()
        return await admit(caller, self._store, self._rules, self._genres)

    async def _find(self, community_id: int, story_id: int) -> Story:
        """An open round of the community.

        Raises StoryNotFound, AlreadyEnded.
        """
        story = await self._store.story(story_id)
        if story is None or story.community_id != community_id:
            raise StoryNotFound(id=story_id)
        if story.turn is None or story.turn is Turn.OVER:
            raise AlreadyEnded(id=story_id)
        return story

    async def _check_lines(self, place: Place) -> None:
        await place.check_lines(self._store, self._clock)


def _checked(place: Place, line: str, title: str = "") -> tuple[str, str]:
    """A title and a line made harmless."""
    length = len(sanitize(line))
    if length > MAX_LINE_CHARS:
        raise LineTooLong(length=length, limit=MAX_LINE_CHARS)
    return place.words(title, line)
