"""A model server that speaks OpenAI's `/v1/completions` on loopback, around any `Engine`.

Judges every request by the facts of OpenAI's `CreateCompletionRequest`
(https://platform.openai.com/docs/api-reference/completions/create), refuses fields that it is told
to refuse, and what is too long for its context, in words like those of real servers.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator

from model.engine import Engine, GenerationRequest, SamplingParams
from model.scripted_engine import ScriptedEngine

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]
"""Answers one completion request in place of the engine."""

_REQUEST = Draft202012Validator(
    {
        "type": "object",
        "required": ["model", "prompt"],
        "properties": {
            "model": {"type": "string"},
            "prompt": {"type": "string", "minLength": 1},
            "max_tokens": {"type": "integer", "minimum": 0},
            "temperature": {"type": "number", "minimum": 0, "maximum": 2},
            "top_p": {"type": "number", "minimum": 0, "maximum": 1},
            "seed": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
            "stop": {"type": "array", "minItems": 1, "maxItems": 4, "items": {"type": "string"}},
            "stream": {"type": "boolean"},
            "stream_options": {
                "type": "object",
                "properties": {"include_usage": {"type": "boolean"}},
                "additionalProperties": False,
            },
        },
    }
)


class CompletionsServer:
    """One served model. `url` is where, while `serve` is open."""

    def __init__(
        self,
        engine: Engine | None = None,
        *,
        api_key: str | None = None,
        special: tuple[str, ...] = (),
        refuses: frozenset[str] = frozenset(),
        counts: bool = True,
        context_length: int = 1024,
    ) -> None:
        self.url = ""
        self.models: dict[str, dict[str, Any]] = {"tiny": {"max_model_len": context_length}}
        self.requests: list[dict[str, Any]] = []
        """The completions asked for, in order."""
        self.faults: deque[Fault] = deque()
        """What goes wrong with the next requests."""
        self.writing = 0
        """Stories being written now."""
        self.hung_up = asyncio.Event()
        """Set when a reader has left before the end."""
        self._engine = engine or ScriptedEngine(slots=64)
        self._api_key = api_key
        self._special = special
        self._refuses = refuses
        self._counts = counts
        self._context_length = context_length

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[CompletionsServer]:
        app = web.Application()
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_post("/v1/completions", self._complete)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            async with self._engine:
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
                yield self
        finally:
            await runner.cleanup()

    def count(self, prompt: str) -> int:
        """Tokens of a prompt: words, marks, and each special token as one."""
        names = [*map(re.escape, self._special), r"\w+", r"[^\w\s]"]
        return len(re.findall("|".join(names), prompt))

    def _key_is_wrong(self, request: web.Request) -> bool:
        expected = f"Bearer {self._api_key}"
        return self._api_key is not None and request.headers.get("Authorization") != expected

    async def _list_models(self, request: web.Request) -> web.Response:
        if self._key_is_wrong(request):
            return refusal(401, "invalid_api_key", "Incorrect API key provided")
        cards = [{"id": name, "object": "model", **card} for name, card in self.models.items()]
        return web.json_response({"object": "list", "data": cards})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if self._key_is_wrong(request):
            return refusal(401, "invalid_api_key", "Incorrect API key provided")
        asked = await request.json()
        self.requests.append(asked)
        if self.faults:
            return await self.faults.popleft()(request)
        if wrong := [error.message for error in _REQUEST.iter_errors(asked)]:
            return refusal(400, "invalid_request_error", "; ".join(wrong))
        if unknown := [field for field in asked if field in self._refuses]:
            return refusal(400, "invalid_request_error", f"Unrecognized argument: {unknown[0]}")
        if asked["model"] not in self.models:
            return refusal(404, "NotFoundError", f"The model `{asked['model']}` does not exist.")
        n_prompt = self.count(asked["prompt"])
        if n_prompt + asked["max_tokens"] > self._context_length:
            words = f"This model's maximum context length is {self._context_length} tokens."
            return refusal(400, "BadRequestError", words)
        return await self._write(request, asked, n_prompt)

    async def _write(
        self, request: web.Request, asked: dict[str, Any], n_prompt: int
    ) -> web.StreamResponse:
        response = await begin(request)
        sampling = SamplingParams(max_new_tokens=asked["max_tokens"], seed=asked["seed"])
        story = GenerationRequest("drama", asked["prompt"], sampling)
        self.writing += 1
        try:
            async with aclosing(self._engine.generate(story)) as chunks:
                async for chunk in chunks:
                    await send(response, chunk.text, chunk.finish_reason)
            if self._counts and asked.get("stream_options"):
                usage = {"prompt_tokens": n_prompt, "completion_tokens": chunk.n_tokens}
                await send_event(response, {"choices": [], "usage": usage})
            await response.write(b"data: [DONE]\n\n")
        except (asyncio.CancelledError, ConnectionResetError):
            self.hung_up.set()
            raise
        finally:
            self.writing -= 1
        return response


# --- Pieces of answers, for faults too ---


async def begin(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    return response


async def send(response: web.StreamResponse, text: str, finish: str | None = None) -> None:
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
    await send_event(response, {"object": "text_completion", "choices": [choice], "usage": None})


async def send_event(response: web.StreamResponse, value: object) -> None:
    await response.write(f"data: {json.dumps(value)}\n\n".encode())


def refusal(status: int, kind: str, said: str, **headers: str) -> web.Response:
    error = {"error": {"message": said, "type": kind, "param": None, "code": status}}
    return web.json_response(error, status=status, headers=headers)
