from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.report import chart, markdown, speed
from bench.serve import Results, Settings
from bench.writers.base import Plan


def sample(writer: str, n_stories: int, turn: int, speed: float, **more: Any) -> dict[str, Any]:
    return {
        "writer": writer, "n_stories": n_stories, "turn": turn, "tokens": speed * 2,
        "seconds": 2.0, "first_text_s": [0.25 * (n + 1) for n in range(n_stories)],
        "load_s": 1.5 + turn, "peak_bytes": 500_000_000 + turn, **more,
    }  # fmt: skip


@pytest.fixture
def results() -> Results:
    plan = Plan("default", [("horror", "Rain.")], 128)
    peers = ("pipeline", "generate", "ctranslate2")
    found = Results(Settings(plan, peers, (4, 16), rounds=3))
    found.machine = {
        "cpu": "A CPU", "threads": 2, "memory_gib": 24.0, "python": "3.11.2", "load_before": 0.1,
    }  # fmt: skip
    found.about = {"engine": "int8", "pipeline": "float32", "generate": "float32"}
    found.failed = {"ctranslate2": "ctranslate2 is not installed: pip install ctranslate2"}
    for turn, faster in enumerate((0, 30, 10)):
        found.samples += [
            sample("pipeline", 1, turn, 10),
            sample("engine", 4, turn, 100 + faster),
            sample("generate", 4, turn, 50 + faster),
            sample("engine", 16, turn, 300 + faster),
        ]
    failed = {"writer": "generate", "n_stories": 16, "turn": 1, "failed": "out of memory"}
    found.samples += [sample("generate", 16, 0, 90), failed]
    return found


def test_tables(results: Results) -> None:
    text = markdown(results)
    assert _table(text, "stories at once") == [
        "| stories at once | 1 | 4 | 16 |",
        "|---|--:|--:|--:|",
        "| cliffhanger (int8) |  | 110 (100–130) | 310 (300–330) |",
        "| transformers pipeline, one by one (float32) | 10 (10–10) |  |  |",
        "| transformers generate, static batch (float32) |  | 60 (50–80) |  |",
    ]
    assert _table(text, "cliffhanger ÷") == [
        "| cliffhanger ÷ | 1 | 4 | 16 |",
        "|---|--:|--:|--:|",
        "| transformers pipeline, one by one (float32) |  | 11.00× | 31.00× |",
        "| transformers generate, static batch (float32) |  | 1.83× |  |",
    ]
    assert _table(text, "first text")[2] == "| cliffhanger (int8) |  | 0.62 / 1.00 | 2.12 / 4.00 |"
    assert _table(text, "peak RSS")[2] == "| cliffhanger (int8) |  | 500 | 500 |"
    assert "cliffhanger 2.5 s, transformers pipeline, one by one 2.5 s" in text
    assert "- CTranslate2: ctranslate2 is not installed: pip install ctranslate2\n" in text
    assert "- transformers generate, static batch, 16 at once: out of memory" in text
    assert "A CPU, threads: 2, 24.0 GiB; Python 3.11.2; load before: 0.1; " in text


def test_what_failed_once_has_no_figure(results: Results) -> None:
    assert speed(results, "generate", 16) is None


def test_a_run_in_which_nothing_worked_still_says_why() -> None:
    plan = Plan("absent", [("horror", "Rain.")], 128)
    results = Results(Settings(plan, ("pipeline",), (4,), rounds=1))
    results.failed = {"engine": "no such model", "pipeline": "no such model"}
    assert "- cliffhanger: no such model\n- transformers pipeline" in markdown(results)


def test_the_chart_is_a_picture(results: Results, tmp_path: Path) -> None:
    chart(results, tmp_path / "serve.png")
    assert (tmp_path / "serve.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["serve.png"]


def _table(text: str, heading: str) -> list[str]:
    blocks = [block.splitlines() for block in text.split("\n\n")]
    return next(block for block in blocks if block[0].startswith(f"| {heading} |"))
