"""A whole session's log, of a process as an operator runs it: what stands in it, and what never."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.telegram import FakeTelegram
from servers.redis import WHY_SKIPPED, RedisServer, is_installed
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bot.store.database import parse_url, writing_engine

PROMPT = "Zanzibar had a quiet lighthouse"
TITLE = "Quetzalcoatl"
RUN = ("run", "--platform", "telegram")


@asynccontextmanager
async def session(folder: Path, *words: str, **settings: str) -> AsyncIterator[Path]:
    """`cliffhanger` with these words, stopped at the end; the file of what it logs."""
    log_file = folder / f"{words[0]}.log"
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *words),
            cwd=folder,
            env=os.environ | {"MODEL": "scripted", "LOG_FORMAT": "json"} | settings,
            stderr=log,
        )
        try:
            yield log_file
            process.terminate()
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def secrets(folder: Path, **values: str) -> dict[str, str]:
    """A folder of secret files, as Docker or systemd makes one; the settings that name it."""
    folder.mkdir()
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n", encoding="utf-8")
    return {"CREDENTIALS_DIRECTORY": str(folder)}


def parsed(log_file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
async def test_a_session_names_its_stories_and_no_secret_and_no_words(
    tmp_path: Path, level: str
) -> None:
    async with FakeTelegram() as fake:
        fake.knows_drafts = False
        api = {"TELEGRAM_TOKEN": fake.token, "TELEGRAM_API_URL": fake.url}
        async with session(tmp_path, *RUN, LOG_LEVEL=level, **api) as log_file:
            ada, bob = fake.add_user("Ada"), fake.add_user("Bob")
            chat = fake.private_chat(ada)
            await fake.say(ada, chat, f'/story horror "{TITLE}" {PROMPT}')
            told = await chat.wait_for(lambda m: m.has_button("👍"), timeout=30)
            await fake.say(ada, chat, f"/story horor {PROMPT}")
            await chat.wait_for(lambda m: "horor" in m.text)
            await fake.say(bob, fake.private_chat(bob), f"/read {PROMPT}")
            await fake.private_chat(bob).wait_for(lambda m: bool(m.text))
    lines = parsed(log_file)
    ours = [line for line in lines if line.get("story") == 1]
    assert {line["logger"] for line in ours if line["level"] == "INFO"} >= {
        "bot.open_stories",
        "bot.worker",
    }
    assert ours[0]["message"] == "story 1 is in line: horror"
    assert ours[-1]["message"] == "story 1 is finished"
    whole = log_file.read_text(encoding="utf-8")
    assert fake.token not in whole
    assert fake.token.split(":")[1] not in whole
    above_debug = json.dumps([line for line in lines if line["level"] != "DEBUG"])
    written = told.text.rsplit(PROMPT, 1)[1].split()
    assert len(written) > 10
    for words in (PROMPT, "Zanzibar", TITLE, " ".join(written[:4]), " ".join(written[-4:])):
        assert words in told.text
        assert words not in above_debug


async def test_a_running_bot_says_that_it_is_ready_and_what_it_did(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    async with FakeTelegram() as fake, httpx.AsyncClient(trust_env=False) as client:
        fake.knows_drafts = False
        api = {"TELEGRAM_TOKEN": fake.token, "TELEGRAM_API_URL": fake.url}
        async with session(tmp_path, *RUN, METRICS_ADDR=address, **api):
            ada = fake.add_user("Ada")
            chat = fake.private_chat(ada)
            await fake.say(ada, chat, f"/story horror {PROMPT}")
            await chat.wait_for(lambda m: m.has_button("👍"), timeout=30)
            ready = await client.get(f"http://{address}/readyz")
            metrics = (await client.get(f"http://{address}/metrics")).text.splitlines()
    assert (ready.status_code, ready.json()) == (
        200,
        {"store": "ok", "queue": "ok", "worker": "ok", "telegram": "ok"},
    )
    for line in (
        'cliffhanger_stories_asked_total{genre="horror"} 1.0',
        'cliffhanger_stories_ended_total{genre="horror",status="finished"} 1.0',
        'cliffhanger_worker_stories_total{outcome="finished"} 1.0',
        'cliffhanger_edits_total{kind="final",outcome="made"} 1.0',
        'cliffhanger_store_call_seconds_count{call="finish_story"} 1.0',
        'cliffhanger_ready{check="telegram"} 1.0',
        "cliffhanger_queue_slots 16.0",
    ):
        assert line in metrics
    assert any('requests_total{platform="telegram",status="200"}' in line for line in metrics)


@pytest.mark.skipif(not is_installed(), reason=WHY_SKIPPED)
async def test_a_story_is_found_by_its_number_in_the_logs_of_bot_and_worker(tmp_path: Path) -> None:
    password = "hush-hush-hush"
    server = RedisServer(tmp_path / "redis", "--requirepass", password).start()
    here, there = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    queue_url = server.url.replace("//", f"//:{password}@")
    try:
        async with FakeTelegram() as fake, httpx.AsyncClient(trust_env=False) as client:
            fake.knows_drafts = False
            of_bot = secrets(tmp_path / "bot", telegram_token=fake.token, queue_url=queue_url)
            of_worker = secrets(tmp_path / "worker", queue_url=queue_url)
            api = {"TELEGRAM_API_URL": fake.url}
            bot = session(tmp_path, *RUN, "--no-worker", METRICS_ADDR=here, **of_bot, **api)
            async with (
                bot as bot_log,
                session(
                    tmp_path, "worker", METRICS_ADDR=there, LOG_LEVEL="DEBUG", **of_worker
                ) as worker_log,
            ):
                ada = fake.add_user("Ada")
                chat = fake.private_chat(ada)
                await fake.say(ada, chat, f"/story horror {PROMPT}")
                await chat.wait_for(lambda m: m.has_button("👍"), timeout=30)
                bot_ready = (await client.get(f"http://{here}/readyz")).json()
                worker_ready = (await client.get(f"http://{there}/readyz")).json()
                metrics = (await client.get(f"http://{there}/metrics")).text
                server.stop()
                away = await client.get(f"http://{there}/readyz", timeout=10)
                server.start()
    finally:
        server.stop()
    assert bot_ready == {"store": "ok", "queue": "ok", "worker": "ok", "telegram": "ok"}
    assert worker_ready == {"queue": "ok", "engine": "ok"}
    assert (away.status_code, away.json()["queue"]) != (200, "ok")
    assert 'cliffhanger_worker_stories_total{outcome="finished"} 1.0' in metrics
    assert 'cliffhanger_worker_info{device="none",dtype="none",model="scripted"' in metrics
    for log_file, logger in ((bot_log, "bot.open_stories"), (worker_log, "bot.worker")):
        assert logger in {line["logger"] for line in parsed(log_file) if line.get("story") == 1}
        whole = log_file.read_text(encoding="utf-8")
        assert password not in whole
        above_debug = [line for line in parsed(log_file) if line["level"] != "DEBUG"]
        assert PROMPT not in json.dumps(above_debug)


async def test_an_error_of_the_database_repeats_no_words(tmp_path: Path) -> None:
    engine = writing_engine(parse_url(f"sqlite:///{tmp_path}/some.db"))
    try:
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE words (word TEXT UNIQUE)"))
        with pytest.raises(IntegrityError) as error:
            async with engine.begin() as connection:
                for _ in range(2):
                    await connection.execute(text("INSERT INTO words VALUES (:a)"), {"a": PROMPT})
    finally:
        await engine.dispose()
    assert PROMPT not in str(error.value)
