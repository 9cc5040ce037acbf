"""The messages that show one story, and its draft: what `bot.live_message` keeps up to date.

Turns Telegram's refusals into that module's words. Knows no command, and nothing of other stories.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias, TypeVar

from telegram import InlineKeyboardMarkup
from telegram.error import BadRequest, ChatMigrated, Forbidden, RetryAfter, TelegramError

from bot.domain import Post, Status, StoryUpdate
from bot.errors import MemberError
from bot.live_message import EditLater, MessageGone
from bot.service import StoryService
from bot.telegram.asking import PLATFORM, MessageId, Place, TelegramBot, edit, send
from bot.telegram.rate_limiter import Dropped, Urgency, seconds_of
from bot.telegram.view import Page, escape
from bot.texts import say

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Draft: TypeAlias = Callable[[Place, int, str], Awaitable[bool]]
"""Shows HTML in the draft of this number; False if that is impossible."""

# What Telegram says when a message of ours is not there any more.
_LOST = ("message to edit not found", "message can't be edited", "message_id_invalid")
_EMPTY = Page("…")


class StoryMessages:
    """The messages that show one story: what `LiveMessage` edits."""

    def __init__(
        self,
        bot: TelegramBot,
        service: StoryService,
        story_id: int,
        place: Place,
        locale: str,
        ids: list[MessageId],
        *,
        resend: bool = True,
        draft: Draft | None = None,
    ) -> None:
        self._bot = bot
        self._service = service
        self.story_id = story_id
        self._place = place
        self._locale = locale
        self._ids: list[MessageId | None] = list(ids)
        """First page to last; None where a member deleted ours."""
        self._resend = resend
        """Whether the end of a story is sent anew where its first message was deleted."""
        self._draft = draft
        """Streams a growing story, where that works; its end is then a new message."""
        self._placeholders: list[MessageId | None] = []
        """What was shown before drafts took over; to be deleted at the end."""
        self._grows = False
        """The story is being written, and there are words of it."""
        self.ending = False
        """The story is closed; only its last edit is still to come."""

    async def put(self, index: int, page: Page, final: bool) -> None:
        """Show `page` as the message at `index`. Raises EditLater, MessageGone."""
        if self._grows and not final and await self._stream(page):
            return
        urgency = Urgency.FINAL if final else Urgency.PARTIAL
        message_id = self._ids[index] if index < len(self._ids) else None
        if message_id is not None and await self._edit(index, message_id, page, urgency):
            return
        await self.send(index, page, urgency)

    async def _stream(self, page: Page) -> bool:
        """Show a page of a growing story in its draft; False if it is to be edited instead.

        A draft has no buttons, so the message that was there already keeps Cancel. Raises
        EditLater, MessageGone.
        """
        if self._draft is None:
            return False
        if not await self._try(self._draft(self._place, self.story_id, page.html)):
            self._draft = None
            self._ids, self._placeholders = self._ids or self._placeholders, []
            return False
        if self._ids:
            self._ids, self._placeholders = [], self._ids
            await self._say_thinking(page.keyboard)
        return True

    def contents(self, pages: list[Page]) -> list[Page]:
        """What to show of a story's pages: a draft is one message, and has the last."""
        return pages[-1:] if self._grows and self._draft is not None else pages

    async def _say_thinking(self, keyboard: InlineKeyboardMarkup | None) -> None:
        """The message that keeps Cancel names no place in line any more."""
        page = Page(escape(say("story-thinking", self._locale)), keyboard)
        for message_id in self._placeholders[-1:]:
            if message_id is not None:
                with suppress(EditLater, MessageGone, _Lost):
                    await self._try(edit(self._bot, self._place, message_id, page, Urgency.PARTIAL))

    async def clear(self) -> None:
        """Delete what a draft's story needs no more, once its end is shown."""
        self._ids, ends = self._placeholders, self._ids
        while self._ids:
            await self.remove(len(self._ids) - 1)
        self._ids = ends

    async def take_over(self, message_id: MessageId) -> None:
        """A message of ours that showed something else is the first page from now on."""
        self._ids = [message_id]
        await self._remember(message_id, "")

    async def begin(self, page: Page) -> None:
        """Show the first page, in the message taken over or in a new one. Raises EditLater,
        MessageGone."""
        message_id = self._ids[0] if self._ids else None
        if message_id is None or not await self._edit(0, message_id, page, Urgency.REPLY):
            await self.send(0, page, Urgency.REPLY)

    async def _edit(self, index: int, message_id: MessageId, page: Page, urgency: Urgency) -> bool:
        """False if the message is not there and the page is to be sent anew."""
        try:
            await self._try(edit(self._bot, self._place, message_id, page, urgency))
        except _Lost:
            if not (self._resend or index):
                raise MessageGone(f"{self._place.channel_id()}: deleted") from None
            self._ids[index] = None
            if urgency is not Urgency.PARTIAL:
                return False
            raise EditLater(0.0) from None
        return True

    async def send(self, index: int, page: Page, urgency: Urgency) -> None:
        """Send the page at `index`, and remember where it is. Raises EditLater, MessageGone."""
        message = await self._try(send(self._bot, self._place, page, urgency))
        self._ids[index : index + 1] = [message.message_id]
        await self._remember(message.message_id, str(self._ids[0] or "") if index else "")

    async def _remember(self, message_id: MessageId, first: str) -> None:
        channel, number = self._place.channel_id(), str(message_id)
        post = Post(self.story_id, PLATFORM, channel, number, self._locale, first)
        try:
            await self._service.add_post(post)
        except MemberError as error:
            log.warning("story %d: its message is not noted: %s", self.story_id, error)

    async def remove(self, index: int) -> None:
        """Delete a page that is not needed any more; after 48 hours Telegram lets us only empty
        it."""
        message_id = self._ids.pop(index) if index < len(self._ids) else None
        if message_id is None:
            return
        try:
            await self._bot.delete_message(self._place.chat_id, int(message_id))
        except TelegramError:
            try:
                await edit(self._bot, self._place, message_id, _EMPTY, Urgency.FINAL)
            except TelegramError as error:
                log.info("story %d: a page stays: %s", self.story_id, error)

    async def updates(self) -> AsyncIterator[StoryUpdate]:
        """The story's updates, as far as its messages can show them.

        Once a message was deleted only the last update counts: it is sent anew.
        """
        async for update in self._service.watch(self.story_id):
            self.ending = update.is_final
            self._grows = update.story.status is Status.WRITING and bool(update.story.text)
            if update.is_final or None not in self._ids:
                yield update

    async def _try(self, request: Awaitable[Result]) -> Result:
        """Await `request`; its errors in the words of `bot.live_message`."""
        try:
            return await request
        except Dropped as dropped:
            raise EditLater(dropped.after_s) from None
        except RetryAfter as error:
            raise EditLater(seconds_of(error)) from None
        except ChatMigrated as error:
            log.info("chat %d is now %d", self._place.chat_id, error.new_chat_id)
            self._place = Place(error.new_chat_id)
            self._ids = [None] * len(self._ids)
            raise EditLater(0.0) from None
        except (BadRequest, Forbidden) as error:
            if any(words in error.message.lower() for words in _LOST):
                raise _Lost from None
            raise MessageGone(f"{self._place.channel_id()}: {error.message}") from error
        except TelegramError as error:
            raise EditLater from error


class _Lost(Exception):
    """A message of ours was deleted."""
