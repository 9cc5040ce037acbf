"""The queue's bench, small: its figures are figures of what happened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.__main__ import app


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_it_times_two_workers_against_one(tmp_path: Path) -> None:
    words = ["queue", "--workers", "1,2", "--slots", "2", "--stories", "2", "--words", "10",
             "--step-ms", "5", "--alone", "10", "--output-dir", str(tmp_path)]  # fmt: skip
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    [path] = tmp_path.glob("*.json")
    rows = json.loads(path.read_text())["rows"]
    assert [(row["workers"], row["stories"]) for row in rows] == [(1, 4), (2, 8)]
    assert rows[0]["of_linear"] == pytest.approx(100)
    for row in rows:
        assert 0 < row["of_pace"] < 100
        # Ten words at 5 ms each, on two slots a worker: the pace cannot be beaten.
        assert 0 < row["stories_per_s"] <= row["workers"] * 2 / (10 * 0.005)
        assert row["alone_ms"] <= row["alone_p99_ms"]


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    words = ["queue", "--url", "redis://127.0.0.1:9", "--output-dir", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert list(tmp_path.iterdir()) == []
