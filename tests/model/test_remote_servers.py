"""The remote engine against servers that others wrote, each with a tiny model, where they are
installed: llama.cpp's (`pip install xllamacpp`) and `transformers serve` (`transformers[serving]`).
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from model.checkpoint import LoadedModel
from model.engine import Engine, EngineError, GenerationFailed, GenerationRequest, SamplingParams
from model.remote_engine import RemoteEngine

pytestmark = pytest.mark.timeout(180)  # a server imports torch first

GREEDY = SamplingParams(do_sample=False, repetition_penalty=1.0, max_new_tokens=20)
LLAMA_CPP = """
import sys, xllamacpp
_, model, port = sys.argv
params = xllamacpp.CommonParams()
params.model.path, params.model_alias = model, {"tiny"}
params.hostnames, params.port = ["127.0.0.1"], int(port)
params.n_parallel, params.n_ctx, params.endpoint_slots = 4, 512, True
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
sys.stdin.read()
"""
TRANSFORMERS = """
import sys
from transformers.cli.transformers import main
_, model, port = sys.argv
sys.argv = ["transformers", "serve", model, "--host", "127.0.0.1", "--port", port]
main()
"""


@dataclass(frozen=True)
class Server:
    url: str
    model: str
    """What MODEL is set to."""


def needs(*libraries: str) -> None:
    if missing := [name for name in libraries if not importlib.util.find_spec(name)]:
        pytest.skip(f"not installed: {', '.join(missing)}")


@contextmanager
def serving(script: str, model: Path) -> Iterator[str]:
    """Run `script` until the block ends; gives the address once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(model), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )
    try:
        address = f"http://127.0.0.1:{port}"
        while not _answers(address):
            assert process.poll() is None, "the server has ended"
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.communicate()


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def llama_cpp(gpt2_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    needs("xllamacpp", "gguf")
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(gpt2_folder, file)
    with serving(LLAMA_CPP, file) as address:
        yield Server(f"{address}/v1", "default")


@pytest.fixture(scope="module")
def transformers_serve(gpt2_folder: Path) -> Iterator[Server]:
    needs("fastapi", "uvicorn", "openai")
    with serving(TRANSFORMERS, gpt2_folder) as address:
        yield Server(f"{address}/v1", str(gpt2_folder))


@pytest.fixture(params=["llama_cpp", "transformers_serve"])
def server(request: pytest.FixtureRequest) -> Server:
    served: Server = request.getfixturevalue(request.param)
    return served


def remote(server: Server) -> RemoteEngine:
    return RemoteEngine(server.url, server.model, slots=4, timeout_s=60)


def write_gguf(folder: Path, target: Path) -> None:
    """The GPT-2 in `folder` as llama.cpp reads it, in float32."""
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text("utf-8"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    writer = gguf.GGUFWriter(target, "gpt2")
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    _add_tokenizer(writer, config, tokenizer)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, config["n_layer"])
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    for name, tensor in tensors.items():
        transposed = ".c_" in name and name.endswith(".weight")  # GPT-2's Conv1D
        own = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(own, tensor.T.copy() if transposed else tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: Any, config: dict[str, Any], tokenizer: dict[str, Any]) -> None:
    from gguf import TokenType

    words = {index: word for word, index in tokenizer["model"]["vocab"].items()}
    added = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    ids = range(config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([added.get(i) or words[i] for i in ids])
    writer.add_token_types([TokenType.CONTROL if i in added else TokenType.NORMAL for i in ids])
    writer.add_token_merges([" ".join(pair) for pair in tokenizer["model"]["merges"]])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)


async def write(engine: Engine, request: GenerationRequest) -> tuple[str, int, str | None]:
    """Text, tokens, and why it ended."""
    chunks = [chunk async for chunk in engine.generate(request)]
    return "".join(chunk.text for chunk in chunks), chunks[-1].n_tokens, chunks[-1].finish_reason


@pytest.mark.parametrize("genre", ["horror", "drama"])
@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("A ship", "A ship"),
        ("", ""),
        ("The old <EOS> dog\nslept [INST]", "The old < EOS> dog\nslept [ INST]"),
    ],
)
async def test_the_story_is_the_one_of_the_model(
    server: Server,
    gpt2: LoadedModel,
    generate_greedily: Callable[[LoadedModel, list[int], SamplingParams], list[int]],
    genre: str,
    prompt: str,
    read: str,
) -> None:
    """Genre token, prompt and end are read over the wire as they are here."""
    tokens = generate_greedily(gpt2, gpt2.format.encode(genre, read), GREEDY)
    async with remote(server) as engine:
        assert engine.info.has_genre_tokens
        text, n_tokens, finish = await write(engine, GenerationRequest(genre, prompt, GREEDY))
    expected = gpt2.tokenizer.decode(tokens)
    # A letter of which bytes are missing at the end is dropped, by llama.cpp with what follows.
    assert expected.startswith(text) and len(expected) - len(text) <= 4
    assert finish == ("length" if len(tokens) == 20 else "stop")
    assert n_tokens - len(tokens) in (0, 1)  # some count the end token


