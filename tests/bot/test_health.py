"""What a process says over HTTP to those who watch over it: on a real socket, to a real client."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest

from bot import health
from bot.errors import OperatorError
from bot.health import Check, serving
from bot.metrics import CONTENT_TYPE
from bot.queue import Job, open_queue
from model.engine import GenerationRequest


async def well() -> str | None:
    return None


async def ill() -> str | None:
    return "no worker has joined"


async def broken() -> str | None:
    raise RuntimeError("postgresql://bot:hush@host is away")


async def stuck() -> str | None:
    await asyncio.sleep(60)
    return None


async def fetch(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        return await client.get(path)


async def test_a_process_that_answers_is_alive() -> None:
    async with serving("127.0.0.1", 0, {"store": ill}) as port:
        answer = await fetch(port, "/healthz")
    assert (answer.status_code, answer.text) == (200, "alive\n")


async def test_it_is_ready_once_every_part_is() -> None:
    checks: dict[str, Check] = {"store": well, "worker": ill}
    async with serving("127.0.0.1", 0, checks) as port:
        not_yet = await fetch(port, "/readyz")
        checks["worker"] = well
        checks["telegram"] = well  # a part that is opened later
        ready = await fetch(port, "/readyz")
    assert not_yet.status_code == 503
    assert not_yet.json() == {"store": "ok", "worker": "no worker has joined"}
    assert ready.status_code == 200
    assert ready.json() == {"store": "ok", "worker": "ok", "telegram": "ok"}


async def test_a_part_that_fails_or_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PATIENCE_S", 0.05)
    async with serving("127.0.0.1", 0, {"store": broken, "queue": stuck, "worker": well}) as port:
        answer = await fetch(port, "/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "store": "RuntimeError",
        "queue": "no answer in 0.05 s",
        "worker": "ok",
    }


async def test_metrics_tell_the_line_and_which_part_is_ready() -> None:
    async with (
        open_queue("memory://") as queue,
        serving("127.0.0.1", 0, {"store": well, "worker": ill}, queue) as port,
    ):
        for number in (1, 2):
            await queue.submit(Job(number, 1, "ada", GenerationRequest("horror")))
        answer = await fetch(port, "/metrics")
    lines = answer.text.splitlines()
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    assert "cliffhanger_queue_waiting_stories 2.0" in lines
    assert "cliffhanger_queue_writing_stories 0.0" in lines
    assert "cliffhanger_queue_slots 0.0" in lines
    assert 'cliffhanger_ready{check="store"} 1.0' in lines
    assert 'cliffhanger_ready{check="worker"} 0.0' in lines


async def test_metrics_are_told_while_the_queue_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_queue("memory://") as queue, serving("127.0.0.1", 0, {}, queue) as port:
        monkeypatch.setattr(queue, "state", broken)
        with caplog.at_level(logging.WARNING):
            answer = await fetch(port, "/metrics")
    assert answer.status_code == 200
    assert "cliffhanger_queue_waiting_stories" in answer.text
    assert "the length of the line cannot be told now" in caplog.text


async def test_an_address_in_use_is_named() -> None:
    async with serving("127.0.0.1", 0, {}) as port:
        with pytest.raises(OperatorError, match=f"METRICS_ADDR=127.0.0.1:{port} cannot be"):
            async with serving("127.0.0.1", port, {}):
                pass


async def test_it_only_tells() -> None:
    async with serving("127.0.0.1", 0, {}) as port, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(f"http://127.0.0.1:{port}/metrics")).status_code == 405
        assert (await client.get(f"http://127.0.0.1:{port}/stories")).status_code == 404
