from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

import bench.serve
from bench.serve import Results, Settings, in_a_process, run, turns
from bench.writers.base import Plan

pytestmark = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # asked for by peft
)
PLAN = Plan("default", [("horror", "Rain.")], 16)


def test_writers_take_turns_at_each_number_of_stories() -> None:
    settings = Settings(PLAN, ("pipeline", "generate"), (4, 16), rounds=2)
    assert list(turns(settings, ["engine", "pipeline", "generate"])) == [
        (0, 1, "pipeline"),
        (0, 4, "engine"),
        (0, 4, "generate"),
        (0, 16, "engine"),
        (0, 16, "generate"),
        (1, 1, "pipeline"),
        (1, 4, "generate"),
        (1, 4, "engine"),
        (1, 16, "generate"),
        (1, 16, "engine"),
    ]


def test_a_process_that_dies_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bench.py").write_text("raise SystemExit('the wrong bench')")
    monkeypatch.chdir(tmp_path)  # whose files are nobody's modules
    assert in_a_process({"plan": asdict(PLAN)}) == {
        "failed": "its process ended with code 1: KeyError: 'writer'"
    }


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.serve, "_TIMEOUT_S", 0.01)
    assert in_a_process({})["failed"].startswith("took longer than ")


def test_what_fails_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: dict[str, object]) -> dict[str, object]:
        match request:
            case {"writer": "openvino", "ready": None}:
                return {"failed": "not installed"}
            case {"ready": None}:
                return {"path": "", "about": "int8", "prompt_ids": None}
            case {"writer": "generate", "n_stories": 4}:
                return {"failed": "out of memory"}
        return {"tokens": 32, "seconds": 2.0}

    monkeypatch.setattr(bench.serve, "in_a_process", answer)
    said: list[str] = []
    kept: list[int] = []
    settings = Settings(PLAN, ("generate", "openvino"), (2, 4), rounds=2)
    results = run(settings, said.append, lambda results: kept.append(len(results.samples)))
    assert results.failed == {"openvino": "not installed"}
    assert results.about == {"engine": "int8", "generate": "int8"}
    failed = {"writer": "generate", "n_stories": 4, "turn": 0, "failed": "out of memory"}
    assert [s for s in results.samples if s["writer"] == "generate"] == [
        {"writer": "generate", "n_stories": 2, "turn": 0, "tokens": 32, "seconds": 2.0},
        failed,  # and not tried again
        {"writer": "generate", "n_stories": 2, "turn": 1, "tokens": 32, "seconds": 2.0},
    ]
    assert kept == list(range(8))  # after each, so that an interrupted run leaves its figures
    assert said[4:6] == [
        "round 1 of 2,  2 at once, cliffhanger: 16 tokens/s",
        "round 1 of 2,  2 at once, transformers generate, static batch: 16 tokens/s",
    ]


def test_the_record_says_what_was_measured_on_what() -> None:
    record = Results(Settings(PLAN, ("generate",), (4,), rounds=1)).record()
    assert record["settings"]["plan"]["prompts"] == 1
    assert record["settings"]["concurrency"] == (4,)
    assert record["sampling"]["top_p"] == 0.95
    assert {"torch", "transformers"} <= record["versions"].keys()


@pytest.mark.timeout(400)  # seven processes that import torch
def test_our_engine_against_transformers(run_folder: Path, cache: Path) -> None:
    plan = Plan(str(run_folder), [("horror", "A lonely lighthouse"), ("drama", "Rain")], 8)
    settings = Settings(plan, ("pipeline", "generate"), (2,), rounds=1)
    results = run(settings, lambda _: None, lambda _: None)
    assert results.failed == {}
    assert results.about == {
        "engine": results.about["engine"],
        "pipeline": "float32",
        "generate": "float32",
    }
    figures = {(s["writer"], s["n_stories"]): s for s in results.samples}
    assert figures.keys() == {("engine", 2), ("pipeline", 1), ("generate", 2)}
    for (_, n_stories), sample in figures.items():
        assert sample["tokens"] == 8 * n_stories, sample
        assert len(sample["first_text_s"]) == n_stories
        assert all(0 < wait <= sample["seconds"] for wait in sample["first_text_s"])
        assert sample["load_s"] > 0 and sample["peak_bytes"] > 100e6
    # The pipeline shows what it has written when all is written.
    naive = figures["pipeline", 1]
    assert naive["first_text_s"][0] > 0.9 * naive["seconds"]
    assert [path.name.partition("-")[0] for path in cache.iterdir()] == ["merged"]
