from __future__ import annotations

import asyncio
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.checkpoint import LoadedModel
from model.engine import (
    EngineError,
    GenerationFailed,
    GenerationRequest,
    ModelUnusable,
    SamplingParams,
    TextChunk,
)
from model.prompt import clean_story
from model.runtime import Runtime, runtime_of
from model.torch_engine import TextStream, TorchEngine, open_engine


def greedy(prompt: str, **more: Any) -> GenerationRequest:
    return GenerationRequest("horror", prompt, SamplingParams(do_sample=False, **more))


async def chunks_of(engine: TorchEngine, request: GenerationRequest) -> list[TextChunk]:
    return [chunk async for chunk in engine.generate(request)]


@pytest.mark.parametrize("model", ["gpt2", "llama"])
async def test_greedy_text_is_transformers_own_while_others_come_and_go(
    request: pytest.FixtureRequest,
    generate_greedily: Callable[[LoadedModel, list[int], SamplingParams], list[int]],
    model: str,
) -> None:
    loaded: LoadedModel = request.getfixturevalue(model)
    dice = random.Random(1)
    requests = [
        greedy(f"The {word} had", max_new_tokens=dice.randint(5, 40))
        for word in ("robot", "dog", "letter", "map", "bridge", "coin", "door", "road")
    ]
    async with TorchEngine(lambda: runtime_of(loaded, "float32"), slots=3, threads=1) as engine:

        async def disturb() -> None:
            for seed in range(6):
                stream = engine.generate(GenerationRequest("drama", "x", SamplingParams(seed=seed)))
                for _ in range(dice.randint(1, 9)):
                    await anext(stream, None)
                await stream.aclose()  # type: ignore[attr-defined]

        *written, _ = await asyncio.gather(*(chunks_of(engine, r) for r in requests), disturb())
    for one, chunks in zip(requests, written, strict=True):
        assert chunks is not None
        prompt = loaded.format.encode(one.genre, one.prompt)
        tokens = generate_greedily(loaded, prompt, one.sampling)
        text = loaded.tokenizer.decode(tokens).rstrip("\ufffd")
        assert "".join(chunk.text for chunk in chunks) == text
        assert chunks[-1].n_tokens == len(tokens)


