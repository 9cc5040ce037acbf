"""Shows stories while they are written, each in its own messages, until their end is shown.

In groups, and where Telegram takes no drafts, a story grows by edits of its message; in a private
chat in a draft, which its end replaces.

`LiveStories` keeps one task a story; a message that is deleted meanwhile is sent anew with the
finished story, a chat that shuts the bot out is left alone. Knows no command.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from telegram import InlineKeyboardMarkup
from telegram.constants import ParseMode
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)

from bot.domain import Post, Status, Story, StoryUpdate
from bot.errors import MemberError
from bot.live_message import EditLater, LiveMessage, MessageGone
from bot.service import StoryService
from bot.telegram.asking import PLATFORM, Place, TelegramBot, edit, edit_keyboard, send
from bot.telegram.rate_limiter import Dropped, Sleep, Urgency, seconds_of
from bot.telegram.view import Page, escape, story_pages
from bot.telegram.vote_keyboard import Shown, story_keyboard
from bot.texts import say

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Draft: TypeAlias = Callable[[Place, int, str], Awaitable[bool]]
"""Shows HTML in the draft of this number; False if that is impossible."""

CLOSE_TIMEOUT_S = 5.0
"""For last edits under way when the bot stops."""

# What Telegram says when a message of ours is not there any more.
_LOST = ("message to edit not found", "message can't be edited", "message_id_invalid")


_EMPTY = Page("…")
_SOMETHING = Page("")
"""What a message shows of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two edits of one growing story."""

    private_s: float = 1.1
    group_s: float = 3.5
    """Partials share a group's 20 messages a minute with everything else said there."""

    def of(self, place: Place) -> float:
        """The pause for this chat."""
        return self.private_s if place.is_private else self.group_s


class _Messages:
    """The messages that show one story: what `LiveMessage` edits."""

    def __init__(
        self,
        bot: TelegramBot,
        service: StoryService,
        story_id: int,
        place: Place,
        locale: str,
        ids: list[int],
        *,
        resend: bool = True,
        draft: Draft | None = None,
    ) -> None:
        self._bot = bot
        self._service = service
        self.story_id = story_id
        self._place = place
        self._locale = locale
        self._ids: list[int | None] = list(ids)
        """First page to last; None where a member deleted ours."""
        self._resend = resend
        """Whether the end of a story is sent anew where its first message was deleted."""
        self._draft = draft
        """Streams a growing story, where that works; its end is then a new message."""
        self._placeholders: list[int | None] = []
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

    async def take_over(self, message_id: int) -> None:
        """A message of ours that showed something else is the first page from now on."""
        self._ids = [message_id]
        await self._remember(message_id, "")

    async def begin(self, page: Page) -> None:
        """Show the first page, in the message taken over or in a new one. Raises EditLater,
        MessageGone."""
        message_id = self._ids[0] if self._ids else None
        if message_id is None or not await self._edit(0, message_id, page, Urgency.REPLY):
            await self.send(0, page, Urgency.REPLY)

    async def _edit(self, index: int, message_id: int, page: Page, urgency: Urgency) -> bool:
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

    async def _remember(self, message_id: int, first: str) -> None:
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
            await self._bot.delete_message(self._place.chat_id, message_id)
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


