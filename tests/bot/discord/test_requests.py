"""Discord's answers are counted, also those that discord.py deals with by itself."""

from __future__ import annotations

from fakes.counts import Counts
from fakes.discord_house import Stage, is_finished


async def test_a_429_that_discord_py_waits_out_is_counted(stage: Stage) -> None:
    counts = Counts()
    stage.fake.fail_next("PATCH", "@original", 429, times=3)
    answer = await stage.ask()
    message = await answer.message()
    await stage.fake.until(lambda: is_finished(message), "the end of the story")
    assert counts("platform_requests_total", platform="discord", status="429") == 3
    assert counts("platform_requests_total", platform="discord", status="200") > 0


async def test_it_is_connected_while_it_hears_discord(stage: Stage) -> None:
    platform = stage.house.platform
    await stage.fake.until(platform.is_connected, "the bot hears Discord")
    await platform.bot.shards[0].disconnect()
    assert not platform.is_connected()
