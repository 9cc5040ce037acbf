"""The commands as an operator types them: a worker, a bot without one, and the doctor between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from servers.redis import RedisServer

PATIENCE_S = 30.0


def command(folder: Path, *words: str, **settings: str) -> subprocess.Popen[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", "bot", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]),
             "MODEL": "scripted", "HOME": str(folder), **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_a_story_by_a_worker_elsewhere(server: RedisServer, tmp_path: Path) -> None:
    """The worker has the queue's address and nothing else, and leaves nothing behind."""
    worker = command(tmp_path / "worker", "worker", QUEUE_URL=server.url, SLOTS="3")
    try:
        limit = time.monotonic() + PATIENCE_S
        while f":{worker.pid} (3 slots" not in (said := doctor(server, tmp_path)):
            assert "no worker has joined for MODEL=scripted" in said
            assert time.monotonic() < limit, said
        bot = command(tmp_path / "bot", "run", "--no-worker", QUEUE_URL=server.url)
        out, err = bot.communicate("/story horror A lonely lighthouse\n", timeout=PATIENCE_S)
        assert bot.returncode == 0, err
        assert "A lonely lighthouse" in out
        assert "horror story, after all." in out
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=PATIENCE_S)
        assert worker.returncode == 0, err
        assert list((tmp_path / "worker").iterdir()) == []
    finally:
        worker.kill()
        worker.communicate()


def doctor(server: RedisServer, folder: Path) -> str:
    """What it says of the queue."""
    out, err = command(folder / "bot", "doctor", QUEUE_URL=server.url).communicate()
    lines = [line for line in out.splitlines() if "queue:" in line]
    assert len(lines) == 1, out + err
    assert lines[0].startswith("ok")
    return lines[0]


def test_a_worker_without_a_server_says_so(tmp_path: Path) -> None:
    worker = command(tmp_path / "worker", "worker", QUEUE_URL="redis://:sesame@127.0.0.1:9/0")
    out, err = worker.communicate(timeout=PATIENCE_S)
    assert (worker.returncode, out) == (1, "")
    assert "cliffhanger: Redis at 127.0.0.1:9 cannot be used" in " ".join(err.split())
    assert "sesame" not in err
