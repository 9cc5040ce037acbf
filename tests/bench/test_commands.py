from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.__main__ import app

pytestmark = pytest.mark.timeout(240)  # seconds when quiet; a busy machine imports torch for long


def bench(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--peers", "vllm"], "There is no peer vllm; there are pipeline, generate, llama-cpp"),
        (["--concurrency", "1,many"], "--concurrency is 1,many; it must be numbers from 1 on"),
        (["--concurrency", "0"], "--concurrency is 0; it must be numbers from 1 on"),
        (["--prompts", "absent.txt"], "The prompts in absent.txt cannot be read"),
    ],
)
def test_what_cannot_be_measured_is_one_line(words: list[str], problem: str) -> None:
    result = CliRunner().invoke(app, ["serve", *words])
    assert result.exit_code == 1
    assert result.output.startswith(f"cliffhanger: {problem}")
    assert result.output.count("\n") == 1


def test_serve_leaves_a_table_a_chart_and_all_samples(base_folder: Path, tmp_path: Path) -> None:
    words = ("--model", base_folder, "--peers", "llama-cpp", "--concurrency", "2", "--rounds", "1")
    text = bench("serve", *words, "--new-tokens", "8", "--output-dir", tmp_path)
    files = {path.suffix: path for path in tmp_path.iterdir() if path.name.startswith("serve-")}
    assert files.keys() == {".json", ".md", ".png"}
    record = json.loads(files[".json"].read_text())
    (sample,) = record["samples"]
    assert (sample["writer"], sample["n_stories"], sample["tokens"]) == ("engine", 2, 16)
    assert "llama-cpp" in record["failed"]  # not installed, or no GGUF of this model
    table = files[".md"].read_text()
    assert "| stories at once | 2 |" in table and table in text


def test_loop(base_folder: Path, tmp_path: Path) -> None:
    words = ("--model", base_folder, "--concurrency", "2", "--new-tokens", "20")
    text = bench("loop", *words, "--output-dir", tmp_path)
    rows = _rows(tmp_path)
    assert [row["while"] for row in rows] == ["idle", "writing"]
    assert all(row["worst_ms"] >= row["p99_ms"] and row["n_ticks"] > 0 for row in rows)
    assert "worst ms" in text


def test_soak(base_folder: Path, tmp_path: Path) -> None:
    words = ("--model", base_folder, "--stories", "6", "--every", "3", "--new-tokens", "4")
    bench("soak", *words, "--output-dir", tmp_path)
    assert [row["n_stories"] for row in _rows(tmp_path)] == [3, 6]
    result = CliRunner().invoke(app, ["soak", "--stories", "6"])
    assert result.output == "cliffhanger: --every is 100, but --stories only 6\n"


def test_context(base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.torch_engine._TEXT_EVERY", 0)  # so small a model is done before
    words = ("--model", base_folder, "--concurrency", "8", "--lengths", "60,40")
    bench("context", *words, "--precision", "float32", "--output-dir", tmp_path)
    assert [row["n_tokens"] for row in _rows(tmp_path)] == [40, 60]
    result = CliRunner().invoke(app, ["context", "--lengths", "20"])
    assert result.output.startswith("cliffhanger: --lengths is 20; it must be numbers from 33 on")


def _rows(folder: Path) -> list[dict[str, float]]:
    (file,) = folder.glob("*.json")
    rows: list[dict[str, float]] = json.loads(file.read_text())["rows"]
    return rows
