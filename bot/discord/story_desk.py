"""Shows stories on Discord and keeps them up to date: new, read, or open since before a restart.

Owns the tasks that follow stories. Knows the service; knows commands and buttons not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

import discord

from bot.discord.cards import Card, story_cards
from bot.discord.markup import escape
from bot.discord.replies import Interaction, Reply, caller_of, own_channel, shared_locale
from bot.discord.story_messages import TOKEN_LIFE_S, StoryMessages
from bot.domain import Post, Story, StoryUpdate
from bot.errors import MemberError
from bot.live_message import EditLater, LiveMessage, MessageGone
from bot.service import StoryService
from bot.texts import say

log = logging.getLogger(__name__)

PLATFORM = "discord"
EDIT_INTERVAL_S = 1.2
"""Discord allows about 5 edits in 5 s per channel; one story takes less than its share."""
GRACE_S = 3.0
"""How long commands in hand and last edits may take when the bot stops."""


class StoryDesk:
    """Where commands and buttons hand a story over to be shown."""

    def __init__(
        self,
        service: StoryService,
        client: discord.Client,
        *,
        edit_interval_s: float = EDIT_INTERVAL_S,
        token_life_s: float = TOKEN_LIFE_S,
        grace_s: float = GRACE_S,
    ) -> None:
        self.service = service
        self._client = client
        self._edit_interval_s = edit_interval_s
        self._token_life_s = token_life_s
        self._grace_s = grace_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[Any]] = set()
        """What soon comes to an end by itself: commands in hand, and last edits."""
        self._redrawing: dict[int, Callable[[], Awaitable[None]] | None] = {}

    async def show_new(self, reply: Reply, story: Story) -> None:
        """Show a story that was just asked for, remembering where, and follow it to its end."""
        channel_id = own_channel(reply.interaction)
        post = None
        if channel_id is not None:
            message_id = str(reply.message_id)
            post = Post(story.id, PLATFORM, str(channel_id), message_id, reply.locale)
            await self._remember(post, reply.message_id)
        self._follow(story.id, self._messages(reply, post), reply.locale, is_post=True)

    async def show(self, reply: Reply, story: Story) -> None:
        """Show a story as it is; one that is still open grows before the reader's eyes."""
        if story.status.is_open:
            self._follow(story.id, self._messages(reply), reply.locale, is_post=False)
        else:
            await reply.show(self.cards(StoryUpdate(story), reply.locale))

    async def resume(self) -> None:
        """Go on in the messages that did not show their story's end when the last process ended."""
        pages: dict[int, list[Post]] = {}
        for post in await self.service.open_posts(PLATFORM):
            pages.setdefault(post.story_id, []).append(post)
        for story_id, posts in pages.items():
            channel = self._client.get_partial_messageable(int(posts[0].channel_id))
            ids = [int(post.message_id) for post in posts]
            messages = StoryMessages(channel, ids, on_sent=partial(self._remember, posts[0]))
            self._follow(story_id, messages, posts[0].locale, is_post=True)

    def _messages(self, reply: Reply, post: Post | None = None) -> StoryMessages:
        """The messages of a reply; those of a post are remembered, page by page."""
        channel_id = own_channel(reply.interaction)
        return StoryMessages(
            None if channel_id is None else self._client.get_partial_messageable(channel_id),
            [reply.message_id],
            reply,
            token_life_s=self._token_life_s,
            on_sent=None if post is None else partial(self._remember, post),
        )

    async def _remember(self, first: Post, message_id: int) -> None:
        """A page of the story that begins at `first`, which is asked for and shown in any case."""
        try:
            await self.service.add_post(replace(first, message_id=str(message_id)))
        except MemberError as error:
            log.warning("a page of story %d would not be resumed: %s", first.story_id, error)

    def cards(self, update: StoryUpdate, locale: str) -> list[Card]:
        return story_cards(update, self.service.genres, locale)

    def _follow(
        self, story_id: int, messages: StoryMessages, locale: str, *, is_post: bool
    ) -> None:
        """`is_post`: these are the messages to be resumed after a restart, not a reader's."""
        live = LiveMessage(
            partial(self.cards, locale=locale),
            messages.put,
            messages.remove,
            interval_s=self._edit_interval_s,
        )
        self._start(self._run(story_id, live, messages, locale, is_post))

    async def _run(
        self,
        story_id: int,
        live: LiveMessage[Card],
        messages: StoryMessages,
        locale: str,
        is_post: bool,
    ) -> None:
        try:
            async with asyncio.timeout(messages.life_s):
                ended = await live.follow(partial(self._updates, story_id))
            if ended and is_post:
                await self.service.end_posts(story_id, PLATFORM)
        except TimeoutError:
            await self._say_read_later(story_id, messages, locale)
        except MemberError as error:
            log.info("story %d is not shown any more: %s", story_id, error)
        except Exception:
            log.exception("showing story %d failed; the story itself goes on", story_id)

    async def _updates(self, story_id: int) -> AsyncIterator[StoryUpdate]:
        async for update in self.service.watch(story_id):
            if update.is_final:
                self.mind()
            yield update

    async def _say_read_later(self, story_id: int, messages: StoryMessages, locale: str) -> None:
        """The last edit an expiring token allows: where the story will be found."""
        note = escape(say("discord-read-later", locale, id=story_id))
        update = await anext(self.service.watch(story_id))
        card = self.cards(update, locale)[0]
        with contextlib.suppress(EditLater, MessageGone):
            await messages.put(0, replace(card, text=f"{card.text}\n\n*{note}*"), True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def redraw_votes(self, interaction: Interaction, story_id: int) -> None:
        """Bring the counts on a pressed message up to date.

        Presses that come during a redraw share the next one, which reads the store after them
        all: so edits of one message never overtake each other, and the last shows every vote.
        """
        message = interaction.message
        if message is None:
            return
        redraw = partial(self._redraw, interaction, story_id)
        if message.id in self._redrawing:
            self._redrawing[message.id] = redraw
            return
        waiting: Callable[[], Awaitable[None]] | None = redraw
        try:
            while waiting is not None:
                self._redrawing[message.id] = None
                await waiting()
                waiting = self._redrawing[message.id]
        finally:
            del self._redrawing[message.id]

    async def _redraw(self, interaction: Interaction, story_id: int) -> None:
        try:
            story = await self.service.read(caller_of(interaction), story_id)
            card = self.cards(StoryUpdate(story), await shared_locale(interaction))[-1]
            await interaction.edit_original_response(view=card.view())
        except (discord.HTTPException, MemberError) as error:
            # The vote is stored; only its display is late (30046, or something is gone).
            log.info("the counts of story %d could not be redrawn: %s", story_id, error)

    def mind(self) -> None:
        """The running task soon ends by itself: see it through when the bot stops."""
        task = asyncio.current_task()
        if task is not None:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """Let commands in hand and last edits come to their end, and stop following the rest.

        The stories go on; their messages are taken up again at next start.
        """
        if self._ending:
            await asyncio.wait(self._ending, timeout=self._grace_s)
        left = self._ending | self._tasks
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
