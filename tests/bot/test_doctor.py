"""What `cliffhanger doctor` says of the settings for a fleet, and for whoever watches over it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.doctor import Finding, _metrics, _model, examine
from bot.health import serving
from bot.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting in the environment, and a working folder without `.env`."""
    for name in [*os.environ]:
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


async def well() -> str | None:
    return None


async def alone() -> str | None:
    return "no worker has joined"


@asynccontextmanager
async def a_stranger() -> AsyncIterator[int]:
    """Somebody else's server, who answers no HTTP."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def said_of_metrics(address: str | None) -> tuple[bool, str]:
    found = await _metrics(load_settings(metrics_addr=address))
    return found.ok, found.advice


async def test_an_address_for_metrics_is_free_taken_or_ready() -> None:
    assert (await said_of_metrics(None))[0]
    async with serving("127.0.0.1", 0, {"store": well}) as port:
        address = f"127.0.0.1:{port}"
        assert await said_of_metrics(address) == (
            True,
            f"who answers at METRICS_ADDR={address} is ready",
        )
    assert await said_of_metrics(address) == (True, f"METRICS_ADDR={address} is free")
    async with serving("127.0.0.1", 0, {"store": well, "worker": alone}) as port:
        ok, advice = await said_of_metrics(f"127.0.0.1:{port}")
        assert not ok
        assert advice.endswith("is not ready: worker: no worker has joined")
    async with a_stranger() as port:
        ok, advice = await said_of_metrics(f"127.0.0.1:{port}")
        assert not ok
        assert advice.endswith("is used by something else: choose another")
    ok, advice = await said_of_metrics("192.0.2.1:9100")  # of nobody (RFC 5737)
    assert not ok


async def test_settings_that_do_not_go_together_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHARD_IDS", "0-1")
    monkeypatch.setenv("SHARD_COUNT", "4")
    (found,) = [finding async for finding in examine()]
    assert (found.check, found.ok) == ("settings", False)
    assert "SHARD_IDS" in found.advice


def test_a_bot_whose_workers_are_elsewhere_needs_no_model_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.house.MODEL_LIBRARIES", ("torch_of_another_world",))
    elsewhere = _model(load_settings(queue_url="redis://queue"))
    assert elsewhere == Finding(
        "model", True, "left to workers elsewhere: what runs one is not installed"
    )
    here = _model(load_settings())
    assert not here.ok
    assert "Not installed: torch_of_another_world." in here.advice
