"""Posts a group's digest and hall of fame: in the group, one of its topics, or a channel.

Where that is, the group's administrators choose (`bot.telegram.targets`).
"""

from __future__ import annotations

from telegram.error import TelegramError

from bot.domain import Story
from bot.gazette import Digest, Fame
from bot.news_rounds import NewsRounds, NotPosted
from bot.service import StoryService
from bot.telegram.asking import PLATFORM, TelegramBot, send
from bot.telegram.community import story_url
from bot.telegram.live_stories import LiveStories
from bot.telegram.rate_limiter import Clock, Sleep, Urgency
from bot.telegram.targets import place_of
from bot.telegram.view import list_page
from bot.texts import DEFAULT, say


class GazetteDesk:
    """`rounds.run` until cancelled."""

    def __init__(
        self,
        bot: TelegramBot,
        service: StoryService,
        live: LiveStories,
        *,
        clock: Clock,
        sleep: Sleep,
    ) -> None:
        self._bot = bot
        self._service = service
        self._live = live
        self.rounds = NewsRounds(
            service.gazette, PLATFORM, self._digest, self._fame, clock=clock, sleep=sleep
        )

    async def _digest(self, digest: Digest) -> None:
        group = digest.community.platform_id
        locale = digest.language or await self._spoken(digest.stories[0])
        name = self._bot.username
        urls = {
            one.id: await story_url(self._service, one.id, group, name) for one in digest.stories
        }
        title = say(f"digest-title-{digest.period}", locale)
        page = list_page(title, digest.stories, self._service.genres, first=0, urls=urls)
        try:
            await send(self._bot, place_of(digest.channel_id, group), page, Urgency.REPLY)
        except TelegramError as error:
            raise NotPosted(error.message) from error

    async def _fame(self, fame: Fame) -> None:
        place = place_of(fame.channel_id, fame.community.platform_id)
        locale = fame.language or await self._spoken(fame.story)
        if not await self._live.show(fame.story, place, locale):
            raise NotPosted("Telegram refused the message")

    async def _spoken(self, story: Story) -> str:
        """Of a group that has chosen none: the language in which the story was told there."""
        for post in await self._service.posts(story.id):
            if post.platform == PLATFORM:
                return post.locale
        return DEFAULT
