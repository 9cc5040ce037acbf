"""One person, two real clients, one house: linked on Discord and Telegram, forgotten on both."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route
from fakes.discord import FakeDiscord
from fakes.discord_house import House, Stage, labels
from fakes.telegram import FakeChat, FakeTelegram, FakeUser, FastClock

from bot.telegram.application import TelegramPlatform


@dataclass
class Doors:
    """Ada by both."""

    discord: Stage
    telegram: FakeTelegram
    ada: FakeUser
    chat: FakeChat
    """Hers with the bot on Telegram."""

    async def type(self, text: str, answer: str) -> str:
        """What she types on Telegram, and an answer with these words."""
        asked = await self.telegram.say(self.ada, self.chat, text)
        message = await self.chat.wait_for(lambda m: answer in m.text, after=asked)
        return message.text


@pytest.fixture
async def doors(core_database: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Doors]:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
    clock = FastClock(50.0)
    async with FakeDiscord() as discord, FakeTelegram(clock=clock) as telegram:
        stage = Stage(discord, lambda: None)
        stage.house = await House(discord, core_database).open(daily_quota=3)
        platform = TelegramPlatform(
            stage.house.service, telegram.token, api_url=telegram.url,
            clock=clock, sleep=clock.sleep,
        )  # fmt: skip
        running = asyncio.create_task(platform.run())
        await platform.started.wait()
        ada = telegram.add_user("Ada T.")
        yield Doors(stage, telegram, ada, telegram.private_chat(ada))
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await stage.house.close()
        discord.check()


async def test_one_person_by_both_doors(doors: Doors) -> None:
    stage, telegram, chat = doors.discord, doors.telegram, doors.chat
    message = await stage.write(prompt="The lamp")
    await doors.type("/story drama The bridge", "The bridge")
    told = (await stage.do("link")).text
    code = re.search(r"/link ([0-9A-Z]{4}-[0-9A-Z]{4})", told)
    assert code
    asked = await telegram.say(doors.ada, chat, f"/link {code[1]}")
    question = await chat.wait_for(lambda m: m.has_button("Yes, that is me"), after=asked)
    assert question.text.startswith("Are you Ada on Discord?")
    await telegram.press(doors.ada, question, "Yes, that is me")
    await chat.wait_for(lambda m: "You and Ada on Discord are one person here." in m.text)

    mine = await doors.type("/mine", "Your stories")
    assert "The lamp" in mine and "The bridge" in mine
    await stage.write(prompt="The third")
    await doors.type("/story horror The fourth", "You have asked for 3 stories")
    press = await stage.fake.press(stage.ada, message, "👍")
    await press.message("You can't vote on your own story.")
    await stage.fake.press(stage.bob, message, "👍")
    await stage.fake.until(lambda: labels(message)[0] == "👍 1", "a vote")

    asked = await telegram.say(doors.ada, chat, "/forget")
    question = await chat.wait_for(lambda m: m.has_button("Yes, forget me"), after=asked)
    assert "those of linked accounts too" in question.text
    await telegram.press(doors.ada, question, "Yes, forget me")
    await chat.wait_for(lambda m: m.text.startswith("Done. 3 stories lost their words"))
    answer = await stage.fake.slash(stage.bob, stage.channel, "read", id=1)
    await answer.message("There is no story")
    refused = await stage.fake.slash(stage.ada, stage.channel, "unlink")
    await refused.message("This account is not linked")
