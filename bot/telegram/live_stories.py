"""Shows stories while they are written, each in its own messages, until their end is shown.

In groups, and where Telegram takes no drafts, a story grows by edits of its message; in a private
chat in a draft, which its end replaces.

`LiveStories` keeps one task a story; a message that is deleted meanwhile is sent anew with the
finished story, a chat that shuts the bot out is left alone. Knows no command.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from telegram.constants import ParseMode
from telegram.error import BadRequest, InvalidToken

from bot.domain import Post, Story, StoryUpdate
from bot.live_message import EditLater, LiveMessage, MessageGone
from bot.service import StoryService
from bot.telegram.asking import PLATFORM, MessageId, Place, TelegramBot, edit_keyboard
from bot.telegram.community import address_of
from bot.telegram.rate_limiter import Sleep, Urgency
from bot.telegram.story_messages import StoryMessages
from bot.telegram.view import Page, story_pages
from bot.telegram.vote_keyboard import Shown, story_keyboard

log = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 5.0
"""For last edits under way when the bot stops."""
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
        self._tasks: dict[asyncio.Task[None], StoryMessages] = {}
        """And what each keeps up to date."""
        self._refreshing: dict[tuple[int, MessageId], bool] = {}
        """Messages whose votes are being shown anew; True: and have changed since."""

    async def present(
        self, story: Story, place: Place, locale: str, *, into: MessageId | None = None
    ) -> None:
        """Answer with the story as it stands, in a message of ours that stands there (`into`) or
        in a new one, and follow it from then on."""
        first = await anext(self._service.watch(story.id))
        messages = self._messages(story.id, place, locale, [])
        if into is not None:
            await messages.take_over(into)
        shown: list[Page] = []
        where = await self._shown(story.id, place, locale)
        if not first.is_final:
            pages = self._pages(first, where)
            try:
                await messages.begin(pages[0])
                shown = pages[:1]
            except EditLater as later:
                log.warning("story %d is shown later: %s", story.id, later)
            except MessageGone as gone:
                log.info("story %d is written but not shown: %s", story.id, gone)
                return
        self._follow(messages, place, where, shown, just_sent=bool(shown))

    def _messages(
        self, story_id: int, place: Place, locale: str, ids: list[MessageId], *, resend: bool = True
    ) -> StoryMessages:
        draft = self._send_draft if place.is_private else None
        resend = resend and not place.is_inline
        return StoryMessages(
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
            await self._follow_posts(posts, resend=True)

    async def redraw_all(self, story_id: int) -> None:
        """Bring every message that shows a story up to date: it was hidden, kept or deleted.

        An edit still under way goes first: requests of one urgency keep their order in a chat.
        """
        posts = [post for post in await self._service.posts(story_id) if post.platform == PLATFORM]
        for pages in _showings(posts):
            await self._follow_posts(pages, resend=False)

    async def _follow_posts(self, posts: list[Post], *, resend: bool) -> None:
        """Follow a story in the messages that show its pages."""
        place, locale = Place.of_channel_id(posts[0].channel_id), posts[0].locale
        ids = [place.read_message_id(post.message_id) for post in posts]
        story_id = posts[0].story_id
        messages = self._messages(story_id, place, locale, ids, resend=resend)
        where = await self._shown(story_id, place, locale)
        self._follow(messages, place, where, [_SOMETHING] * len(ids))

    async def show(self, story: Story, place: Place, locale: str) -> bool:
        """Answer with a story as it is, remembering where: what becomes of it is seen there.

        False where it could not be sent.
        """
        messages = self._messages(story.id, place, locale, [])
        pages = self._pages(StoryUpdate(story), await self._shown(story.id, place, locale))
        try:
            for index, page in enumerate(pages):
                await messages.send(index, page, Urgency.REPLY)
        except (EditLater, MessageGone) as error:
            log.warning("story %d is not shown: %s", story.id, error)
            return False
        await self._service.end_posts(story.id, PLATFORM)
        return True

    def _pages(self, update: StoryUpdate, where: Shown) -> list[Page]:
        return story_pages(update, self._service.genres, where)

    async def _shown(self, story_id: int, place: Place, locale: str) -> Shown:
        url = ""
        if place.home:
            url = await address_of(self._service, story_id, str(place.home))
        group_id = None if place.is_private else place.chat_id
        name = self._bot.username
        return Shown(locale, group_id, name, place.home, url, place.is_inline)

    def _follow(
        self,
        messages: StoryMessages,
        place: Place,
        where: Shown,
        shown: list[Page],
        *,
        just_sent: bool = False,
    ) -> None:
        live = LiveMessage(
            lambda update: messages.contents(self._pages(update, where)),
            messages.put,
            messages.remove,
            interval_s=self._pace.of(place),
            shown=shown,
            sleep=self._sleep,
        )
        task = asyncio.create_task(self._run(live, messages, just_sent))
        self._tasks[task] = messages
        task.add_done_callback(self._forget)

    async def _run(self, live: LiveMessage[Page], messages: StoryMessages, just_sent: bool) -> None:
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

    async def redraw(self, story_id: int, place: Place, message_id: MessageId, locale: str) -> None:
        """Bring up to date a message that was left behind, as by a crash after the story's end."""
        if all(messages.story_id != story_id for messages in self._tasks.values()):
            messages = self._messages(story_id, place, locale, [message_id])
            self._follow(messages, place, await self._shown(story_id, place, locale), [])

    async def restore_keyboard(
        self, story: Story, place: Place, message_id: MessageId, locale: str
    ) -> None:
        """Show a story's usual buttons below its message, with its votes as they are."""
        keyboard = story_keyboard(story, await self._shown(story.id, place, locale))
        await edit_keyboard(self._bot, place, message_id, keyboard)

    async def refresh_votes(
        self,
        read: Callable[[], Awaitable[Story]],
        place: Place,
        message_id: MessageId,
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
