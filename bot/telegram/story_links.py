"""Links to stories: `story_12_-1001` opens a group's story in private, for the group's members;
`story_12` one's own, and what a community shares with all.
"""

from __future__ import annotations

import re
from dataclasses import replace

from bot.errors import MemberError
from bot.service import StoryService
from bot.telegram.asking import NOWHERE, Ask
from bot.telegram.community import as_there
from bot.telegram.deep_links import GROUP, STORY, Route
from bot.telegram.live_stories import LiveStories


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
        place = ask.place
        try:
            await self._service.check_may_delete(ask.caller, story.id)
        except MemberError:  # not one's own
            place = replace(place, home=NOWHERE)
        await self._live.show(story, place, ask.caller.locale)

    async def _open_of_group(self, ask: Ask, match: re.Match[str]) -> None:
        """To be read here, and voted on."""
        caller = await as_there(ask.bot, ask.caller, int(match["group"]))
        if caller is None:
            await self._open(ask, match)
            return
        story = await self._service.read(caller, int(match["story"]))
        place = replace(ask.place, home=int(caller.community_id))
        await self._live.show(story, place, caller.locale)
