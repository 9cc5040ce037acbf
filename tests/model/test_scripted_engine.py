from __future__ import annotations

import asyncio

import pytest

from model.engine import GenerationFailed, GenerationRequest, SamplingParams, TextChunk
from model.scripted_engine import ScriptedEngine


async def collect(engine: ScriptedEngine, request: GenerationRequest) -> list[TextChunk]:
    return [chunk async for chunk in engine.generate(request)]


async def test_the_script_is_written_word_by_word() -> None:
    async with ScriptedEngine(lambda request: " stood there. Alone.", tokens_per_chunk=2) as engine:
        chunks = await collect(engine, GenerationRequest("horror", "A house"))
    assert chunks == [TextChunk(" stood there.", 2), TextChunk(" Alone.", 3, "stop")]


async def test_the_default_story_is_made_from_the_request() -> None:
    async with ScriptedEngine() as engine:

        async def story(genre: str, prompt: str, seed: int) -> str:
            request = GenerationRequest(genre, prompt, SamplingParams(seed=seed))
            return "".join([chunk.text async for chunk in engine.generate(request)])

        first = await story("sci_fi", "A ship", 1)
        assert first == await story("sci_fi", "A ship", 1)
        assert len({first, await story("sci_fi", "A ship", 2), await story("horror", "", 1)}) == 3
        assert "science fiction story" in first
        assert first.startswith(" was where it began.")
        assert first.count(".") >= 8


async def test_a_gate_controls_every_token_and_slots_bound_what_runs() -> None:
    gate = asyncio.Semaphore(0)

    async def step() -> None:
        await gate.acquire()

    engine = ScriptedEngine(lambda request: "one two", slots=2, step=step)
    async with engine:
        tasks = [asyncio.create_task(collect(engine, GenerationRequest("drama"))) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert engine.running == 2
        for _ in range(6):
            gate.release()
        results = await asyncio.gather(*tasks)
    assert [chunks[-1].n_tokens for chunks in results] == [2, 2, 2]
    assert (engine.peak, engine.running) == (2, 0)


async def test_a_request_can_be_made_to_fail_midway() -> None:
    engine = ScriptedEngine(
        lambda request: "one two three",
        fail_on=lambda request: request.prompt == "bad",
        fail_after=2,
    )
    async with engine:
        stream = engine.generate(GenerationRequest("drama", "bad"))
        assert [await anext(stream), await anext(stream)] == [
            TextChunk("one", 1),
            TextChunk(" two", 2),
        ]
        with pytest.raises(GenerationFailed):
            await anext(stream)
        assert (await collect(engine, GenerationRequest("drama", "good")))[-1].n_tokens == 3


async def test_an_engine_that_is_not_open_refuses() -> None:
    with pytest.raises(GenerationFailed, match="not open"):
        await collect(ScriptedEngine(), GenerationRequest("drama"))
