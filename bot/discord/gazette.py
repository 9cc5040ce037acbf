"""Posts what is due in a server's channels: digests, and stories for the hall of fame.

Looks once a minute. Where a channel cannot be posted in, the log says what is missing, and it is
tried again in an hour.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import discord

from bot.discord.cards import Card, list_card
from bot.discord.forum import open_forum_post
from bot.discord.rights import Target, require_in
from bot.discord.story_desk import PLATFORM, StoryDesk
from bot.errors import AdultsOnly, BotNeeds, MemberError
from bot.gazette import Digest, Fame
from bot.texts import explain, say

log = logging.getLogger(__name__)

_Post: TypeAlias = Callable[[Target], Awaitable[None]]
INTERVAL_S = 60.0
REST_S = 3_600.0


class GazetteDesk:
    """`run` until cancelled."""

    def __init__(
        self, desk: StoryDesk, client: discord.Client, *, interval_s: float = INTERVAL_S
    ) -> None:
        self._desk = desk
        self._client = client
        self._interval_s = interval_s
        self._resting: dict[str, float] = {}
        """Channels that refused, and until when (monotonic s) they are left in peace."""

    async def run(self) -> None:
        await self._client.wait_until_ready()
        while True:
            try:
                await self.post_what_is_due()
            except MemberError as error:
                log.warning("digests and the hall of fame wait: %s", error)
            except Exception:
                log.exception("digests and the hall of fame failed; they go on in a minute")
            await asyncio.sleep(self._interval_s)

    async def post_what_is_due(self) -> None:
        gazette = self._desk.service.gazette
        for digest in await gazette.due_digests(PLATFORM):
            if await self._try(digest, partial(self._digest, digest)):
                await gazette.digest_posted(digest)
        for fame in await gazette.claim_fame(PLATFORM):
            if not await self._try(fame, partial(self._fame, fame)):
                await gazette.release_fame(fame)

    async def _try(self, due: Digest | Fame, post: _Post) -> bool:
        """Whether it was posted."""
        channel_id = due.channel_id
        if self._resting.get(channel_id, 0.0) > time.monotonic():
            return False
        channel = self._client.get_channel(int(channel_id))
        try:
            if not isinstance(channel, Target):
                raise BotNeeds(permissions=("permission-view_channel",), channel=channel_id)
            require_in(channel)
            if due.adults_only and not channel.is_nsfw():
                raise AdultsOnly
            await post(channel)
        except (MemberError, discord.HTTPException, OSError) as error:
            why = explain(error) if isinstance(error, MemberError) else str(error)
            log.warning("channel %s of Discord could not be posted in: %s", channel_id, why)
            self._resting[channel_id] = time.monotonic() + REST_S
            return False
        return True

    async def _digest(self, digest: Digest, channel: Target) -> None:
        locale = digest.language or str(channel.guild.preferred_locale)
        card = await self._digest_card(digest, locale)
        if isinstance(channel, discord.ForumChannel):
            title = say(f"digest-title-{digest.period}", locale)
            await open_forum_post(channel, title, card)
            return
        # Sent twice, as after a crash between here and the store, Discord answers with the first.
        nonce = f"d{digest.community.id}-{int(digest.slot)}"
        await channel.send(embed=card.embed(), nonce=nonce)

    async def _digest_card(self, digest: Digest, locale: str) -> Card:
        urls = {}
        for story in digest.stories:
            if post := await self._desk.first_post(story.id):
                urls[story.id] = self._desk.address(post)
        title = say(f"digest-title-{digest.period}", locale)
        return list_card(title, digest.stories, locale, medals=True, urls=urls)

    async def _fame(self, fame: Fame, channel: Target) -> None:
        locale = fame.language or str(channel.guild.preferred_locale)
        await self._desk.post(fame.story, channel, locale)
