"""A whole house behind a fake Discord: real client, store, queue, worker; a scripted engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

from fakes.discord import TOKEN, FakeDiscord, Interaction, Message, User

from bot.discord.client import DiscordPlatform
from bot.discord.story_desk import StoryDesk
from bot.queue import open_queue
from bot.service import Rules, StoryService
from bot.settings import Settings
from bot.store import StoryStore, open_store
from bot.worker import StoryWriter
from model.genres import DEFAULT_GENRES
from model.scripted_engine import ScriptedEngine


class Gate:
    """Lets an engine write, or holds it after so many tokens."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.allowed: int | None = None

    def hold(self, after_tokens: int = 0) -> None:
        self.allowed = after_tokens
        self._open.clear()

    def open(self) -> None:
        self.allowed = None
        self._open.set()

    async def step(self) -> None:
        await asyncio.sleep(0)
        if self.allowed is None:
            return
        if self.allowed > 0:
            self.allowed -= 1
            return
        await self._open.wait()


class House:
    """One process of the bot: everything but the command line."""

    def __init__(
        self, fake: FakeDiscord, database: Path, engine: ScriptedEngine | None = None
    ) -> None:
        self.fake = fake
        self.database = f"sqlite:///{database}"
        self.gate = Gate()
        self.engine = engine or ScriptedEngine(step=self.gate.step)
        self.service: StoryService
        self.store: StoryStore
        self.platform: DiscordPlatform
        self._stack = AsyncExitStack()

    async def open(
        self,
        desk: dict[str, Any] | None = None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **settings: Any,
    ) -> House:
        """Start, as `bot.house` does, at a test's pace."""
        values = {
            "discord_api_url": self.fake.api_url,
            "discord_gateway_url": self.fake.gateway_url,
        }
        given = Settings(_env_file=None, discord_token=TOKEN, **{**values, **settings})
        pace = {"edit_interval_s": 0.01, **(desk or {})}
        self.store = await self._stack.enter_async_context(open_store(self.database))
        queue = await self._stack.enter_async_context(
            open_queue(given.queue_url, max_waiting=given.queue_max_waiting)
        )
        self._task(self._work(queue))
        rules = Rules.from_settings(given)
        service = StoryService(self.store, queue, DEFAULT_GENRES, rules)
        self.service = await self._stack.enter_async_context(service)
        make_desk = partial(StoryDesk, **pace)
        platform = DiscordPlatform(self.service, given, desk=make_desk, sleep=sleep)
        self.platform = await self._stack.enter_async_context(platform)
        serving = self._task(self.platform.run())
        connected = self._task(self.fake.connected())
        done, _ = await asyncio.wait({serving, connected}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        return self

    async def _work(self, queue: Any) -> None:
        async with self.engine:
            await queue.work(StoryWriter(self.engine, publish_interval_s=0))

    def _task(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._stack.push_async_callback(_stop, task)
        return task

    async def close(self) -> None:
        await self._stack.aclose()


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


class Stage:
    """A server with a channel and two members, and the house that serves them."""

    def __init__(self, fake: FakeDiscord, start: Callable[..., Any]) -> None:
        self.fake = fake
        self.start = start
        self.guild = fake.add_guild()
        self.channel = fake.add_channel(self.guild)
        self.ada: User = fake.add_user("Ada")
        self.bob: User = fake.add_user("Bob")
        self.house: House

    async def ask(self, user: User | None = None, **options: Any) -> Interaction:
        """/story, by Ada unless somebody else is named."""
        options.setdefault("genre", "horror")
        return await self.fake.slash(user or self.ada, self.channel, "story", **options)

    async def write(self, user: User | None = None, **options: Any) -> Message:
        """A finished story's message."""
        return await finished(await self.ask(user, **options))

    async def do(self, command: str, user: User | None = None, **options: Any) -> Message:
        """A command, and its answer's message."""
        answer = await self.fake.slash(user or self.ada, self.channel, command, **options)
        return await answer.message()


def labels(message: Message) -> list[str]:
    """What the buttons say."""
    emoji = [(button.get("emoji") or {}).get("name", "") for button in message.buttons]
    return [
        f"{e} {b.get('label', '')}".strip() for e, b in zip(emoji, message.buttons, strict=True)
    ]


def is_finished(message: Message) -> bool:
    """Whether it is a finished story's last message."""
    return any(button["custom_id"].startswith("vote:") for button in message.buttons)


async def finished(interaction: Interaction) -> Message:
    return await interaction.message(is_finished)


def story_id(message: Message) -> int:
    """The number of the story that a message's buttons are about."""
    return int(message.buttons[0]["custom_id"].split(":")[1])