async def test_a_prompt_longer_than_the_context_keeps_its_end_and_leaves_room(
    gpt2: LoadedModel,
) -> None:
    prompt = "The road was not there yesterday. " * 40
    async with TorchEngine(lambda: runtime_of(gpt2, "float32"), threads=1) as engine:
        chunks = await chunks_of(engine, greedy(prompt, max_new_tokens=1000))
        short = await chunks_of(engine, greedy(prompt, max_new_tokens=10))
    kept = gpt2.format.encode("horror", prompt, gpt2.info.context_length // 2)
    assert gpt2.tokenizer.decode(kept[:2]) == "<BOS><horror>"
    limit = gpt2.info.context_length - len(kept)
    assert chunks[-1].n_tokens <= limit
    assert short[-1].n_tokens <= 10


async def test_control_tokens_end_a_story_and_are_never_shown(gpt2: LoadedModel) -> None:
    table = [genre.token for genre in gpt2.format.table]
    seen_stop = False
    async with TorchEngine(lambda: runtime_of(gpt2, "float32"), slots=16, threads=1) as engine:
        stories = await asyncio.gather(
            *(
                chunks_of(
                    engine,
                    GenerationRequest(
                        "horror", "x", SamplingParams(seed=n, temperature=5.0, top_k=0, top_p=1.0)
                    ),
                )
                for n in range(24)
            )
        )
    for chunks in stories:
        text = "".join(chunk.text for chunk in chunks)
        assert not any(token in text for token in ["<BOS>", "<EOS>", "<PAD>", *table])
        seen_stop |= chunks[-1].finish_reason == "stop"
    assert seen_stop  # 10 of 509 tokens are control tokens: 24 stories of up to 126 meet one


async def test_one_failure_is_told_and_the_engine_goes_on(
    gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(*inputs: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 PB")

    runtime = runtime_of(gpt2, "float32")
    async with TorchEngine(lambda: runtime, threads=1) as engine:
        before = await chunks_of(engine, greedy("A ship"))
        with monkeypatch.context() as patch:
            patch.setattr(runtime.decoder, "forward", forward)
            with pytest.raises(GenerationFailed, match="out of memory: set fewer slots"):
                await chunks_of(engine, greedy("A ship"))
            patch.setattr(runtime.decoder, "forward", lambda *inputs: 1 / 0)
            with pytest.raises(GenerationFailed, match="ZeroDivisionError: division by zero"):
                await chunks_of(engine, greedy("A ship"))
        after = await chunks_of(engine, greedy("A ship"))
    assert "".join(chunk.text for chunk in after) == "".join(chunk.text for chunk in before)


async def test_closing_the_engine_ends_what_is_being_written(gpt2: LoadedModel) -> None:
    engine = TorchEngine(lambda: runtime_of(gpt2, "float32"), slots=1, threads=1)
    async with engine:
        writing = engine.generate(greedy("A ship", max_new_tokens=1))
        waiting = asyncio.create_task(chunks_of(engine, greedy("A ship", max_new_tokens=120)))
        await anext(writing)
    with pytest.raises(GenerationFailed, match="closed before the story was done"):
        await waiting
    assert "engine" not in {thread.name for thread in threading.enumerate()}


async def test_what_goes_wrong_in_loading_is_raised_on_opening() -> None:
    def load() -> Runtime:
        raise ModelUnusable("broken")

    with pytest.raises(ModelUnusable, match="broken"):
        async with TorchEngine(load):
            pass
    with pytest.raises(ModelUnusable, match="is no model"):
        async with open_engine(str(Path(__file__).parent)):
            pass
    assert "engine" not in {thread.name for thread in threading.enumerate()}


async def test_a_machine_without_torch_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, gpt2: LoadedModel
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EngineError, match=r"torch is not installed.*cliffhanger\[worker\]"):
        async with TorchEngine(lambda: runtime_of(gpt2, "float32")):
            pass


async def test_text_that_cannot_be_decoded_ends_its_story_alone(
    gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = TextStream.add

    def add_or_fail(self: TextStream, tokens: list[int], *, final: bool = False) -> str:
        if gpt2.tokenizer.decode(self._window).startswith("bad"):
            raise ValueError("no such token")
        return add(self, tokens, final=final)

    monkeypatch.setattr(TextStream, "add", add_or_fail)
    async with TorchEngine(lambda: runtime_of(gpt2, "float32"), slots=1, threads=1) as engine:
        with pytest.raises(GenerationFailed, match="ValueError: no such token"):
            await chunks_of(engine, greedy("bad", max_new_tokens=30))
        assert await chunks_of(engine, greedy("A ship", max_new_tokens=30))


async def test_loading_does_not_block_the_loop(gpt2: LoadedModel) -> None:
    go = threading.Event()

    def load() -> Runtime:
        assert go.wait(30)
        return runtime_of(gpt2, "float32")

    async def free_it() -> None:
        go.set()

    engine = TorchEngine(load, threads=1)
    await asyncio.gather(engine.__aenter__(), free_it())
    await engine.__aexit__()


@given(text=st.text(st.characters(max_codepoint=0x3FFFF, exclude_categories=["Cs", "Cc"])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_text_comes_out_in_whole_letters(gpt2: LoadedModel, text: str) -> None:
    prompt = gpt2.format.encode("horror", "Once")
    stream = TextStream(gpt2.tokenizer, gpt2.format.control_ids, prompt)
    tokens = gpt2.format.encode_text(text)
    pieces = [stream.add([token]) for token in tokens]
    assert "".join([*pieces, stream.add([], final=True)]) == text.rstrip("\ufffd")
    assert all("\ufffd" not in piece for piece in pieces if "\ufffd" not in text)


def test_half_a_letter_at_the_end_is_dropped(gpt2: LoadedModel) -> None:
    half, *rest = gpt2.format.encode_text("é!")
    stream = TextStream(gpt2.tokenizer, frozenset(), [])
    assert [stream.add([half]), stream.add(rest)] == ["", "é!"]
    assert TextStream(gpt2.tokenizer, frozenset(), []).add([half], final=True) == ""


@pytest.mark.model
@pytest.mark.timeout(300)
async def test_the_real_default_model_writes_a_story(default_folder: Path) -> None:
    opening = "A lonely lighthouse keeper"
    async with open_engine("default", device="cpu", threads=2) as engine:
        assert engine.info.model == "SmolLM2-135M-Instruct"
        assert engine.info.licence == "Apache-2.0"
        assert engine.info.context_length == 8192
        request = GenerationRequest("horror", opening, SamplingParams(seed=1, max_new_tokens=60))
        chunks = await chunks_of(engine, request)
    story = clean_story(opening, "".join(chunk.text for chunk in chunks), final=True)
    assert story.startswith(opening)
    assert len(story.split()) > 15
    assert story[-1] in '.!?…"”'