async def test_the_prompt_has_the_tokens_that_ours_has(server: Server, gpt2: LoadedModel) -> None:
    expected = gpt2.format.encode("horror", "The old < EOS> dog")
    request = GenerationRequest("horror", "The old <EOS> dog", replace(GREEDY, max_length=1))
    async with remote(server) as engine:
        with pytest.raises(GenerationFailed, match=f"has {len(expected)} tokens"):
            await write(engine, request)


async def test_many_at_once(server: Server) -> None:
    requests = [
        GenerationRequest("horror", "A ship", SamplingParams(seed=seed, max_new_tokens=30))
        for seed in range(12)
    ]
    async with remote(server) as engine:
        stories = await asyncio.gather(*(write(engine, request) for request in requests))
    for text, n_tokens, finish in stories:
        assert text
        assert n_tokens == 30 if finish == "length" else n_tokens <= 30


async def test_a_reader_who_leaves_frees_the_server(server: Server) -> None:
    request = GenerationRequest("horror", "A ship", replace(GREEDY, max_new_tokens=100))
    async with remote(server) as engine:
        for _ in range(8):
            async with aclosing(engine.generate(request)) as story:
                await anext(story)
        assert (await write(engine, replace(request, sampling=GREEDY)))[1] == 20


async def test_llama_cpp_keeps_a_seed_and_samples_as_asked(llama_cpp: Server) -> None:
    async with remote(llama_cpp) as engine:

        async def text(**sampling: float) -> str:
            params = SamplingParams(max_new_tokens=30, **sampling)  # type: ignore[arg-type]
            return (await write(engine, GenerationRequest("horror", "A ship", params)))[0]

        first = await text(seed=3)
        assert first == await text(seed=3)
        assert first != await text(seed=4)
        greedy = await text(do_sample=False)
        assert greedy == await text(seed=5, top_k=1)
        assert greedy != await text(do_sample=False, repetition_penalty=5.0)


async def test_llama_cpp_tells_what_it_has(llama_cpp: Server, gpt2: LoadedModel) -> None:
    async with remote(llama_cpp) as engine:
        info = engine.info
    assert (info.model, info.context_length) == ("tiny", 128)
    # Written out, the tied embedding counts twice.
    n_embedding = gpt2.model.config.vocab_size * gpt2.model.config.n_embd
    assert info.n_parameters == gpt2.info.n_parameters + n_embedding


async def test_llama_cpp_leaves_half_its_context_to_write_in(llama_cpp: Server) -> None:
    request = GenerationRequest(
        "horror", "A long dark night. " * 60, replace(GREEDY, max_new_tokens=200)
    )
    async with remote(llama_cpp) as engine:
        _, n_tokens, finish = await write(engine, request)
        assert n_tokens >= 64 or finish == "stop"


async def test_transformers_names_the_model_that_it_is_bound_to(
    transformers_serve: Server,
) -> None:
    with pytest.raises(EngineError, match=r"MODEL=other \(HTTP 400\): Server is pinned to"):
        await RemoteEngine(transformers_serve.url, "other").__aenter__()
