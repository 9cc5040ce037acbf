"""A fake Discord and a whole house behind it, for each test."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from discord.gateway import DiscordWebSocket
from discord.http import Route
from fakes.discord import FakeDiscord
from fakes.discord_house import House, Stage

from bot.store import upgrade
from model.scripted_engine import ScriptedEngine


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeDiscord]:
    """A Discord that is misused nowhere in the test."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
    async with FakeDiscord() as served:
        served.api.limits["webhook"] = served.api.limits["message"] = (1_000, 1.0)
        yield served
        served.check()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the newest schema, to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("discord") / "empty.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture
async def stage(fake: FakeDiscord, tmp_path: Path, migrated: Path) -> AsyncIterator[Stage]:
    """Call `await stage.start(...)` for another house on the same database; one is running."""
    houses: list[House] = []
    shutil.copy(migrated, tmp_path / "test.db")

    async def start(engine: ScriptedEngine | None = None, **how: Any) -> House:
        for running in houses:
            await running.close()
        houses[:] = [House(fake, tmp_path / "test.db", engine)]
        stage.house = houses[0]
        return await houses[0].open(**how)

    stage = Stage(fake, start)
    await start()
    yield stage
    for house in houses:
        await house.close()
