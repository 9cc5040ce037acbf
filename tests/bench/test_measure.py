from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import bench.measure
from bench.errors import BenchError
from bench.measure import WARM_UP_TOKENS, asked, main, measure
from bench.writers.base import Asked, Plan, Ready

PROMPTS = [("horror", f"Opening {number}") for number in range(12)]
PLAN = Plan("some-model", PROMPTS, new_tokens=20)
READY = Ready("path", "about", [[number] for number in range(12)])


class Diary:
    """A writer that writes nothing, and notes what it was asked."""

    def __init__(self, lengths: list[int] | None = None) -> None:
        self.asked: list[tuple[list[Asked], int]] = []
        self.lengths = lengths
        self.closed = False

    def open(self, plan: Plan, ready: Ready, n_stories: int) -> None:
        assert (plan, ready, n_stories) == (PLAN, READY, 3)

    def write(
        self, stories: Sequence[Asked], new_tokens: int, shown: Callable[[int], None]
    ) -> list[int]:
        self.asked.append((list(stories), new_tokens))
        shown(1)
        return self.lengths or [new_tokens] * len(stories)

    def close(self) -> None:
        self.closed = True


def test_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    diary = Diary()
    monkeypatch.setattr(bench.measure, "writer", lambda name: diary)
    figures = measure("diary", PLAN, READY, 3, turn=1)
    assert figures["tokens"] == 60 and figures["seconds"] > 0 and figures["peak_bytes"] > 0
    first, second, third = figures["first_text_s"]
    # A story that never shows anything is shown when all are done.
    assert second < first == third == figures["seconds"]
    (warm_up, warm_up_tokens), (timed, timed_tokens) = diary.asked
    assert (warm_up_tokens, timed_tokens) == (WARM_UP_TOKENS, 20)
    assert [story.prompt for story in timed] == PROMPTS[3:6]
    assert [story.prompt_ids for story in timed] == [[3], [4], [5]]
    assert not {story.seed for story in timed} & {story.seed for story in warm_up}
    assert not {story.prompt for story in timed} & {story.prompt for story in warm_up}
    assert diary.closed


def test_a_story_of_another_length_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.measure, "writer", lambda name: Diary([20, 20, 19]))
    with pytest.raises(BenchError, match="1 stories have 19 tokens instead of 20"):
        measure("diary", PLAN, READY, 3, turn=0)


def test_more_stories_than_prompts_have_seeds_of_their_own() -> None:
    stories = list(asked(PLAN, READY, 15, turn=0))
    assert stories[12].prompt == stories[0].prompt
    assert len({story.seed for story in stories}) == 15
    # Seeds that every library takes.
    assert all(0 <= story.seed < 2**31 for story in asked(PLAN, READY, 15, turn=-4))


def answer_to(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    asked, told = folder / "request.json", folder / "result.json"
    asked.write_text(json.dumps(request))
    main(asked, told)
    answer: dict[str, Any] = json.loads(told.read_text())
    return answer


@pytest.mark.parametrize(
    ("name", "library"),
    [("llama-cpp", "llama_cpp"), ("openvino", "openvino_genai"), ("ctranslate2", "ctranslate2")],
)
def test_a_library_that_is_absent_is_named(
    name: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    answer = answer_to({"writer": name, "plan": asdict(PLAN), "ready": None}, tmp_path)
    pip = {"llama-cpp": "llama-cpp-python", "openvino": "openvino-genai"}.get(name, name)
    assert answer == {"failed": f"{library} is not installed: pip install {pip}"}


def test_a_model_that_is_absent_is_named(tmp_path: Path) -> None:
    plan = Plan(str(tmp_path / "absent"), PROMPTS, 8)
    answer = answer_to({"writer": "pipeline", "plan": asdict(plan), "ready": None}, tmp_path)
    assert answer["failed"].startswith(f"There is no folder {tmp_path / 'absent'}")
