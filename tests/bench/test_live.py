from __future__ import annotations

import asyncio
import time
from itertools import count

import pytest

from bench.errors import BenchError
from bench.live import Served, loop_delays, paces, soak
from bench.stories import exactly, write
from model.engine import GenerationRequest
from model.scripted_engine import ScriptedEngine

PROMPTS = [("horror", "A lonely lighthouse"), ("drama", "Rain")]


def words(request: GenerationRequest) -> str:
    return " word" * 500


async def test_a_loop_that_is_held_up_is_found_out() -> None:
    steps = count()

    async def step() -> None:
        if next(steps) == 20:
            time.sleep(0.12)  # noqa: ASYNC251 - what is to be found
        await asyncio.sleep(0.002)

    async with ScriptedEngine(words, step=step) as engine:
        idle, writing = await loop_delays(engine, PROMPTS, 2, 30)
    assert writing.worst_ms > 100
    assert writing.worst_ms >= writing.p99_ms >= writing.median_ms
    assert idle.n_ticks > 0


async def test_a_soak_counts_every_story() -> None:
    said: list[Served] = []
    async with ScriptedEngine(words, slots=8) as engine:
        served = await soak(engine, PROMPTS, 25, 4, 16, 10, said.append)
        assert engine.peak == 4
    assert [row.n_stories for row in served] == [10, 20]
    assert said == served
    assert all(row.tokens_per_s > 0 and row.memory_mb > 10 for row in served)


async def test_the_pace_is_that_of_the_length_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: seconds)
    steps = count(1)

    async def step() -> None:  # ten times slower from token 51 on
        nonlocal seconds
        seconds += 0.002 if next(steps) <= 50 else 0.02

    async with ScriptedEngine(words, step=step) as engine:
        found = await paces(engine, PROMPTS, 1, [90, 45, 66])
    assert [pace.n_tokens for pace in found] == [45, 66, 90]
    # Over the last 32 tokens; of those before 66, half are fast.
    assert [pace.step_ms for pace in found] == pytest.approx([2, 11, 20])


async def test_a_story_cut_short_by_the_context_is_refused() -> None:
    async with ScriptedEngine(words, context_length=20) as engine:
        with pytest.raises(BenchError, match="20 tokens instead of 30: the model's context is 20"):
            await write(engine, exactly(("horror", ""), 30, seed=1))


async def test_text_is_shown_once_it_can_be_seen() -> None:
    shown: list[int] = []
    async with ScriptedEngine(words, tokens_per_chunk=3) as engine:
        story = await write(engine, exactly(("horror", ""), 9, seed=1), lambda: shown.append(1))
    assert shown == [1]
    assert [n for _, n in story.arrivals] == [3, 6, 9, 9]
