"""What every Engine promises, whatever runs behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest
from fakes.completions_server import CompletionsServer

from model.checkpoint import LoadedModel
from model.engine import Engine, GenerationFailed, GenerationRequest, SamplingParams, TextChunk
from model.remote_engine import RemoteEngine
from model.runtime import runtime_of
from model.scripted_engine import ScriptedEngine
from model.torch_engine import TorchEngine

MakeEngine = Callable[[int], Engine]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with CompletionsServer().serve() as server:
        yield server.url


@pytest.fixture(params=["scripted", "torch", "remote"])
def make_engine(request: pytest.FixtureRequest) -> MakeEngine:
    """An engine of so many slots."""
    if request.param == "scripted":
        return lambda slots: ScriptedEngine(slots=slots)
    if request.param == "remote":
        url: str = request.getfixturevalue("url")
        return lambda slots: RemoteEngine(url, slots=slots)
    loaded: LoadedModel = request.getfixturevalue("gpt2")
    return lambda slots: TorchEngine(lambda: runtime_of(loaded, "float32"), slots=slots, threads=1)


@pytest.fixture
async def engine(make_engine: MakeEngine) -> AsyncIterator[Engine]:
    async with make_engine(2) as engine:
        yield engine


def ask(
    seed: int = 0, prompt: str = "A ship", genre: str = "horror", **more: int
) -> GenerationRequest:
    return GenerationRequest(genre, prompt, SamplingParams(seed=seed, **more))  # type: ignore[arg-type]


async def chunks_of(engine: Engine, request: GenerationRequest) -> list[TextChunk]:
    return [chunk async for chunk in engine.generate(request)]


async def text_of(engine: Engine, request: GenerationRequest) -> str:
    return "".join(chunk.text for chunk in await chunks_of(engine, request))


async def test_the_info_is_complete(engine: Engine) -> None:
    info = engine.info
    assert info.model and info.revision and info.device and info.dtype
    assert info.context_length > 0
    assert engine.slots == 2


async def test_chunks_count_up_and_the_last_says_why(engine: Engine) -> None:
    for seed in range(5):
        chunks = await chunks_of(engine, ask(seed, max_new_tokens=20))
        counts = [chunk.n_tokens for chunk in chunks]
        assert counts == sorted(counts)
        assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1].finish_reason == ("length" if counts[-1] == 20 else "stop")


async def test_the_limits_hold(engine: Engine) -> None:
    assert (await chunks_of(engine, ask(max_new_tokens=1)))[-1].n_tokens == 1
    whole = await chunks_of(engine, ask(prompt="", max_length=12))
    assert whole[-1].n_tokens <= 12
    with pytest.raises(GenerationFailed):
        await chunks_of(engine, ask(prompt="one two three four five six", max_length=3))


async def test_the_same_request_gives_the_same_story(engine: Engine) -> None:
    first = await text_of(engine, ask(3))
    assert first == await text_of(engine, ask(3))
    texts = {first, await text_of(engine, ask(4)), await text_of(engine, ask(3, genre="drama"))}
    assert len(texts) == 3


async def test_an_unknown_genre_fails_that_request_alone(engine: Engine) -> None:
    results = await asyncio.gather(
        text_of(engine, ask(genre="horor")), text_of(engine, ask()), return_exceptions=True
    )
    assert isinstance(results[0], GenerationFailed)
    assert "horror" in str(results[0])
    assert isinstance(results[1], str) and results[1]


async def test_more_requests_than_slots_are_all_written(engine: Engine) -> None:
    together = await asyncio.gather(*(text_of(engine, ask(seed)) for seed in range(7)))
    assert together == [await text_of(engine, ask(seed)) for seed in range(7)]


async def test_closing_the_stream_frees_the_slot(make_engine: MakeEngine) -> None:
    async with make_engine(1) as engine:
        async with aclosing(engine.generate(ask(max_new_tokens=100))) as stream:  # type: ignore[type-var]
            await anext(stream)
        assert await text_of(engine, ask(1)) == await text_of(engine, ask(1))


async def test_cancelling_the_reader_frees_the_slot_also_of_one_that_waits(
    make_engine: MakeEngine,
) -> None:
    async with make_engine(1) as engine:
        holder = engine.generate(ask(max_new_tokens=100))
        await anext(holder)
        waiting = [asyncio.create_task(text_of(engine, ask(seed))) for seed in (1, 2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await holder.aclose()  # type: ignore[attr-defined]
        assert await waiting[1] == await text_of(engine, ask(2))
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]


async def test_an_engine_that_is_not_open_refuses(make_engine: MakeEngine) -> None:
    engine = make_engine(1)
    with pytest.raises(GenerationFailed, match="not open"):
        await chunks_of(engine, ask())
    async with engine:
        first = await text_of(engine, ask())
    with pytest.raises(GenerationFailed, match="not open"):
        await chunks_of(engine, ask())
    async with engine:
        assert await text_of(engine, ask()) == first
