"""A loopback Discord: HTTP API v10 and gateway in one aiohttp server, for the real discord.py.

    async with FakeDiscord() as fake:
        ...start a bot with fake.token, fake.api_url and fake.gateway_url...
        await fake.connected()
        guild = fake.add_guild()
        channel, user = fake.add_channel(guild), fake.add_user("Ada")
        answer = await fake.slash(user, channel, "story", genre="horror")
        message = await answer.message("Once upon")
        fake.check()

`violations` collects everything a bot did that Discord forbids or that our rules do; `check()`
raises on them. What is here is what our bot uses; see discord_http.py for the routes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Self

from aiohttp import web
from fakes.discord_gateway import Gateway
from fakes.discord_http import PREFIX, Fault, HttpApi
from fakes.discord_members import (
    check_offered,
    command_data,
    menu_data,
    modal_data,
    payload,
    press_data,
    select_data,
)
from fakes.discord_routes import Call, Routes
from fakes.discord_state import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    DM,
    GROUP_DM,
    GUILD_TEXT,
    MEMBER_PERMISSIONS,
    MODAL,
    Changes,
    Channel,
    Guild,
    Interaction,
    Message,
    Role,
    User,
)
from fakes.openapi import discord_spec

__all__ = ["TOKEN", "Channel", "FakeDiscord", "Guild", "Interaction", "Message", "User"]

TOKEN = "fake-token-of-the-loopback-discord"
_429 = {"message": "You are being rate limited.", "retry_after": 0.1, "global": False}


class FakeDiscord:
    """The server, what it knows, and the hands of its members."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.violations: list[str] = []
        self.changes = Changes()
        self.bot = User("Cliffhanger", bot=True)
        self.application_id = self.bot.id
        self.guilds: list[Guild] = []
        self.spec = discord_spec()
        self.world = Routes(self.bot, self.application_id, self.violations)
        self.api = HttpApi(token, self.world, self.changes, self.spec)
        self.gateway = Gateway(
            token, self.changes, self.violations, self._ready, self._guilds_of_shard
        )
        self.api_url = ""
        self.gateway_url = ""
        self._clock_offset = 0.0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get("/gateway/", self.gateway.serve)
        app.router.add_route("*", "/{path:.*}", self.api.serve)
        self._runner = web.AppRunner(app, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1_024)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.api_url = f"http://{host}:{port}{PREFIX}"
        self.gateway_url = self.gateway.url = self.world.gateway_url = f"ws://{host}:{port}/gateway"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.gateway.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    # Time and judgement

    def clock(self) -> float:
        """Seconds; moves with the real clock, and by `advance`."""
        return time.monotonic() + self._clock_offset

    def advance(self, seconds: float) -> None:
        """Let that much time pass for tokens and deadlines."""
        self._clock_offset += seconds

    def check(self) -> None:
        """Raise AssertionError on any violation, or on an interaction left without an answer."""
        silent = [i.data for i in self.world.interactions.values() if i.acknowledged_after is None]
        found = self.violations + [f"never acknowledged: {data}" for data in silent]
        assert not found, "Discord was misused:\n" + "\n".join(found)

    async def until(
        self, reached: Callable[[], Any], what: str = "it happened", timeout: float = 10.0
    ) -> Any:
        """Wait until `reached()` is truthy; looked at after every request and event."""
        return await self.changes.until(reached, timeout, what)

    # The bot, seen from outside

    @property
    def calls(self) -> list[Call]:
        return self.api.calls

    @property
    def commands(self) -> list[dict[str, Any]]:
        """The commands as last registered."""
        return self.world.commands

    def calls_to(self, method: str, path: str) -> list[Call]:
        """Requests whose path matches the regular expression `path`."""
        wanted = re.compile(path)
        return [c for c in self.calls if c.method == method and wanted.search(c.path)]

    async def connected(self, timeout: float = 15.0) -> None:
        """Wait until every shard has a live session."""
        await self.until(
            lambda: len(self.gateway.live) == self.world.shards, "a gateway session", timeout
        )

    def _ready(self, shard: tuple[int, int]) -> dict[str, Any]:
        guilds = [{"id": g["id"], "unavailable": True} for g in self._guilds_of_shard(shard)]
        application = {"id": str(self.application_id), "flags": 0}
        me = self.bot.json() | {"mfa_enabled": True, "verified": True}
        return {"v": 10, "user": me, "guilds": guilds, "application": application}

    def _guilds_of_shard(self, shard: tuple[int, int]) -> list[dict[str, Any]]:
        here = [g for g in self.guilds if g.installed and (g.id >> 22) % shard[1] == shard[0]]
        return [guild.json(self.bot) for guild in here]

    # The world

    def add_user(self, name: str, *, permissions: int = MEMBER_PERMISSIONS) -> User:
        return User(name, permissions=permissions)

    def add_guild(self, name: str = "Story Club", *, installed: bool = True) -> Guild:
        """A server; without `installed`, only user-installed commands work there."""
        guild = Guild(name, installed=installed)
        self.guilds.append(guild)
        return guild

    def add_channel(
        self,
        guild: Guild,
        name: str = "stories",
        *,
        kind: int = GUILD_TEXT,
        nsfw: bool = False,
        parent: Channel | None = None,
        denied: int = 0,
    ) -> Channel:
        """A channel, known to a bot that connects after this; a thread or one in a category has
        a `parent`."""
        access = guild.installed
        channel = Channel(name, guild, kind, nsfw=nsfw, bot_access=access, parent=parent)
        channel.denied = denied
        guild.channels.append(channel)
        self.world.channels[channel.id] = channel
        return channel

    def add_role(self, guild: Guild, name: str, *users: User) -> Role:
        """A role, known to a bot that connects after this, and who has it."""
        role = Role(name)
        guild.roles.append(role)
        for user in users:
            user.roles.append(role)
        return role

    def add_dm(self, user: User) -> Channel:
        """The private chat between `user` and the bot."""
        return self._private(Channel(kind=DM, recipients=[user]))

    def add_group(self, *users: User) -> Channel:
        """A private group where the bot is present only as somebody's installed app."""
        return self._private(Channel(kind=GROUP_DM, recipients=list(users), bot_access=False))

    def _private(self, channel: Channel) -> Channel:
        self.world.channels[channel.id] = channel
        return channel

    def post(self, user: User, channel: Channel, content: str) -> Message:
        """A member's own message."""
        message = Message(channel, user, self.application_id, content=content)
        self.world.messages[message.id] = message
        return message

    def messages(self, channel: Channel) -> list[Message]:
        """The bot's visible messages in a channel, oldest first."""
        every = self.world.messages.values()
        return [m for m in every if m.channel is channel and m.author is self.bot and not m.deleted]

    def delete_message(self, message: Message) -> None:
        """As a moderator would."""
        message.deleted = True

    def delete_channel(self, channel: Channel) -> None:
        channel.gone = True

    # What members do

    async def slash(
        self, user: User, channel: Channel, command: str, /, locale: str = "en-US", **options: Any
    ) -> Interaction:
        """Send a slash command that is offered to this member."""
        check_offered(self.commands, command, user)
        return await self.slash_unasked(user, channel, command, locale=locale, **options)

    async def slash_unasked(
        self, user: User, channel: Channel, command: str, /, locale: str = "en-US", **options: Any
    ) -> Interaction:
        """Send a slash command to which the server's own settings gave this member access."""
        data = command_data(self.commands, channel, command, options)
        return await self._act(COMMAND, user, channel, data, locale=locale)

    async def message_menu(self, user: User, message: Message, name: str) -> Interaction:
        """Choose a command from a message's context menu."""
        data = menu_data(self.commands, message, name)
        return await self._act(COMMAND, user, message.channel, data)

    async def autocomplete(
        self, user: User, channel: Channel, command: str, option: str, typed: str, **others: Any
    ) -> list[dict[str, Any]]:
        """Type into an option; the choices that are offered."""
        values = {**others, option: typed}
        data = command_data(self.commands, channel, command, values, focused=option)
        asked = await self._act(AUTOCOMPLETE, user, channel, data)
        return (await asked.responded()).choices or []

    async def press(
        self, user: User, message: Message, which: str, locale: str = "en-US"
    ) -> Interaction:
        """Press the button with this custom_id, emoji or label."""
        data = press_data(message, user, which)
        return await self._act(COMPONENT, user, message.channel, data, message, locale)

    async def select(
        self, user: User, message: Message, custom_id: str, *values: str
    ) -> Interaction:
        """Choose from a select menu."""
        data = select_data(message, user, custom_id, list(values))
        return await self._act(COMPONENT, user, message.channel, data, message)

    async def modal_submit(self, shown: Interaction, **values: str) -> Interaction:
        """Fill in and send the modal that `shown` was answered with."""
        data = modal_data(shown, values)
        return await self._act(MODAL, shown.user, shown.channel, data, shown.pressed)

    async def _act(
        self,
        kind: int,
        user: User,
        channel: Channel,
        data: dict[str, Any],
        pressed: Message | None = None,
        locale: str = "en-US",
    ) -> Interaction:
        made = Interaction(kind, user, channel, data, self.changes, self.clock, locale, pressed)
        self.world.interactions[made.id] = made
        await self.redeliver(made)
        return made

    async def redeliver(self, interaction: Interaction) -> None:
        """Send an interaction's event (again)."""
        guild = interaction.channel.guild
        shard_by = guild.id if guild is not None and guild.installed else None
        body = payload(interaction, self.application_id)
        await self.gateway.dispatch("INTERACTION_CREATE", body, shard_by)

    # Trouble

    def fail_next(
        self,
        method: str,
        path: str,
        status: int,
        body: Any = None,
        headers: dict[str, str] | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next `times` requests whose path matches with `status`."""
        if body is None:
            body = _429 if status == 429 else {"code": 0, "message": f"{status}: ordered by a test"}
        fault = Fault(method, re.compile(path), times, status, body, headers or {})
        self.api.faults.append(fault)

    def delay(self, method: str, path: str, seconds: float, times: int = 1) -> None:
        """Hold the next `times` requests whose path matches back."""
        self.api.faults.append(Fault(method, re.compile(path), times, delay_s=seconds))

    def expire_token(self, interaction: Interaction) -> None:
        """As if its 15 minutes were over."""
        interaction.expired = True

    async def drop_gateway(self, code: int = 1006) -> None:
        """Close the gateway connections."""
        await self.gateway.drop(4000 if code == 1006 else code)

    async def kick(self, guild: Guild) -> None:
        """The bot is removed from a server."""
        guild.installed = False
        for channel in guild.channels:
            channel.bot_access = False
        await self.gateway.dispatch("GUILD_DELETE", {"id": str(guild.id)}, guild.id)
