"""The bot as an operator runs it: a process of its own, the real default model, a real client.

Only Telegram's side is a fake. What is proven here is what no part can prove alone: that a
process killed at any moment has lost nothing it acknowledged.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from fakes.telegram import FakeTelegram

from model.engine import ModelNotFound
from model.registry import pull_default

pytestmark = [pytest.mark.model, pytest.mark.timeout(240)]

N_STORIES = 11
N_TOKENS = 120
"""Long enough for a member, and for a killer, to see a story grow."""


@pytest.fixture(scope="module", autouse=True)
def default_model() -> None:
    try:
        pull_default()
    except ModelNotFound as error:
        pytest.skip(str(error))


@asynccontextmanager
async def bot(folder: Path, fake: FakeTelegram) -> AsyncIterator[Process]:
    """A running bot that writes one story at a time; killed, if need be, at the end."""
    settings = {
        "MODEL": "default",
        "TELEGRAM_TOKEN": fake.token,
        "TELEGRAM_API_URL": fake.url,
        "SLOTS": "1",
        "LENGTH_MEDIUM": str(N_TOKENS),
        "MIN_NEW_TOKENS": str(N_TOKENS),
    }
    command = (sys.executable, "-m", "bot", "run", "--platform", "telegram")
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=os.environ | settings)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_kill9_with_ten_queued_and_one_being_written_loses_nothing(tmp_path: Path) -> None:
    async with FakeTelegram() as fake:
        fake.knows_drafts = False  # a story grows in the one message that stays
        chats = []
        async with bot(tmp_path, fake) as first:
            for n in range(N_STORIES):
                member = fake.add_user(f"Member {n}")
                chats.append(fake.private_chat(member))
                await fake.say(member, chats[n], f"/story horror Lighthouse number {n}")
            messages = [
                await chat.wait_for(lambda m: m.has_button("Cancel"), timeout=60) for chat in chats
            ]
            await fake.wait_until(lambda: any("▍" in m.text for m in messages), timeout=60)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        finished_before = [m for m in messages if m.has_button("👍")]
        assert len(finished_before) <= N_STORIES - 10, "ten were still waiting"

        async with bot(tmp_path, fake) as second:
            for chat, message in zip(chats, messages, strict=True):
                assert await chat.wait_for(lambda m: m.has_button("👍"), timeout=120) is message
            second.send_signal(signal.SIGTERM)
            assert await second.wait() == 0

    for n, message in enumerate(messages):
        assert f"Lighthouse number {n}" in message.text
    with closing(sqlite3.connect(tmp_path / "cliffhanger.db")) as database:
        rows = database.execute("SELECT status, text, n_tokens FROM stories ORDER BY id").fetchall()
    assert [status for status, _, _ in rows] == ["finished"] * N_STORIES
    assert all(text and n_tokens == N_TOKENS for _, text, n_tokens in rows)
