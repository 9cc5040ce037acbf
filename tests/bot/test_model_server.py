"""A bot that has its stories written by a model server, chosen by ENGINE_URL."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes.completions_server import CompletionsServer

from bot.doctor import Finding, examine

WITHOUT_MODEL_LIBRARIES = """
import sys
for name in ("torch", "transformers", "tokenizers", "peft"):
    sys.modules[name] = None  # importing it fails
from bot.__main__ import main
main()
"""
FROM_HERE = ("MODEL", "DISCORD_TOKEN", "TELEGRAM_TOKEN", "DATABASE_URL", "GENRES_FILE", "LOG_LEVEL")


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    async with CompletionsServer(api_key="sesame").serve() as server:
        yield server


async def bot(
    folder: Path, *words: str, typed: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in FROM_HERE}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONWARNINGS": "error"}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", WITHOUT_MODEL_LIBRARIES, *words],
        cwd=folder,
        input=typed,
        env=environment | settings,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "typed"),
    [(("run",), "/story horror A ship\n"), (("story", "horror", "A", "ship"), "")],
)
async def test_stories_come_from_the_server_without_any_model_library(
    server: CompletionsServer, tmp_path: Path, words: tuple[str, ...], typed: str
) -> None:
    done = await bot(tmp_path, *words, typed=typed, ENGINE_URL=server.url, ENGINE_API_KEY="sesame")
    assert done.returncode == 0, done.stderr
    assert "A ship was where it began." in done.stdout
    assert server.requests[-1]["prompt"] == "Genre: horror\nPlot: A ship"


async def test_a_server_that_cannot_be_used_stops_the_start(
    server: CompletionsServer, tmp_path: Path
) -> None:
    done = await bot(tmp_path, "run", typed="/story horror A ship\n", ENGINE_URL=server.url)
    assert done.returncode == 1
    assert f"The model server at {server.url} wants another key" in done.stderr
    assert "Traceback" not in done.stderr


async def test_doctor_tries_the_server(
    server: CompletionsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for key in FROM_HERE:
        monkeypatch.delenv(key, raising=False)

    async def model() -> Finding:
        (found,) = [finding async for finding in examine() if finding.check == "model"]
        return found

    monkeypatch.setenv("ENGINE_URL", server.url)
    monkeypatch.setenv("ENGINE_API_KEY", "open")
    advice = f"The model server at {server.url} wants another key: set ENGINE_API_KEY."
    assert await model() == Finding("model", False, advice)
    monkeypatch.setenv("ENGINE_API_KEY", "sesame")
    well = "tiny answers from its server; genres by a plain-text lead-in"
    assert await model() == Finding("model", True, well)
    monkeypatch.setenv("MODEL", "gpt5")
    assert "has no model gpt5. It lists: tiny." in (await model()).advice
    monkeypatch.setenv("ENGINE_URL", "http://127.0.0.1:1/v1")  # nobody listens on port 1
    assert "cannot be reached" in (await model()).advice
