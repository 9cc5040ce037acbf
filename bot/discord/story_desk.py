"""Shows stories on Discord and keeps them up to date: new, read, or open since before a restart.

Owns the tasks that follow stories. Knows the service; knows commands and buttons not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

import discord

from bot.discord.cards import Card, story_cards
from bot.discord.markup import escape
from bot.discord.replies import Interaction, Reply, caller_of, locale_of, own_channel
from bot.discord.story_messages import TOKEN_LIFE_S, StoryMessages, messages_of
from bot.domain import Post, Story, StoryUpdate
from bot.errors import MemberError
from bot.live_message import EditLater, LiveMessage, MessageGone
from bot.service import StoryService
from bot.texts import say

log = logging.getLogger(__name__)

PLATFORM = "discord"
EDIT_INTERVAL_S = 1.2
"""Discord allows about 5 edits in 5 s per channel; one story takes less than its share."""
HANDLERS_GRACE_S = 3.0
"""How long a command may take to its end when the bot stops."""


class StoryDesk:
    """Where commands and buttons hand a story over to be shown."""

    def __init__(
        self,
        service: StoryService,
        client: discord.Client,
        *,
        edit_interval_s: float = EDIT_INTERVAL_S,
        token_life_s: float = TOKEN_LIFE_S,
    ) -> None:
        self.service = service
        self._client = client
        self._edit_interval_s = edit_interval_s
        self._token_life_s = token_life_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._handlers: set[asyncio.Task[Any]] = set()
        self._redrawing: dict[int, Callable[[], Awaitable[None]] | None] = {}

    async def show_new(self, reply: Reply, story: Story) -> None:
        """Show a story that was just asked for, remembering where, and follow it to its end."""
        channel_id = own_channel(reply.interaction)
        if channel_id is not None:
            message_id = str(reply.message_id)
            post = Post(story.id, PLATFORM, str(channel_id), message_id, reply.locale)
            await self.service.add_post(post)
        messages = messages_of(reply, self._token_life_s)
        self._follow(story.id, messages, reply.locale, is_post=True)

    async def show(self, reply: Reply, story: Story) -> None:
        """Show a story as it is; one that is still open grows before the reader's eyes."""
        if story.status.is_open:
            messages = messages_of(reply, self._token_life_s)
            self._follow(story.id, messages, reply.locale, is_post=False)
        else:
            await reply.show(self.cards(StoryUpdate(story), reply.locale))

    async def resume(self) -> None:
        """Go on in the messages of stories that were open when the last process ended."""
        for post in await self.service.open_posts(PLATFORM):
            channel = self._client.get_partial_messageable(int(post.channel_id))
            messages = StoryMessages(channel, [int(post.message_id)])
            self._follow(post.story_id, messages, post.locale, is_post=True)

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
                ended = await live.follow(partial(self.service.watch, story_id))
            if ended and is_post:
                await self.service.end_posts(story_id, PLATFORM)
        except TimeoutError:
            await self._say_read_later(story_id, messages, locale)
        except MemberError as error:
            log.info("story %d is not shown any more: %s", story_id, error)
        except Exception:
            log.exception("showing story %d failed; the story itself goes on", story_id)

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
            card = self.cards(StoryUpdate(story), locale_of(interaction, public=True))[-1]
            await interaction.edit_original_response(view=card.view())
        except (discord.HTTPException, MemberError) as error:
            # The vote is stored; only its display is late (30046, or something is gone).
            log.info("the counts of story %d could not be redrawn: %s", story_id, error)

    def mind(self) -> None:
        """Keep the running task, a command or a press, in sight until it is done."""
        task = asyncio.current_task()
        if task is not None:
            self._handlers.add(task)
            task.add_done_callback(self._handlers.discard)

    async def close(self) -> None:
        """Let commands in hand come to their end, and stop following.

        The stories go on; their messages are taken up again at next start.
        """
        if self._handlers:
            await asyncio.wait(self._handlers, timeout=HANDLERS_GRACE_S)
        ending = [*self._handlers, *self._tasks]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
