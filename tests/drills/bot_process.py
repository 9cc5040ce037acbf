"""A bot to be killed: asks for stories, says "begun" when each is being written, and waits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from fakes.core import Core, caller


async def main(database: Path, queue_url: str, n: int) -> None:
    async with Core(database, queue_url=queue_url) as core:
        await core.stop_worker()
        stories = [
            await core.service.write(caller(f"house{k}"), "horror", f"A house{k}") for k in range(n)
        ]
        for story in stories:
            await core.begun(story.id, "-2")
        print("begun", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