class LiveStories:
    """All stories being shown. Close it before the bot."""

    def __init__(
        self, bot: TelegramBot, service: StoryService, *, pace: Pace, sleep: Sleep
    ) -> None:
        self._bot = bot
        self._service = service
        self._pace = pace
        self._sleep = sleep
        self._takes_drafts = True
        """Until Telegram says that it does not know them."""
        self._tasks: dict[asyncio.Task[None], _Messages] = {}
        """And what each keeps up to date."""
        self._refreshing: dict[tuple[int, int], bool] = {}
        """Messages whose votes are being shown anew; True: and have changed since."""

    async def present(
        self, story: Story, place: Place, locale: str, *, into: int | None = None
    ) -> None:
        """Answer with the story as it stands, in a message of ours that stands there (`into`) or
        in a new one, and follow it from then on."""
        first = await anext(self._service.watch(story.id))
        messages = self._messages(story.id, place, locale, [])
        if into is not None:
            await messages.take_over(into)
        shown: list[Page] = []
        if not first.is_final:
            pages = self._pages(first, place, locale)
            try:
                await messages.begin(pages[0])
                shown = pages[:1]
            except EditLater as later:
                log.warning("story %d is shown later: %s", story.id, later)
            except MessageGone as gone:
                log.info("story %d is written but not shown: %s", story.id, gone)
                return
        self._follow(messages, place, locale, shown, just_sent=bool(shown))

    def _messages(
        self, story_id: int, place: Place, locale: str, ids: list[int], *, resend: bool = True
    ) -> _Messages:
        draft = self._send_draft if place.is_private else None
        return _Messages(
            self._bot, self._service, story_id, place, locale, ids, resend=resend, draft=draft
        )

    async def _send_draft(self, place: Place, draft_id: int, html: str) -> bool:
        """Stream into a private chat; False where that is not known, or not for this chat."""
        if not self._takes_drafts:
            return False
        try:
            await self._bot.send_message_draft(
                place.chat_id,
                draft_id,
                html,
                message_thread_id=place.thread_id,
                parse_mode=ParseMode.HTML,
            )
        except (BadRequest, InvalidToken) as error:
            log.info("stories grow by edits, as Telegram takes no draft: %s", error)
            # An unknown method is 404, which PTB says of a token too.
            self._takes_drafts = not isinstance(error, InvalidToken)
            return False
        return True

    async def resume(self) -> None:
        """Go on with the messages of stories that the last process left open."""
        for posts in _showings(await self._service.open_posts(PLATFORM)):
            self._follow_posts(posts, resend=True)

    async def redraw_all(self, story_id: int) -> None:
        """Bring every message that shows a story up to date: it was hidden, kept or deleted.

        An edit still under way goes first: requests of one urgency keep their order in a chat.
        """
        posts = [post for post in await self._service.posts(story_id) if post.platform == PLATFORM]
        for pages in _showings(posts):
            self._follow_posts(pages, resend=False)

    def _follow_posts(self, posts: list[Post], *, resend: bool) -> None:
        """Follow a story in the messages that show its pages."""
        place, locale = Place.of_channel_id(posts[0].channel_id), posts[0].locale
        ids = [int(post.message_id) for post in posts]
        story_id = posts[0].story_id
        messages = self._messages(story_id, place, locale, ids, resend=resend)
        self._follow(messages, place, locale, [_SOMETHING] * len(ids))

    async def show(
        self,
        story: Story,
        place: Place,
        locale: str,
        *,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> None:
        """Answer with a story as it is, remembering where: what becomes of it is seen there.

        With a `keyboard` in place of its usual buttons.
        """
        messages = self._messages(story.id, place, locale, [])
        pages = self._pages(StoryUpdate(story), place, locale)
        if keyboard is not None:
            pages[-1] = replace(pages[-1], keyboard=keyboard)
        try:
            for index, page in enumerate(pages):
                await messages.send(index, page, Urgency.REPLY)
        except (EditLater, MessageGone) as error:
            log.warning("story %d is not shown: %s", story.id, error)
            return
        await self._service.end_posts(story.id, PLATFORM)

    def _pages(self, update: StoryUpdate, place: Place, locale: str) -> list[Page]:
        return story_pages(update, self._service.genres, self._shown(place, locale))

    def _shown(self, place: Place, locale: str) -> Shown:
        return Shown(locale, None if place.is_private else place.chat_id, self._bot.username)

    def _follow(
        self,
        messages: _Messages,
        place: Place,
        locale: str,
        shown: list[Page],
        *,
        just_sent: bool = False,
    ) -> None:
        live = LiveMessage(
            lambda update: messages.contents(self._pages(update, place, locale)),
            messages.put,
            messages.remove,
            interval_s=self._pace.of(place),
            shown=shown,
            sleep=self._sleep,
        )
        task = asyncio.create_task(self._run(live, messages, just_sent))
        self._tasks[task] = messages
        task.add_done_callback(self._forget)

    async def _run(self, live: LiveMessage[Page], messages: _Messages, just_sent: bool) -> None:
        if just_sent:
            # The next message to this chat is not due before; asking would only slow us down.
            await self._sleep(self._pace.private_s)
        if await live.follow(messages.updates):
            await messages.clear()
            await self._service.end_posts(messages.story_id, PLATFORM)

    def _forget(self, task: asyncio.Task[None]) -> None:
        messages = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("story %d is not shown any more", messages.story_id, exc_info=error)

    async def close(self) -> None:
        """Stop showing. What is still being written is resumed at the next start; what has
        ended is not, so its last edit gets some time to arrive."""
        ending = [task for task, messages in self._tasks.items() if messages.ending]
        if ending:
            await asyncio.wait(ending, timeout=CLOSE_TIMEOUT_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def redraw(self, story_id: int, place: Place, message_id: int, locale: str) -> None:
        """Bring up to date a message that was left behind, as by a crash after the story's end."""
        if all(messages.story_id != story_id for messages in self._tasks.values()):
            messages = self._messages(story_id, place, locale, [message_id])
            self._follow(messages, place, locale, [])

    async def restore_keyboard(
        self, story: Story, place: Place, message_id: int, locale: str
    ) -> None:
        """Show a story's usual buttons below its message, with its votes as they are."""
        keyboard = story_keyboard(story, self._shown(place, locale))
        await edit_keyboard(self._bot, place, message_id, keyboard)

    async def refresh_votes(
        self,
        read: Callable[[], Awaitable[Story]],
        place: Place,
        message_id: int,
        locale: str,
    ) -> None:
        """Show the votes as they now are below a message.

        Presses that come while an edit is under way are shown by one more edit, by the task that
        is at it: a hundred votes are no hundred edits, and the last edit has the last count.
        """
        key = (place.chat_id, message_id)
        if key in self._refreshing:
            self._refreshing[key] = True
            return
        self._refreshing[key] = True
        try:
            while self._refreshing[key]:
                self._refreshing[key] = False
                story = await read()
                await self.restore_keyboard(story, place, message_id, locale)
                if self._refreshing[key]:
                    await self._sleep(self._pace.of(place))
        finally:
            del self._refreshing[key]


def _showings(posts: Iterable[Post]) -> list[list[Post]]:
    """Posts by the showing they are pages of, in order."""
    showings: dict[tuple[int, str, str], list[Post]] = {}
    for post in posts:
        key = (post.story_id, post.channel_id, post.first_message_id or post.message_id)
        showings.setdefault(key, []).append(post)
    return list(showings.values())
