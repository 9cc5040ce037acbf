"""Two processes share Discord's servers by SHARD_IDS: each server hears from one of them."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

from fakes.discord import FakeDiscord
from fakes.discord_house import House, finished


async def test_each_process_serves_the_servers_of_its_shards(
    fake: FakeDiscord, tmp_path: Path, migrated: Path
) -> None:
    shutil.copy(migrated, tmp_path / "test.db")
    fake.world.shards = 2
    guilds = [fake.add_guild() for _ in range(4)]
    for n, guild in enumerate(guilds):
        guild.id = (n + 2) << 22
    channels = [fake.add_channel(guild) for guild in guilds]
    ada = fake.add_user("Ada")
    houses = [House(fake, tmp_path / "test.db") for _ in range(2)]
    async with AsyncExitStack() as stack:
        for house in houses:
            stack.push_async_callback(house.close)
        await asyncio.gather(
            *(house.open(shard_ids=str(n), shard_count=2) for n, house in enumerate(houses))
        )
        for house in houses:
            await house.platform.bot.wait_until_ready()
        served = [{guild.id for guild in house.platform.bot.guilds} for house in houses]
        assert served == [{guilds[0].id, guilds[2].id}, {guilds[1].id, guilds[3].id}]
        for channel in channels:
            await finished(await fake.slash(ada, channel, "story", genre="horror"))
