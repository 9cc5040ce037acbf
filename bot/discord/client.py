"""The Discord client and its life: log in, register, resume, serve, stop.

Asks for no privileged intent. Knows the settings and the service; what commands do is elsewhere.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Self

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.discord.buttons import BUTTONS
from bot.discord.command_tree import StoryTree
from bot.discord.story_desk import StoryDesk
from bot.errors import PlatformError, SettingsError
from bot.service import StoryService
from bot.settings import Settings

log = logging.getLogger(__name__)


class DiscordBot(discord.AutoShardedClient):
    """One client for every server. Open with `async with`, then `start`."""

    def __init__(
        self,
        service: StoryService,
        *,
        gateway_url: str | None = None,
        desk: Callable[[StoryService, discord.Client], StoryDesk] = StoryDesk,
    ) -> None:
        # Nobody needs to hear at every start that the libraries for voice are absent.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            max_messages=None,
        )
        self.service = service
        self.desk = desk(service, self)
        self.tree = StoryTree(self)
        self._gateway_url = yarl.URL(gateway_url) if gateway_url else None

    async def setup_hook(self) -> None:
        """After the login, before the first event."""
        self.add_dynamic_items(*BUTTONS)
        await self.tree.sync_if_changed(self.service)
        await self.desk.resume()

    async def launch_shard(
        self, gateway: yarl.URL, shard_id: int, *, initial: bool = False
    ) -> None:
        """Connect a shard, to the operator's gateway where one is set."""
        await super().launch_shard(self._gateway_url or gateway, shard_id, initial=initial)

    async def on_ready(self) -> None:
        log.info("Discord: serving %d servers as %s", len(self.guilds), self.user)

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        log.exception("Discord: the event %s failed", event_method)

    async def close(self) -> None:
        await self.desk.close()
        await super().close()


class DiscordPlatform:
    """Discord as a door of the house: `async with` logs in and registers, `run` serves.

    Raises SettingsError without a token, and PlatformError where Discord refuses the bot or is
    not to be reached. `desk` makes the desk, for another pace than the usual.
    """

    def __init__(
        self,
        service: StoryService,
        settings: Settings,
        *,
        desk: Callable[[StoryService, discord.Client], StoryDesk] = StoryDesk,
    ) -> None:
        if settings.discord_token is None:
            raise SettingsError("DISCORD_TOKEN is not set: see .env.example")
        self._token = settings.discord_token.get_secret_value().strip()
        if settings.discord_api_url:
            Route.BASE = settings.discord_api_url.rstrip("/")
        if settings.discord_gateway_url:
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)
        self.bot = DiscordBot(service, gateway_url=settings.discord_gateway_url, desk=desk)

    async def __aenter__(self) -> Self:
        try:
            with _operator_errors():
                await self.bot.login(self._token)
        except BaseException:
            await self.bot.close()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.bot.close()

    async def run(self) -> None:
        """Serve until cancelled; lost connections are taken up again."""
        with _operator_errors():
            await self.bot.connect()


@contextlib.contextmanager
def _operator_errors() -> Iterator[None]:
    """discord.py's errors in words for whoever runs the bot."""
    try:
        yield
    except discord.LoginFailure:
        raise PlatformError(
            "Discord refused DISCORD_TOKEN. Copy the bot's token again from "
            "https://discord.com/developers/applications (Bot, Reset Token)."
        ) from None
    except discord.PrivilegedIntentsRequired as error:
        raise PlatformError(f"Discord refused the bot's intents: {error}") from error
    except (discord.GatewayNotFound, discord.DiscordServerError, aiohttp.ClientError) as error:
        raise PlatformError(
            f"Discord cannot be reached at {Route.BASE}: {error}. Check the network, or "
            "DISCORD_API_URL and DISCORD_GATEWAY_URL where they are set."
        ) from error
    except discord.HTTPException as error:
        raise PlatformError(f"Discord refused the bot's start: {error}") from error
    except discord.ConnectionClosed as error:
        raise PlatformError(f"Discord closed the bot's connection for good: {error}") from error
