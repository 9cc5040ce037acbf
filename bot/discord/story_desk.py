"""Shows stories on Discord and keeps them up to date: new, read, or open since before a restart.

Owns the tasks that follow stories. Knows the service; knows commands and buttons not at all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import discord

from bot import wording
from bot.discord.cards import Card, story_cards, version_links
from bot.discord.forum import MAX_TITLE, open_forum_post
from bot.discord.markup import escape, jump_url
from bot.discord.replies import Interaction, Reply, caller_of, own_channel, shared_locale
from bot.discord.rights import Target
from bot.discord.round_cards import round_card
from bot.discord.story_messages import TOKEN_LIFE_S, StoryMessages, refusals
from bot.domain import Post, Story, StoryUpdate
from bot.errors import MemberError, NotPosted
from bot.live_message import EditLater, LiveMessage, MessageGone
from bot.service import StoryService
from bot.texts import say

log = logging.getLogger(__name__)

PLATFORM = "discord"
EDIT_INTERVAL_S = 1.2
"""Discord allows about 5 edits in 5 s per channel; one story takes less than its share."""
GRACE_S = 3.0
"""How long commands in hand and last edits may take when the bot stops."""

MOST_VERSIONS = 8
"""Versions of a story that are linked to each other: the newest."""
LINKED_S = 3_600.0
"""Up to this age a story's first message learns of further versions."""
_SOMETHING_ELSE = Card("")
"""What a message shows of which nothing is known."""


