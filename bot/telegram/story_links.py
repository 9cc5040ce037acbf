"""Links to stories: `story_12_-1001` opens a group's story in private, for the group's members;
`story_12` one's own, and what a community shares with all.
"""

from __future__ import annotations

import re

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.service import StoryService
from bot.telegram.asking import Ask
from bot.telegram.community import address_of, as_there
from bot.telegram.deep_links import GROUP, STORY, Route
from bot.telegram.live_stories import LiveStories
from bot.texts import say


class StoryLinks:
    """What following such a link shows."""

    def __init__(self, service: StoryService, live: LiveStories) -> None:
        self._service = service
        self._live = live
        self.links: tuple[Route[Ask], ...] = (
            (re.compile(rf"story_{STORY}"), self._open),
            (re.compile(rf"story_{STORY}_{GROUP}"), self._open_of_group),
        )

    async def _open(self, ask: Ask, match: re.Match[str]) -> None:
        story = await self._service.read(ask.caller, int(match["story"]))
        await self._live.show(story, ask.place, ask.caller.locale)

    async def _open_of_group(self, ask: Ask, match: re.Match[str]) -> None:
        """To be read here; voted on where it was told."""
        caller = await as_there(ask.bot, ask.caller, int(match["group"]))
        if caller is None:
            await self._open(ask, match)
            return
        story, locale = await self._service.read(caller, int(match["story"])), caller.locale
        keyboard = None
        if url := await address_of(self._service, story.id, caller.community_id):
            way = InlineKeyboardButton(say("telegram-button-to-group", locale), url=url)
            keyboard = InlineKeyboardMarkup([[way]])
        await self._live.show(story, ask.place, locale, keyboard=keyboard)
