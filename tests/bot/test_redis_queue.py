"""The queue over Redis beyond the contract: connections, bad messages, several bots.

What happens to it when things break is drilled in tests/drills.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import shutil
import subprocess
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes.core import PATIENCE_S, eventually
from fakes.queue_at_work import last_of, working
from redis import Redis
from saq.job import Status
from saq.queue.redis import RedisQueue as Saq
from servers.redis import WHY_SKIPPED, RedisServer, is_installed

from bot.errors import OperatorError, SettingsError
from bot.queue import Job, JobUpdate, open_queue, pulse
from bot.queue.pulse import LOOK_S
from bot.queue.wire import Announcement, Report, decode, encode
from model.engine import EngineInfo, GenerationRequest

INFO = EngineInfo("pen", "1", None, 0, 100, "hand", "ink", True)


@pytest.fixture(autouse=True)
def redis_server() -> None:
    if not is_installed():
        pytest.skip(WHY_SKIPPED)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not is_installed():
        pytest.skip(WHY_SKIPPED)
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def model() -> str:
    """Tests share the server, and not what is in it."""
    return secrets.token_hex(4)


@dataclass
class Quill:
    """A writer of stories that each end when the test says so."""

    slots: int = 1
    info: EngineInfo = INFO
    taken: list[int] = field(default_factory=list)
    ends: dict[int, asyncio.Event] = field(default_factory=dict)

    async def write(self, job: Job) -> AsyncGenerator[JobUpdate, None]:
        self.taken.append(job.story_id)
        yield JobUpdate(job.story_id, job.attempt, "writing")
        await self.ends.setdefault(job.story_id, asyncio.Event()).wait()
        yield JobUpdate(
            job.story_id, job.attempt, "finished", completion="x", finish_reason="stop", engine=INFO
        )

    def end(self, story_id: int) -> None:
        self.ends.setdefault(story_id, asyncio.Event()).set()


def job(story_id: int, member: str = "ada", prompt: str = "A house") -> Job:
    return Job(story_id, 1, member, GenerationRequest("horror", prompt))


# -- connections -----------------------------------------------------------------------------------
async def writes_one(url: str) -> None:
    quill = Quill()
    async with open_queue(url) as queue, working(queue, quill):
        await queue.submit(job(1))
        quill.end(1)
        assert (await last_of(queue, 1)).event == "finished"


async def test_a_password_is_used_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--requirepass", "sesame") as server:
        address = f"127.0.0.1:{server.port}"
        await writes_one(f"redis://:sesame@{address}/0")
        for user in (":simsim@", ""):
            with pytest.raises(OperatorError) as refused:
                async with open_queue(f"redis://{user}{address}/0"):
                    pass
            assert f"Redis at {address} refuses the password" in str(refused.value)
            assert "simsim" not in str(refused.value)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """One for 127.0.0.1, signed by itself, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed, which makes the certificate")
    files = tmp_path / "own.crt", tmp_path / "own.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", str(files[0]), "-keyout", str(files[1])],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return files