@dataclass(slots=True)
class _Showing:
    """How a story is shown in one place."""

    locale: str
    n_pages: int
    """Messages that are there already."""
    versions: str = ""
    to_be_linked: list[int] = field(default_factory=list)
    """Earlier versions, whose messages do not name this one yet."""


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

    async def show(self, reply: Reply, story: Story) -> None:
        """Show a story and follow it to its end, remembering where: a restart goes on there, and
        what becomes of the story later is seen there."""
        channel_id = own_channel(reply.interaction)
        channel, on_sent = None, None
        if channel_id is not None:
            message_id = str(reply.message_id)
            post = Post(story.id, PLATFORM, str(channel_id), message_id, reply.locale)
            await self._remember(post, reply.message_id)
            channel = self._client.get_partial_messageable(channel_id)
            on_sent = partial(self._remember, post)
        messages = StoryMessages(
            channel,
            [reply.message_id],
            reply,
            token_life_s=self._token_life_s,
            on_sent=on_sent,
            awaken=partial(self._awaken, channel_id) if channel_id is not None else None,
        )
        self._follow(story.id, messages, reply.locale)

    async def resume(self) -> None:
        """Go on in the messages that did not show their story's end when the last process ended."""
        for posts in _showings(await self.service.open_posts(PLATFORM)):
            self._follow(posts[0].story_id, self._posted(posts), posts[0].locale)

    async def redraw(self, story_id: int, most: int | None = None) -> None:
        """Bring every message that shows a story up to date: it was hidden, kept or deleted.

        `most`: so many showings at most, the first ones.
        """
        posts = [post for post in await self.service.posts(story_id) if post.platform == PLATFORM]
        for pages in _showings(posts)[:most]:
            self._follow(story_id, self._posted(pages), pages[0].locale, n_pages=len(pages))

    async def post(self, story: Story, target: Target, locale: str) -> str:
        """Post a finished story in a channel of a server, in a forum as a post of its own; the
        address of its first message.

        Raises NotPosted.
        """
        links = await self._version_links(story, locale)
        first_card, *more = self.cards(StoryUpdate(story), locale, links)
        try:
            with refusals():
                sent = await _first_message(story, target, first_card)
            post = Post(story.id, PLATFORM, str(sent.channel.id), str(sent.id), locale)
            await self._remember(post, sent.id)
            messages = self._posted([post])
            for number, card in enumerate(more, 1):
                await messages.put(number, card, True)
        except (EditLater, MessageGone) as error:
            log.info("story %d could not be posted: %s", story.id, error)
            raise NotPosted(channel=target.name) from error
        await self.service.end_posts(story.id, PLATFORM)
        return jump_url(target.guild.id, post.channel_id, post.message_id)

    def address(self, post: Post) -> str:
        """The link to a post's message."""
        guild = getattr(self._client.get_channel(int(post.channel_id)), "guild", None)
        return jump_url(getattr(guild, "id", None), post.channel_id, post.message_id)

    async def first_post(self, story_id: int) -> Post | None:
        """Where a story was first shown on Discord."""
        posts = [post for post in await self.service.posts(story_id) if post.platform == PLATFORM]
        return posts[0] if posts else None

    def _posted(self, posts: list[Post]) -> StoryMessages:
        """The messages of one showing, reached by their channel."""
        channel = self._client.get_partial_messageable(int(posts[0].channel_id))
        ids = [int(post.message_id) for post in posts]
        return StoryMessages(
            channel,
            ids,
            on_sent=partial(self._remember, posts[0]),
            awaken=partial(self._awaken, channel.id),
        )

    async def _awaken(self, thread_id: int) -> None:
        """Take a thread out of the archive: what is deleted must go there too."""
        thread = await self._client.fetch_channel(thread_id)
        if isinstance(thread, discord.Thread):
            await thread.edit(archived=False)

    async def _remember(self, first: Post, message_id: int) -> None:
        """A page of the story that begins at `first`, which is asked for and shown in any case."""
        page = first
        if str(message_id) != first.message_id:
            page = replace(first, message_id=str(message_id), first_message_id=first.message_id)
        try:
            await self.service.add_post(page)
        except MemberError as error:
            log.warning("a page of story %d would not be resumed: %s", first.story_id, error)

    def cards(self, update: StoryUpdate, locale: str, versions: str = "") -> list[Card]:
        if update.round is not None:
            return [round_card(update, self.service.genres, locale)]
        return story_cards(update, self.service.genres, locale, versions)

    async def _version_links(self, story: Story, locale: str) -> str:
        """Under a story that has other versions: all of them, with links to their messages."""
        versions = await self.service.versions(story)
        if len(versions) < 2:
            return ""
        urls = {}
        for one in versions[-MOST_VERSIONS:]:
            post = await self.first_post(one.id)
            urls[one.id] = self.address(post) if post else ""
        return version_links(story, urls, locale)

    def _follow(
        self, story_id: int, messages: StoryMessages, locale: str, *, n_pages: int = 0
    ) -> None:
        """`n_pages`: messages that show something else so far; those not needed go."""
        showing = _Showing(locale, n_pages)
        live = LiveMessage(
            partial(self._pages, showing),
            messages.put,
            messages.remove,
            interval_s=self._edit_interval_s,
            shown=[_SOMETHING_ELSE] * n_pages,
        )
        self.start(self._run(story_id, live, messages, showing))

    def _pages(self, showing: _Showing, update: StoryUpdate) -> list[Card]:
        """The story's cards. While it is hidden all its pages stay, to be filled again."""
        cards = self.cards(update, showing.locale, showing.versions)
        if update.story.is_hidden:
            cards += cards[-1:] * (showing.n_pages - len(cards))
        return cards

    async def _run(
        self,
        story_id: int,
        live: LiveMessage[Card],
        messages: StoryMessages,
        showing: _Showing,
    ) -> None:
        try:
            async with asyncio.timeout(messages.life_s):
                ended = await live.follow(partial(self._updates, story_id, showing))
            if ended:
                await self.service.end_posts(story_id, PLATFORM)
            for other in showing.to_be_linked:
                await self.redraw(other, most=1)
        except TimeoutError:
            await self._say_read_later(story_id, messages, showing.locale)
        except MemberError as error:
            log.info("story %d is not shown any more: %s", story_id, error)
        except Exception:
            log.exception("showing story %d failed; the story itself goes on", story_id)

    async def _updates(self, story_id: int, showing: _Showing) -> AsyncIterator[StoryUpdate]:
        was_open = False
        async for update in self.service.watch(story_id):
            if update.is_final:
                self.mind()
                showing.versions = await self._version_links(update.story, showing.locale)
                if was_open and showing.versions:
                    family = await self.service.versions(update.story)
                    # Older messages can be edited only now and then (30046).
                    since = time.time() - LINKED_S
                    showing.to_be_linked = [
                        one.id
                        for one in family[-MOST_VERSIONS:]
                        if one.id != story_id and (one.finished_at or 0.0) > since
                    ]
            was_open = True
            yield update

    async def _say_read_later(self, story_id: int, messages: StoryMessages, locale: str) -> None:
        """The last edit an expiring token allows: where the story will be found."""
        note = escape(say("discord-read-later", locale, id=story_id))
        update = await anext(self.service.watch(story_id))
        card = self.cards(update, locale)[0]
        with contextlib.suppress(EditLater, MessageGone):
            await messages.put(0, replace(card, text=f"{card.text}\n\n*{note}*"), True)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """A task that ends with the desk."""
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


async def _first_message(story: Story, target: Target, card: Card) -> discord.Message:
    if isinstance(target, discord.ForumChannel):
        title = wording.headline(story, MAX_TITLE)
        return await open_forum_post(target, title, card, story.genre)
    return await target.send(embed=card.embed(), view=card.view() or discord.utils.MISSING)


def _showings(posts: Iterable[Post]) -> list[list[Post]]:
    """Posts by the showing they are pages of, in order."""
    showings: dict[tuple[int, str, str], list[Post]] = {}
    for post in posts:
        key = (post.story_id, post.channel_id, post.first_message_id or post.message_id)
        showings.setdefault(key, []).append(post)
    return list(showings.values())
