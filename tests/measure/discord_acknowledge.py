"""Measures how soon the bot acknowledges many Discord commands that come at once.

    python tests/measure/discord_acknowledge.py [--commands 200] [--rounds 5]

The bot is the whole process, `cliffhanger run`, with a model by rule; the fake Discord is this
one, on loopback, and judges no request by the API description, which would take longer than the
bot. Prints seconds from a command's event to its acknowledgement: median, 99th percentile, most;
and how long it took until every story stood finished in its message.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fakes.discord import TOKEN, FakeDiscord, Interaction  # noqa: E402
from fakes.discord_house import is_finished  # noqa: E402

PATIENCE_S = 300.0


async def main(commands: int, rounds: int) -> None:
    async with FakeDiscord() as fake:
        fake.api.spec = None
        fake.api.limits["webhook"] = fake.api.limits["message"] = (100_000, 1.0)
        guild = fake.add_guild()
        channel = fake.add_channel(guild)
        async with running_bot(fake):
            await fake.connected(60.0)
            await fake.until(lambda: fake.commands, "the commands", 60.0)
            print(f"{'commands':>8} {'p50 s':>7} {'p99 s':>7} {'max s':>7} {'all written s':>14}")
            for number in range(rounds):
                users = [fake.add_user(f"Member {number}-{n}") for n in range(commands)]
                begun = time.monotonic()
                asked = [
                    await fake.slash(user, channel, "story", genre="horror", prompt="The lamp")
                    for user in users
                ]
                for one in asked:
                    await one.responded(PATIENCE_S)
                for one in asked:
                    await one.message(is_finished, PATIENCE_S)
                report(asked, time.monotonic() - begun)
        fake.check()


def report(asked: list[Interaction], all_written_s: float) -> None:
    took = [one.acknowledged_after or 0.0 for one in asked]
    p99 = statistics.quantiles(took, n=100)[98]
    print(
        f"{len(took):8} {statistics.median(took):7.3f} {p99:7.3f} {max(took):7.3f} "
        f"{all_written_s:14.1f}"
    )


@asynccontextmanager
async def running_bot(fake: FakeDiscord) -> AsyncIterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "DISCORD_TOKEN": TOKEN,
            "DISCORD_API_URL": fake.api_url,
            "DISCORD_GATEWAY_URL": fake.gateway_url,
            "DATABASE_URL": f"sqlite:///{folder}/stories.db",
            "MODEL": "scripted",
            "QUEUE_MAX_WAITING": "100000",
        }
        command = (sys.executable, "-m", "bot", "run", "--platform", "discord")
        bot = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=os.environ | settings, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            yield
        finally:
            bot.terminate()
            await bot.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commands", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    asyncio.run(main(given.commands, given.rounds))
