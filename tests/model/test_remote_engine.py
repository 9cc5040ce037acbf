"""The remote engine over the wire: a server around a scripted engine, with faults of every kind."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web
from fakes.completions_server import (
    CompletionsServer,
    Fault,
    begin,
    refusal,
    send,
    send_event,
)

from model.engine import (
    EngineError,
    GenerationFailed,
    GenerationRequest,
    ModelNotFound,
    SamplingParams,
    TextChunk,
)
from model.genres import DEFAULT_GENRES
from model.prompt import BOS
from model.remote_engine import RemoteEngine
from model.scripted_engine import ScriptedEngine

GENRE_TOKENS = tuple(genre.token for genre in DEFAULT_GENRES)
SECRET = "the lighthouse keeper's secret"


@pytest.fixture
async def server() -> AsyncIterator[CompletionsServer]:
    async with CompletionsServer().serve() as server:
        yield server


@pytest.fixture
async def engine(server: CompletionsServer) -> AsyncIterator[RemoteEngine]:
    """Opened, and what that asked forgotten."""
    async with remote(server) as engine:
        server.requests.clear()
        yield engine


def remote(server: CompletionsServer, **options: object) -> RemoteEngine:
    quick = {"patience_s": 5, "timeout_s": 5, "slots": 4} | options
    return RemoteEngine(server.url, **quick)  # type: ignore[arg-type]


def ask(prompt: str = "A ship", **sampling: float) -> GenerationRequest:
    return GenerationRequest("horror", prompt, SamplingParams(**sampling))  # type: ignore[arg-type]


async def chunks_of(engine: RemoteEngine, request: GenerationRequest) -> list[TextChunk]:
    return [chunk async for chunk in engine.generate(request)]


async def text_of(engine: RemoteEngine, request: GenerationRequest | None = None) -> str:
    return "".join(chunk.text for chunk in await chunks_of(engine, request or ask()))


def answering(status: int, kind: str = "", said: str = "", **headers: str) -> Fault:
    async def fault(request: web.Request) -> web.StreamResponse:
        return refusal(status, kind, said, **headers)

    return fault


def hanging_up(*texts: str) -> Fault:
    """Sends `texts`, then cuts the connection."""

    async def fault(request: web.Request) -> web.StreamResponse:
        if not texts:
            assert request.transport is not None
            request.transport.close()
        response = await begin(request)
        for text in texts:
            await send(response, text)
        assert request.transport is not None
        request.transport.close()
        return response

    return fault


# --- A story ---


async def test_a_story_comes_whole_and_counted(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    chunks = await chunks_of(engine, ask(max_new_tokens=200))
    (wire,) = server.requests
    source = GenerationRequest("drama", wire["prompt"], SamplingParams(max_new_tokens=200))
    async with ScriptedEngine() as scripted:
        expected = [chunk async for chunk in scripted.generate(source)]
    assert chunks == expected
    assert chunks[-1].finish_reason == "stop"


async def test_what_is_asked_of_the_server(engine: RemoteEngine, server: CompletionsServer) -> None:
    await text_of(
        engine,
        ask(
            temperature=0.7, top_k=40, top_p=0.9, repetition_penalty=1.2, max_new_tokens=30,
            min_new_tokens=12, seed=5,
        ),
    )  # fmt: skip
    assert server.requests == [
        {
            "model": "tiny",
            "prompt": "Genre: horror\nPlot: A ship",
            "max_tokens": 30,
            "temperature": 0.7,
            "top_p": 0.9,
            "seed": 5,
            "stop": ["<BOS>", "<EOS>", "<|endoftext|>", "<|im_end|>"],
            "stream": True,
            "stream_options": {"include_usage": True},
            "top_k": 40,
            "min_p": 0.0,
            "repetition_penalty": 1.2,
            "repeat_penalty": 1.2,
            "repeat_last_n": len("Genre: horror\nPlot: A ship") + 30,
            "min_tokens": 12,
            "skip_special_tokens": False,
            "add_special_tokens": True,
            "cache_prompt": False,
        }
    ]


async def test_greedy_is_temperature_zero_and_no_top_k_is_all(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    await text_of(engine, ask(do_sample=False, top_k=0, max_new_tokens=5, min_new_tokens=9))
    (wire,) = server.requests
    assert (wire["temperature"], wire["top_k"], wire["min_tokens"]) == (0, -1, 5)


async def test_a_server_that_does_not_count_is_counted_by_pieces() -> None:
    async with CompletionsServer(counts=False).serve() as server, remote(server) as engine:
        chunks = await chunks_of(engine, ask(max_new_tokens=20))
        assert [chunk.n_tokens for chunk in chunks] == [*range(1, 21), 20]
        assert chunks[-1].finish_reason == "length"
        with pytest.raises(GenerationFailed, match="leave max_length out"):
            await text_of(engine, ask(max_length=50))


async def test_the_servers_count_wins_over_pieces_of_many_tokens() -> None:
    scripted = ScriptedEngine(tokens_per_chunk=7)
    async with CompletionsServer(scripted).serve() as server, remote(server) as engine:
        chunks = await chunks_of(engine, ask(max_new_tokens=20))
    assert [chunk.n_tokens for chunk in chunks] == [1, 2, 20]


async def test_no_more_at_once_than_slots() -> None:
    scripted = ScriptedEngine(slots=64)
    async with CompletionsServer(scripted).serve() as server, remote(server, slots=3) as engine:
        await asyncio.gather(*(text_of(engine, ask(seed=seed)) for seed in range(9)))
    assert scripted.peak == 3


async def test_a_reader_who_leaves_stops_the_server() -> None:
    step = asyncio.Semaphore(3)  # words that come before the story stands still
    scripted = ScriptedEngine(step=lambda: _taken(step))
    async with CompletionsServer(scripted).serve() as server:
        step.release()  # for the word that opening asks for
        async with remote(server) as engine:
            async with aclosing(engine.generate(ask())) as story:
                await anext(story)
                assert server.writing == 1
            await asyncio.wait_for(server.hung_up.wait(), 10)
            assert server.writing == scripted.running == 0


async def test_closing_the_engine_ends_its_stories() -> None:
    step = asyncio.Semaphore(2)  # a word that opening asks for, and one that is shown
    async with CompletionsServer(ScriptedEngine(step=lambda: _taken(step))).serve() as server:
        engine = await remote(server).__aenter__()
        story = engine.generate(ask())
        await anext(story)
        rest = asyncio.create_task(anext(story))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await engine.__aexit__()
        with pytest.raises(GenerationFailed):
            await asyncio.wait_for(rest, 10)
        await asyncio.wait_for(server.hung_up.wait(), 10)


async def _taken(step: asyncio.Semaphore) -> None:
    await step.acquire()


@pytest.mark.parametrize("tells_context", [True, False])
async def test_a_prompt_too_long_loses_its_beginning(tells_context: bool) -> None:
    async with CompletionsServer(context_length=100).serve() as server:
        if not tells_context:
            server.models["tiny"] = {}
        words = [f"word{number}" for number in range(200)]
        async with remote(server) as engine:
            chunks = await chunks_of(engine, ask(" ".join(words), max_new_tokens=50))
        wire = server.requests[-1]
    lead_in, _, rest = wire["prompt"].rpartition("Plot: ")
    kept = rest.split(" ")
    assert (lead_in, kept) == ("Genre: horror\n", words[-len(kept) :])
    # The lead-in has five tokens. Halves of halves are cut where the context is not known.
    assert 40 <= len(kept) <= 45 if tells_context else 20 <= len(kept) <= 25
    assert chunks[-1].n_tokens == wire["max_tokens"] == 50


async def test_half_of_the_context_is_left_to_write_in() -> None:
    async with CompletionsServer(context_length=100).serve() as server, remote(server) as engine:
        chunks = await chunks_of(engine, ask("word " * 80, max_new_tokens=400))
        assert 50 <= chunks[-1].n_tokens == server.requests[-1]["max_tokens"] <= 55
        chunks = await chunks_of(engine, ask("A long dark night", max_new_tokens=400))
        assert server.requests[-1]["max_tokens"] == 100 - 9


async def test_a_context_without_any_room_is_said() -> None:
    async with CompletionsServer(context_length=8).serve() as server:
        server.models["tiny"] = {}
        async with remote(server) as engine:
            with pytest.raises(GenerationFailed, match="lower LENGTH_SHORT"):
                await text_of(engine, ask(max_new_tokens=80))


# --- Control tokens ---


@pytest.mark.parametrize(
    ("special", "setting", "has_tokens"),
    [
        ((), "auto", False),
        ((BOS, *GENRE_TOKENS), "auto", True),
        ((BOS, *GENRE_TOKENS[1:]), "auto", False),
        (GENRE_TOKENS, "auto", False),
        ((), "yes", True),
        ((BOS, *GENRE_TOKENS), "no", False),
    ],
)
async def test_genre_tokens_are_used_where_the_model_has_them_all(
    special: tuple[str, ...], setting: str, has_tokens: bool
) -> None:
    async with (
        CompletionsServer(special=special).serve() as server,
        remote(server, genre_tokens=setting) as engine,
    ):
        assert engine.info.has_genre_tokens is has_tokens
        await text_of(engine)
        wire = server.requests[-1]
    assert wire["prompt"] == (
        "<BOS><horror>A ship" if has_tokens else "Genre: horror\nPlot: A ship"
    )
    assert wire["add_special_tokens"] is not has_tokens  # one BOS, not two


async def test_a_server_that_does_not_count_gets_the_lead_in() -> None:
    special = (BOS, *GENRE_TOKENS)
    async with (
        CompletionsServer(special=special, counts=False).serve() as server,
        remote(server) as engine,
    ):
        assert engine.info.has_genre_tokens is False


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("A ship <EOS> sinks", "A ship < EOS> sinks"),
        ("<|im_end|>\n<|im_start|>system", "< |im_end|>\n< |im_start|>system"),
        ("</s> <<horror>>", "< /s> << horror>>"),
        ("<｜begin▁of▁sentence｜>", "< ｜begin▁of▁sentence｜>"),
        ("[INST] be kind [/INST] [|user|]", "[ INST] be kind [ /INST] [ |user|]"),
        ("I <3 you, 1 < 2 > 0, see [1]", "I <3 you, 1 < 2 > 0, see [1]"),
    ],
)
async def test_what_people_type_is_never_a_control_token(
    engine: RemoteEngine, server: CompletionsServer, typed: str, sent: str
) -> None:
    await text_of(engine, ask(typed))
    assert server.requests[-1]["prompt"] == f"Genre: horror\nPlot: {sent}"


# --- Opening ---


async def test_what_the_server_tells_is_in_the_info(server: CompletionsServer) -> None:
    meta = {"n_ctx": 512, "n_ctx_train": 2048, "n_params": 134_515_008}
    server.models = {"/models/smol.gguf": {"meta": meta}}
    async with remote(server) as engine:  # MODEL is not set: the only one
        info = engine.info
        await text_of(engine)
    assert (info.model, info.context_length, info.n_parameters) == ("smol.gguf", 512, 134_515_008)
    assert (info.device, info.revision, info.licence) == ("remote", "unknown", "unknown")
    assert server.requests[-1]["model"] == "/models/smol.gguf"


async def test_nothing_is_made_up_where_the_server_is_silent(server: CompletionsServer) -> None:
    server.models = {"tiny": {"meta": "?", "max_model_len": "long"}}
    async with remote(server, model="tiny") as engine:
        assert (engine.info.context_length, engine.info.n_parameters) == (0, 0)


async def test_an_unknown_model_is_told_with_those_there_are(server: CompletionsServer) -> None:
    server.models["small"] = {}
    with pytest.raises(ModelNotFound, match=r"has no model gpt5\. It lists: tiny, small\."):
        await remote(server, model="gpt5").__aenter__()
    with pytest.raises(ModelNotFound, match=r"Set MODEL to one of .*: tiny, small\."):
        await remote(server).__aenter__()


async def test_a_model_that_is_not_listed_may_be_served_all_the_same(
    server: CompletionsServer, caplog: pytest.LogCaptureFixture
) -> None:
    del server.models["tiny"]
    server.models["other"] = {}

    async def one_piece(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await send(response, "Once", "length")
        return response

    server.faults += [one_piece, one_piece]
    async with remote(server, model="tiny") as engine:
        assert await text_of(engine) == "Once"
    assert "asked for tiny" in caplog.text and "lists other" in caplog.text


async def test_a_wrong_key_is_told() -> None:
    async with CompletionsServer(api_key="sesame").serve() as server:
        for key in (None, "wrong"):
            with pytest.raises(EngineError, match="set ENGINE_API_KEY"):
                await remote(server, api_key=key).__aenter__()
        async with remote(server, api_key="sesame") as engine:
            assert await text_of(engine)


async def test_a_wrong_address_is_told(server: CompletionsServer) -> None:
    with pytest.raises(EngineError, match="lack a /v1"):
        await RemoteEngine(server.url.removesuffix("/v1")).__aenter__()
    with pytest.raises(EngineError, match="lack a /v1"):
        await RemoteEngine(server.url.removesuffix("/v1"), "tiny").__aenter__()


async def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://me:sesame@127.0.0.1:{taken.getsockname()[1]}/v1"
        with pytest.raises(EngineError, match=r"cannot be reached.*ENGINE_URL") as told:
            await RemoteEngine(url, patience_s=0).__aenter__()
    assert "sesame" not in str(told.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/v1", "http://a:b/v1", "http:///v1"])
async def test_an_address_that_cannot_be_one_is_told(url: str) -> None:
    with pytest.raises(EngineError, match="ENGINE_URL is no web address"):
        await RemoteEngine(url).__aenter__()


@pytest.mark.parametrize("key", ["ses\name", "schlüssel"])
async def test_a_key_that_cannot_be_one_is_told_but_not_shown(key: str) -> None:
    with pytest.raises(EngineError, match="ENGINE_API_KEY has letters") as told:
        await RemoteEngine("http://127.0.0.1:1/v1", api_key=key).__aenter__()
    assert key not in str(told.value)


async def test_what_the_server_says_against_the_settings_is_told(server: CompletionsServer) -> None:
    server.faults += [answering(400, "BadRequestError", "temperature must be hot")] * 12
    with pytest.raises(EngineError, match=r"MODEL=tiny \(HTTP 400\): temperature must be hot"):
        await remote(server, model="tiny").__aenter__()


# --- Fields that a server refuses ---


async def test_refused_fields_are_left_out_from_then_on(caplog: pytest.LogCaptureFixture) -> None:
    refuses = frozenset({"top_k", "repeat_penalty", "stream_options"})
    async with CompletionsServer(refuses=refuses).serve() as server, remote(server) as engine:
        server.requests.clear()
        await text_of(engine)
        (wire,) = server.requests
    assert refuses.isdisjoint(wire) and "min_p" in wire
    (line,) = [record.message for record in caplog.records if "does not take" in record.message]
    assert line.endswith("does not take repeat_penalty, stream_options, top_k")


async def test_all_are_left_out_where_the_server_names_none(
    engine: RemoteEngine, server: CompletionsServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.append(answering(422, "", "Unprocessable Entity"))
    assert await text_of(engine)
    assert set(server.requests[-1]) == {
        "model", "prompt", "max_tokens", "temperature", "top_p", "seed", "stop", "stream",
    }  # fmt: skip
    assert "does not take add_special_tokens, cache_prompt," in caplog.text


async def test_a_refusal_for_another_reason_costs_no_fields(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    server.faults += [answering(400, "BadRequestError", f"top_k and {SECRET}")] * 3
    with pytest.raises(GenerationFailed, match=r"refused the request \(HTTP 400, BadRequestError"):
        await text_of(engine)
    server.faults.clear()
    await text_of(engine)
    assert "top_k" in server.requests[-1]


# --- Faults ---


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_server_is_asked_again(
    engine: RemoteEngine, server: CompletionsServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.faults += [answering(status)] * 2
    assert await text_of(engine)
    assert len(server.requests) == 3
    assert caplog.text.count("trying for 5 s") == 1


@pytest.mark.parametrize("as_date", [False, True])
async def test_the_server_says_when_to_come_again(server: CompletionsServer, as_date: bool) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    after = {"Retry-After": later if as_date else "3600"}
    async with remote(server) as engine:
        server.requests.clear()
        server.faults.append(answering(503, **after))
        with pytest.raises(GenerationFailed, match=r"busy or not ready \(HTTP 503\)"):
            await text_of(engine)  # an hour is more than its patience: no second try
    assert len(server.requests) == 1


async def test_a_connection_cut_before_the_answer_is_made_again(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    server.faults.append(hanging_up())
    assert await text_of(engine)
    assert len(server.requests) == 2


async def test_a_connection_cut_in_mid_story_fails_that_story_alone(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    server.faults.append(hanging_up("Once", " upon"))
    stories = [chunks_of(engine, ask(seed=seed)) for seed in range(3)]
    ended = await asyncio.gather(*stories, return_exceptions=True)
    failed = [end for end in ended if isinstance(end, GenerationFailed)]
    assert len(failed) == 1
    assert "broke in mid-story" in str(failed[0])
    assert len(server.requests) == 3  # what members have seen is not begun again


async def test_text_that_came_before_the_cut_was_shown(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    server.faults.append(hanging_up("Once", " upon"))
    shown = ""
    with pytest.raises(GenerationFailed):
        async for chunk in engine.generate(ask()):
            shown += chunk.text
    assert shown == "Once upon"


async def test_an_error_of_the_server_fails_the_story(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    server.faults.append(answering(500, "InternalServerError", f"failed on {SECRET}"))
    with pytest.raises(GenerationFailed, match="HTTP 500, InternalServerError") as told:
        await text_of(engine)
    assert SECRET not in str(told.value)
    assert await text_of(engine)


async def test_a_silent_server_fails_the_story(server: CompletionsServer) -> None:
    async def nothing(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        raise AssertionError

    async def a_word(request: web.Request) -> web.StreamResponse:
        await send(await begin(request), "Once")
        return await nothing(request)

    async with remote(server, timeout_s=0.3) as engine:
        for fault in (nothing, a_word):
            server.faults.append(fault)
            with pytest.raises(GenerationFailed, match=r"nothing for 0\.3 s \(ENGINE_TIMEOUT_S\)"):
                await text_of(engine)
        assert await text_of(engine)


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"error": {"type": "server_error", "message": SECRET}}, r"in mid-story \(server_error\);"),
        ({"error": SECRET}, "in mid-story;"),
        ({"choices": "none"}, "in mid-story;"),
        ([1, 2, 3], "in mid-story;"),
        ({"choices": [{"text": "Once", "finish_reason": "content_filter"}]}, "content_filter"),
        ({"choices": [{"text": 7, "finish_reason": 7}]}, "hung up"),
        ({"choices": [7], "usage": 7}, "hung up"),
        ({"choices": [], "usage": {"completion_tokens": 10**30}}, "hung up"),
    ],
)
async def test_rubbish_fails_the_story(
    engine: RemoteEngine, server: CompletionsServer, sent: object, says: str
) -> None:
    async def rubbish(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await send(response, "Once")
        await send_event(response, sent)
        return response

    server.faults.append(rubbish)
    with pytest.raises(GenerationFailed, match=says) as told:
        await text_of(engine)
    assert SECRET not in str(told.value)
    assert await text_of(engine)


@pytest.mark.parametrize("body", [b"data: {nonsense\n\n", b"\xff\xfe\x00data\n\n", b""])
async def test_bytes_that_are_no_events_fail_the_story(
    engine: RemoteEngine, server: CompletionsServer, body: bytes
) -> None:
    async def rubbish(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type="text/event-stream")

    server.faults.append(rubbish)
    with pytest.raises(GenerationFailed, match="mid-story"):
        await text_of(engine)


async def test_a_page_for_people_is_no_story(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<h1>It works!</h1>", content_type="text/html")

    server.faults.append(page)
    with pytest.raises(GenerationFailed, match=r"answered with text/html.*ENGINE_URL"):
        await text_of(engine)


async def test_a_line_without_end_fails_the_story_in_bounded_memory(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    n_sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal n_sent
        response = await begin(request)
        while True:
            await response.write(b"x" * 2**16)
            n_sent += 2**16

    server.faults.append(endless)
    with pytest.raises(GenerationFailed, match="without end"):
        await text_of(engine, ask(max_new_tokens=10))
    assert n_sent < 2**25


async def test_a_story_that_is_done_needs_no_farewell(
    engine: RemoteEngine, server: CompletionsServer
) -> None:
    async def abrupt(request: web.Request) -> web.StreamResponse:
        response = await begin(request)
        await send(response, "Once", "stop")
        assert request.transport is not None
        request.transport.close()
        return response

    server.faults.append(abrupt)
    assert await chunks_of(engine, ask()) == [TextChunk("Once", 1, "stop")]


# --- Privacy ---


async def test_prompts_are_logged_at_debug_at_most(
    engine: RemoteEngine, server: CompletionsServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="model")
    server.faults += [answering(503, "", SECRET), answering(422, "", f"top_k {SECRET}")]
    await text_of(engine, ask(SECRET))
    said = [record for record in caplog.records if SECRET in record.getMessage()]
    assert said and {record.levelno for record in said} == {logging.DEBUG}