async def test_tls_with_an_authority_of_ones_own(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    crt, key = map(str, certificate)
    options = ("--tls-cert-file", crt, "--tls-key-file", key, "--tls-auth-clients", "no")
    with RedisServer(tmp_path / "redis", *options) as server:
        url = f"rediss://127.0.0.1:{server.port}/0"
        await writes_one(f"{url}?ssl_ca_certs={crt}")
        with pytest.raises(OperatorError, match="certificate verify failed"):
            async with open_queue(url):
                pass


async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(OperatorError) as refused:
        async with open_queue("redis://:sesame@127.0.0.1:9/0"):
            pass
    assert "Redis at 127.0.0.1:9 cannot be used" in str(refused.value)
    assert "start it, or correct QUEUE_URL" in str(refused.value)
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize("url", ["redis://localhost:port", "redis://localhost/0?socket_timeout=x"])
def test_a_url_that_cannot_be_one(url: str) -> None:
    with pytest.raises(SettingsError, match="QUEUE_URL"):
        open_queue(url)


# -- bad messages ----------------------------------------------------------------------------------
async def test_a_worker_outlives_jobs_that_are_none(url: str, model: str) -> None:
    quill = Quill()
    saq = Saq.from_url(url, name=f"cliffhanger:{model}")
    await saq.enqueue("write", key="no-order", timeout=0)
    await saq.enqueue("write", key="bad-order", timeout=0, order='{"front": "x", "job": 7}')
    with Redis.from_url(url) as redis:
        redis.rpush(saq.namespace("queued"), saq.job_id("no-record"), saq.job_id("no-json"))
        redis.set(saq.job_id("no-json"), "{")
    async with open_queue(url, model=model) as queue, working(queue, quill):
        await queue.submit(job(1))
        quill.end(1)
        assert (await last_of(queue, 1)).event == "finished"
        for key in ("no-order", "bad-order"):
            record = await saq.job(key)
            assert record is not None
            assert record.status == "failed"
            assert decode(Report, record.result).kind == "failed"
    await saq.disconnect()


async def test_a_bot_outlives_reports_and_announcements_that_are_none(url: str, model: str) -> None:
    quill = Quill()
    name = f"cliffhanger:{model}"
    async with open_queue(url, model=model) as queue, working(queue, quill):
        await queue.submit(job(1))
        await eventually(lambda: quill.taken == [1])
        with Redis.from_url(url) as redis:
            redis.hset(f"{name}:workers", "liar", '{"name": "liar", "slots": "many"}')
            [word] = redis.hvals(f"{name}:workers")[:1]
            boast = json.loads(word) | {"name": "boaster", "slots": 10**9}
            redis.hset(f"{name}:workers", "boaster", json.dumps(boast))
            redis.hset(f"{name}:fronts", b"\xff", b"\xff")
            [front] = [key for key in redis.hkeys(f"{name}:fronts") if key != b"\xff"]
            [key] = redis.keys(f"saq:job:{name}:*")
            delivery = key.decode().removeprefix(f"saq:job:{name}:")
            foreign = {"delivery": delivery, "worker": "liar", "kind": "update", "update":
                       {"story_id": 2, "attempt": 1, "event": "finished"}}  # fmt: skip
            for word in (b"\xff", "7", "x" * 600_000, json.dumps(foreign)):
                redis.publish(f"{name}:reports:{front.decode()}", word)
        async with asyncio.timeout(PATIENCE_S):
            while (await queue.state()).writing != (1,):
                await asyncio.sleep(0.01)
        quill.end(1)
        assert (await last_of(queue, 1)).completion == "x"
        assert [worker.slots for worker in (await queue.state()).workers] == [1]


async def test_a_job_too_large_fails_and_the_next_is_written(url: str, model: str) -> None:
    quill = Quill()
    async with open_queue(url, model=model) as queue, working(queue, quill):
        await queue.submit(job(1, prompt="x" * 600_000))
        assert (await last_of(queue, 1)).event == "failed"
        await queue.submit(job(2))
        quill.end(2)
        assert (await last_of(queue, 2)).event == "finished"


# -- several bots ----------------------------------------------------------------------------------
async def test_two_bots_share_a_worker_and_neither_starves(url: str, model: str) -> None:
    """One has all slots while it is alone, and half of them once the other comes."""
    quill = Quill(slots=4)
    async with (
        open_queue(url, model=model) as one,
        open_queue(url, model=model) as two,
        working(one, quill),
    ):
        for n in range(1, 13):
            await one.submit(job(n, f"member {n}"))
        await eventually(lambda: sorted(quill.taken) == [1, 2, 3, 4])
        for n in range(21, 31):
            await two.submit(job(n, f"member {n}"))
        async with asyncio.timeout(PATIENCE_S):
            while [len((await bot.state()).writing) for bot in (one, two)] != [4, 2]:
                await asyncio.sleep(0.01)
            while (await one.state()).slots != 2:
                await asyncio.sleep(0.01)
        for n in range(4):
            quill.end(quill.taken[n])
            await eventually(lambda n=n: len(quill.taken) >= 5 + n)  # type: ignore[misc]
        assert sorted(n > 20 for n in quill.taken[4:8]) == [False, False, True, True]
        for n in (*range(1, 13), *range(21, 31)):
            quill.end(n)
        for n in range(1, 13):
            assert (await last_of(one, n)).event == "finished"
        for n in range(21, 31):
            assert (await last_of(two, n)).event == "finished"
        assert sorted(quill.taken) == [*range(1, 13), *range(21, 31)], "each once"


# -- jobs on their way -----------------------------------------------------------------------------
@asynccontextmanager
async def idler(url: str, model: str) -> AsyncIterator[Redis]:
    """A worker that is there, and takes nothing."""
    beats = itertools.count(1)

    async def live() -> None:
        while True:
            word = Announcement("idler", 1, INFO, next(beats))
            redis.hset(f"cliffhanger:{model}:workers", "idler", encode(word))
            await asyncio.sleep(LOOK_S / 2)

    with Redis.from_url(url) as redis:
        life = asyncio.create_task(live())
        try:
            yield redis
        finally:
            life.cancel()


async def handed_over(redis: Redis, model: str) -> str:
    queued = f"saq:cliffhanger:{model}:queued"
    await eventually(lambda: redis.llen(queued) == 1)
    return queued


async def test_a_job_that_was_taken_and_never_begun_is_handed_over_again(
    url: str, model: str
) -> None:
    """Its worker died, or its connection, between the two."""
    quill = Quill()
    async with open_queue(url, model=model) as queue:
        async with idler(url, model) as redis:
            await queue.submit(job(1))
            first = redis.lpop(await handed_over(redis, model))
            second = redis.lindex(await handed_over(redis, model), 0)
            assert first != second
        async with working(queue, quill):
            quill.end(1)
            assert (await last_of(queue, 1)).event == "finished"
            assert quill.taken == [1]


async def test_a_job_whose_end_cannot_be_read_has_failed(url: str, model: str) -> None:
    """A worker of another version, perhaps: it is not handed round for ever."""
    saq = Saq.from_url(url, name=f"cliffhanger:{model}")
    async with open_queue(url, model=model) as queue, idler(url, model) as redis:
        await queue.submit(job(1))
        await handed_over(redis, model)
        record = await saq.dequeue(timeout=1)
        assert record is not None
        await saq.finish(record, Status.COMPLETE, result='{"told": "otherwise"}')
        assert (await last_of(queue, 1)).event == "failed"
    await saq.disconnect()


async def test_a_job_handed_over_comes_back_when_no_worker_is_left(
    url: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And has its place in the line again, where it can be seen and cancelled."""
    monkeypatch.setattr(pulse, "LOST_AFTER_S", LOOK_S)
    async with open_queue(url, model=model) as queue:
        async with idler(url, model) as redis:
            await queue.submit(job(1))
            queued = await handed_over(redis, model)
        async with asyncio.timeout(PATIENCE_S):
            while (await queue.state()).waiting != (1,):
                await asyncio.sleep(0.01)
        with Redis.from_url(url) as redis:
            assert redis.llen(queued) == 0
        await queue.cancel(1)
        assert (await last_of(queue, 1)).event == "cancelled"
