from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from fakes.training_run import HISTORY, MANIFEST, RECIPE, write_record

from train.errors import TrainError
from train.report import manifest_text, read_run, write_report


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "lighthouse"
    write_record(folder, RECIPE)
    return folder


def size_of(png: Path) -> tuple[int, int]:
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def table_of(report: str) -> dict[str, str]:
    return dict(re.findall(r"^\| (\w.*) \| (.*) \|$", report, re.MULTILINE))


def test_the_final_numbers(run: Path) -> None:
    write_report(run)
    report = (run / "report.md").read_text()
    assert report.startswith("# Run lighthouse\n\n![Loss over the steps](loss.png)\n")
    assert table_of(report) == {
        "best eval loss": "3.2500 nats a token",
        "with it, bits per byte": "1.2500",
        "at step": "2",
        "last eval loss": "3.3750 nats a token",
        "last train loss": "3.0000 nats a token",
        "optimizer steps": "4",
        "epochs": "1.00",
        "tokens that counted": "4,000",
        "training time, without evaluating and saving": "8 s",
        "tokens a second": "500",
    }
    assert "block_size: 64" in report
    assert "torch 2." in report
    assert size_of(run / "loss.png") == (1040, 715)
    assert {path.name for path in run.iterdir()} == {
        "recipe.yaml", "history.json", "loss.png", "report.md", "summary.json"
    }  # fmt: skip


@pytest.mark.parametrize(
    "history",
    [HISTORY[:1], HISTORY[2:3], [*HISTORY, {"step": 5, "loss": float("nan")}], HISTORY * 2],
    ids=["one step", "evaluation only", "NaN at the end", "steps twice, after a resume"],
)
def test_short_and_odd_runs(run: Path, history: list[dict[str, Any]]) -> None:
    (run / "history.json").write_text(json.dumps(history))
    write_report(run)
    assert size_of(run / "loss.png") == (1040, 715)
    assert "nan" not in (run / "report.md").read_text().partition("## Made")[0]


def test_a_run_that_logged_nothing(run: Path) -> None:
    for history in ("[]", None):
        if history is None:
            (run / "history.json").unlink()
        else:
            (run / "history.json").write_text(history)
        write_report(run)
        assert "No step was logged." in (run / "report.md").read_text()
        assert not (run / "loss.png").exists()


def test_the_manifest_beside_the_data_is_kept(run: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "manifest.json").write_text(json.dumps(MANIFEST))
    write_record(run, RECIPE | {"train_data_file": str(data / "train.txt")})
    write_report(run)
    (data / "manifest.json").unlink()
    assert read_run(run).manifest == MANIFEST
    report = (run / "report.md").read_text()
    assert "train: `train.txt`; eval: `eval.txt`." in report
    assert manifest_text(MANIFEST) in report
    assert str(tmp_path) not in report  # names of files, not of places


def test_a_manifest_as_tables() -> None:
    assert manifest_text(MANIFEST).splitlines() == [
        "| source | format | licence | rows | kept | SHA-256 |",
        "| --- | --- | --- | --- | --- | --- |",
        "| genre_plots.txt | seed text | CC BY-SA | 1,200 | 1,100 | `0123456789ab` |",
        "",
        "| genre | train stories | after balancing | words after balancing | eval stories |",
        "| --- | --- | --- | --- | --- |",
        "| horror | 40 | 160 | 48,000 | 10 |",
        "",
        "Prepared with eval_share 0.05, seed 42.",
    ]


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("recipe.yaml", None, r"is no run folder: it has no recipe\.yaml"),
        ("recipe.yaml", "- 1", r"recipe\.yaml is no recipe: it holds no mapping"),
        ("recipe.yaml", "a: [", r"recipe\.yaml cannot be read: "),
        ("history.json", '[{"step": 1', r"history\.json cannot be read as JSON: "),
        ("history.json", '{"step": 1}', r"history\.json is no list of log entries"),
    ],
)
def test_a_broken_run_folder(run: Path, file: str, text: str | None, says: str) -> None:
    if text is None:
        (run / file).unlink()
    else:
        (run / file).write_text(text)
    with pytest.raises(TrainError, match=says):
        write_report(run)
    assert not (run / "report.md").exists()


def test_a_report_that_cannot_be_written(run: Path) -> None:
    (run / "report.md").mkdir()
    with pytest.raises(TrainError, match=r"The report in .* cannot be written: "):
        write_report(run)
