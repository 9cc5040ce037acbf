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
from bot.texts import DEFAULT, say

log = logging.getLogger(__name__)

PLATFORM = "discord"
EDIT_INTERVAL_S = 1.2
"""Discord allows about 5 edits in 5 s per channel; one story takes less than its share."""


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
        self._redrawing: dict[int, Callable[[], Awaitable[None]] | None] = {}

    async def show_new(self, reply: Reply, story: Story) -> None:
        """Show a story that was just asked for, remembering where, and follow it to its end."""
        channel_id = own_channel(reply.interaction)
        if channel_id is not None:
            post = Post(story.id, PLATFORM, str(channel_id), str(reply.message_id))
            await self.service.add_post(post)
        self._follow(story.id, messages_of(reply, self._token_life_s), reply.locale)

    async def show(self, reply: Reply, story: Story) -> None:
        """Show a story as it is; one that is still open grows before the reader's eyes."""
        if story.status.is_open:
            self._follow(story.id, messages_of(reply, self._token_life_s), reply.locale)
        else:
            await reply.show(self.cards(StoryUpdate(story), reply.locale))

    async def resume(self) -> None:
        """Go on in the messages of stories that were open when the last process ended."""
        for post in await self.service.open_posts(PLATFORM):
            channel = self._client.get_partial_messageable(int(post.channel_id))
            messages = StoryMessages(channel, [int(post.message_id)])
            self._follow(post.story_id, messages, DEFAULT)

    def cards(self, update: StoryUpdate, locale: str) -> list[Card]:
        return story_cards(update, self.service.genres, locale)

    def _follow(self, story_id: int, messages: StoryMessages, locale: str) -> None:
        live = LiveMessage(
            partial(self.cards, locale=locale),
            messages.put,
            messages.remove,
            interval_s=self._edit_interval_s,
        )
        self._start(self._run(story_id, live, messages, locale))

    async def _run(
        self, story_id: int, live: LiveMessage[Card], messages: StoryMessages, locale: str
    ) -> None:
        try:
            async with asyncio.timeout(messages.life_s):
                await live.follow(self.service.watch(story_id))
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

    async def close(self) -> None:
        """Stop following. The stories go on; their messages are taken up again at next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
