"""The Discord client and its life: log in, register, resume, serve, stop.

Asks for no privileged intent. Knows the settings and the service; what commands do is elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Self

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from bot.discord.buttons import BUTTONS
from bot.discord.command_tree import StoryTree
from bot.discord.gazette import GazetteDesk
from bot.discord.held_votes import HELD_ITEMS
from bot.discord.link_commands import LINK_ITEMS
from bot.discord.moderate_panel import MODERATE_FORMS, MODERATE_ITEMS
from bot.discord.pressable import submit
from bot.discord.requests import counted_requests
from bot.discord.settings_panel import SETTINGS_FORMS, SETTINGS_ITEMS
from bot.discord.sharing import SHARING_ITEMS
from bot.discord.story_desk import StoryDesk
from bot.discord.story_form import STORY_FORMS, STORY_ITEMS
from bot.discord.together import TOGETHER_FORMS, TOGETHER_ITEMS
from bot.discord.top_list import TOP_ITEMS
from bot.errors import PlatformError, SettingsError
from bot.service import StoryService
from bot.settings import Settings

log = logging.getLogger(__name__)

_ITEMS = (
    *BUTTONS,
    *SETTINGS_ITEMS,
    *MODERATE_ITEMS,
    *SHARING_ITEMS,
    *STORY_ITEMS,
    *TOP_ITEMS,
    *LINK_ITEMS,
    *HELD_ITEMS,
    *TOGETHER_ITEMS,
)
_FORMS = SETTINGS_FORMS | MODERATE_FORMS | STORY_FORMS | TOGETHER_FORMS
MAX_PAUSE_S = 60.0
"""Longest pause between two attempts to reach Discord at the start."""
_UNREACHABLE = (discord.GatewayNotFound, discord.DiscordServerError, aiohttp.ClientError, OSError)


class _InASentence(logging.Filter):
    """discord.py logs a lost connection with its traceback, at each of its attempts."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, (OSError, aiohttp.ClientError, asyncio.TimeoutError)):
            record.msg = f"{record.getMessage()} ({type(error).__name__}: {error})"
            record.args = record.exc_info = None
        return True


_in_a_sentence = _InASentence()


class DiscordBot(discord.AutoShardedClient):
    """One client for every server, or for those of some shards. Open with `async with`, then
    `start`."""

    def __init__(
        self,
        service: StoryService,
        *,
        gateway_url: str | None = None,
        shard_ids: list[int] | None = None,
        shard_count: int | None = None,
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
            http_trace=counted_requests(),
            shard_ids=shard_ids,  # type: ignore[arg-type]  # None is discord.py's own default
            shard_count=shard_count,
        )
        self.service = service
        self.desk = desk(service, self)
        self.gazette = GazetteDesk(self.desk, self)
        self.tree = StoryTree(self)
        self._gateway_url = yarl.URL(gateway_url) if gateway_url else None

    async def setup_hook(self) -> None:
        """After the login, before the first event."""
        self.add_dynamic_items(*_ITEMS)
        await self.tree.sync_if_changed(self.service)
        await self.desk.resume()
        self.desk.start(self.gazette.run())

    async def launch_shard(
        self, gateway: yarl.URL, shard_id: int, *, initial: bool = False
    ) -> None:
        """Connect a shard, to the operator's gateway where one is set."""
        await super().launch_shard(self._gateway_url or gateway, shard_id, initial=initial)

    async def on_ready(self) -> None:
        log.info("Discord: serving %d servers as %s", len(self.guilds), self.user)

    async def on_interaction(self, interaction: discord.Interaction[DiscordBot]) -> None:
        if interaction.type is discord.InteractionType.modal_submit:
            await submit(interaction, _FORMS)

    async def on_error(self, event_method: str, /, *args: object, **kwargs: object) -> None:
        log.exception("Discord: the event %s failed", event_method)

    async def close(self) -> None:
        await self.desk.close()
        await super().close()


class DiscordPlatform:
    """Discord as a door of the house: `run` serves, and `async with` around it closes.

    Raises SettingsError without a token. `desk` makes the desk, for another pace than the usual,
    and `sleep` pauses where Discord is not to be reached.
    """

    def __init__(
        self,
        service: StoryService,
        settings: Settings,
        *,
        desk: Callable[[StoryService, discord.Client], StoryDesk] = StoryDesk,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if settings.discord_token is None:
            raise SettingsError("DISCORD_TOKEN is not set: see .env.example")
        self._token = settings.discord_token.get_secret_value().strip()
        if settings.discord_api_url:
            Route.BASE = settings.discord_api_url.rstrip("/")
        if settings.discord_gateway_url:
            DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.discord_gateway_url)
        for name in ("discord.shard", "discord.client"):
            logging.getLogger(name).addFilter(_in_a_sentence)  # the same one is added once
        self._make_bot = partial(
            DiscordBot,
            service,
            gateway_url=settings.discord_gateway_url,
            shard_ids=sorted(settings.shards) or None,
            shard_count=settings.shard_count,
            desk=desk,
        )
        self._sleep = sleep
        self._begun = False
        self.bot = self._make_bot()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._begun:  # discord.py cannot close a client that never began to log in
            await self.bot.close()

    def is_connected(self) -> bool:
        """Whether every shard hears Discord now."""
        shards = self.bot.shards.values()
        return self.bot.is_ready() and not any(shard.is_closed() for shard in shards)

    async def run(self) -> None:
        """Serve until cancelled. Waits where Discord is not to be reached, and takes lost
        connections up again. Raises PlatformError where Discord refuses the bot."""
        with _operator_errors():
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(_UNREACHABLE),
                wait=wait_exponential(max=MAX_PAUSE_S),
                before_sleep=_say_unreachable,
                sleep=self._sleep,
            ):
                with attempt:
                    await self._log_in()
            await self.bot.connect()

    async def _log_in(self) -> None:
        if self._begun:  # nor log in again with one that has begun
            await self.bot.close()
            self.bot = self._make_bot()
        self._begun = True
        await self.bot.login(self._token)


def _say_unreachable(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    pause_s = state.next_action.sleep if state.next_action else 0.0
    log.warning(
        "Discord cannot be reached at %s: %s. Trying again in %.0f s. If it stays so, check the "
        "network, and DISCORD_API_URL and DISCORD_GATEWAY_URL where they are set.",
        Route.BASE,
        error,
        pause_s,
    )


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
    except discord.HTTPException as error:
        raise PlatformError(f"Discord refused the bot's start: {error}") from error
    except discord.ConnectionClosed as error:
        raise PlatformError(f"Discord closed the bot's connection for good: {error}") from error
