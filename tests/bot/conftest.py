"""The bot's core for the tests beside this file; the platforms' folders bring their own houses."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from fakes.core import Core

from bot.store import upgrade

MakeCore = Callable[..., Awaitable[Core]]


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with the newest schema, to be copied: migrating takes a while."""
    path = tmp_path_factory.mktemp("migrated") / "stories.db"
    asyncio.run(upgrade(f"sqlite:///{path}"))
    return path


@pytest.fixture
def core_database(migrated_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated_database, tmp_path / "stories.db"))


@pytest.fixture
async def make_core(core_database: Path) -> AsyncIterator[MakeCore]:
    """Start a `Core` on this test's database; `worker=False` leaves its worker out."""
    async with AsyncExitStack() as stack:

        async def make(*, worker: bool = True, **options: Any) -> Core:
            core = Core(core_database, **options)
            stack.push_async_callback(core.stop)
            return await core.start(worker=worker)

        yield make


@pytest.fixture
async def core(make_core: MakeCore) -> Core:
    """A `Core` with default rules and one slot, its worker at work."""
    return await make_core()
