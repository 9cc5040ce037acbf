"""Posts what is due in a server's channels: digests, and stories for the hall of fame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import discord

from bot.discord.cards import Card, list_card
from bot.discord.forum import open_forum_post
from bot.discord.rights import Target, require_in
from bot.discord.story_desk import PLATFORM, StoryDesk
from bot.errors import AdultsOnly, BotNeeds, MemberError
from bot.gazette import Digest, Fame
from bot.news_rounds import NewsRounds, NotPosted
from bot.texts import explain, say


class GazetteDesk:
    """`run` until cancelled."""

    def __init__(self, desk: StoryDesk, client: discord.Client) -> None:
        self._desk = desk
        self._client = client
        self.rounds = NewsRounds(desk.service.gazette, PLATFORM, self._digest, self._fame)

    async def run(self) -> None:
        await self._client.wait_until_ready()
        await self.rounds.run()

    @contextmanager
    def _channel_of(self, due: Digest | Fame) -> Iterator[Target]:
        """Where to post; what Discord, or a right that is missing, has against it is why not."""
        channel = self._client.get_channel(int(due.channel_id))
        try:
            if not isinstance(channel, Target):
                raise BotNeeds(permissions=("permission-view_channel",), channel=due.channel_id)
            require_in(channel)
            if due.adults_only and not channel.is_nsfw():
                raise AdultsOnly
            yield channel
        except MemberError as error:
            raise NotPosted(explain(error)) from error
        except (discord.HTTPException, OSError) as error:
            raise NotPosted(str(error)) from error

    async def _digest(self, digest: Digest) -> None:
        with self._channel_of(digest) as channel:
            locale = digest.language or str(channel.guild.preferred_locale)
            card = await self._digest_card(digest, locale)
            if isinstance(channel, discord.ForumChannel):
                title = say(f"digest-title-{digest.period}", locale)
                await open_forum_post(channel, title, card)
                return
            # Sent twice, as after a crash between here and the store, Discord answers with the
            # first.
            nonce = f"d{digest.community.id}-{int(digest.slot)}"
            await channel.send(embed=card.embed(), nonce=nonce)

    async def _digest_card(self, digest: Digest, locale: str) -> Card:
        urls = {}
        for story in digest.stories:
            if post := await self._desk.first_post(story.id):
                urls[story.id] = self._desk.address(post)
        title = say(f"digest-title-{digest.period}", locale)
        return list_card(title, digest.stories, locale, medals=True, urls=urls)

    async def _fame(self, fame: Fame) -> None:
        with self._channel_of(fame) as channel:
            locale = fame.language or str(channel.guild.preferred_locale)
            await self._desk.post(fame.story, channel, locale)
