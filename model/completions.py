"""OpenAI's `/v1/completions` over HTTP: a request out, pieces of text back as they are written.

Speaks to vLLM, llama.cpp's server and others of that kind, and knows their differences on the
wire; knows no genre and no story. Logs what a server says at DEBUG only, since it may repeat the
prompt.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from httpx_sse import EventSource, SSEError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_before_delay,
    wait_random_exponential,
)

from model.engine import EngineError, GenerationFailed

log = logging.getLogger(__name__)

Json = dict[str, Any]

_ANSWER_BYTES = 2**20
"""Most that is read of an answer that is no stream: a list of models, an error."""
_EVENT_BYTES = 8 * 2**10
"""Most bytes of stream for each token asked for, many times what servers send."""
_BUSY = (429, 502, 503, 504)  # too many requests; and the ways to say "not yet" or "not now"
_BACKOFF = wait_random_exponential(multiplier=0.25, max=10)


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event of the stream adds; None where it does not say."""

    text: str
    finish_reason: str | None
    n_tokens: int | None
    """Tokens written so far."""
    n_prompt_tokens: int | None


class ServerRefused(GenerationFailed):
    """The server answered with an HTTP error that asking again will not change."""

    def __init__(self, status: int, kind: str, said: str) -> None:
        named = f"HTTP {status}" + (f", {kind}" if kind else "")
        super().__init__(
            f"the model server refused the request ({named}); LOG_LEVEL=DEBUG logs its words"
        )
        self.status = status
        self.said = said
        """Its own words, which may repeat the prompt."""
        self.too_long = status in (400, 413, 422) and bool(
            re.search(r"context|too long", f"{kind} {said}", re.IGNORECASE)
        )
        """Whether prompt and completion do not fit into the model's context."""


class ServerUnavailable(GenerationFailed):
    """The server could not be reached, or was too busy, before it began to write."""

    def __init__(self, text: str, retry_after_s: float = 0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class CompletionsClient:
    """One server, and the connections to it.

    `timeout_s` is the longest silence borne while it works; a server that is away or busy is
    asked again for `patience_s`. Raises EngineError for an address or a key that cannot be one.
    """

    def __init__(
        self,
        url: str,
        api_key: str | None = None,
        *,
        timeout_s: float,
        patience_s: float,
        n_connections: int,
    ) -> None:
        self.address = _address(url)
        """Where it is, without any password: for messages."""
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise EngineError("ENGINE_API_KEY has letters that no key can have; copy it again")
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._refused: frozenset[str] = frozenset()
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout_s, connect=min(10, timeout_s), pool=None),
            limits=httpx.Limits(max_connections=n_connections),
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def models(self) -> dict[str, Json]:
        """What the server tells of each model it has, by name; nothing where it keeps no list.

        Raises ServerUnavailable, and ServerRefused for a wrong key.
        """
        try:
            response = await self._send("GET", "models")
        except ServerRefused as refused:
            if refused.status in (401, 403):
                raise
            return {}
        try:
            cards = _object(await _read(response)).get("data")
        finally:
            await response.aclose()
        cards = cards if isinstance(cards, list) else []
        return {str(card["id"]): card for card in cards if isinstance(card, dict) and "id" in card}

    async def complete(self, request: Json, extensions: Json) -> AsyncGenerator[Piece, None]:
        """Stream the completion of `request`, of which all fields are in OpenAI's description.

        `extensions` are fields that only some servers take: what this one refuses is left out
        from then on. Closing the generator closes the connection, so the server stops too.
        Raises GenerationFailed: ServerUnavailable and ServerRefused only before the first piece.
        """
        response = await self._begin(request | {"stream": True}, extensions)
        try:
            n_most = _ANSWER_BYTES + int(request["max_tokens"]) * _EVENT_BYTES
            response.stream = _Bounded(response.stream, n_most)
            async with aclosing(self._events(response)) as events:
                async for event in events:
                    if event == "[DONE]":
                        return
                    yield _piece(event)
        finally:
            await response.aclose()

    async def _events(self, response: httpx.Response) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(EventSource(response).aiter_sse()) as events:
                async for event in events:
                    if event.data:
                        yield event.data
        except SSEError as error:
            kind = response.headers.get("Content-Type", "nothing that is named")
            raise GenerationFailed(
                f"the model server answered with {kind}, not with an event stream: does "
                "ENGINE_URL lead to an OpenAI-compatible API?"
            ) from error
        except httpx.ReadTimeout as error:
            raise GenerationFailed(self._silent()) from error
        except httpx.HTTPError as error:
            raise GenerationFailed(
                f"the connection to the model server broke in mid-story: {_reason(error)}"
            ) from error

    async def _begin(self, request: Json, extensions: Json) -> httpx.Response:
        """The answer, as it begins; fields that are refused are left out one after the other."""
        dropped: frozenset[str] = frozenset()
        while True:
            taken = {k: v for k, v in extensions.items() if k not in self._refused | dropped}
            try:
                response = await self._send("POST", "completions", request | taken)
            except ServerRefused as refused:
                if not taken or refused.too_long or refused.status not in (400, 422):
                    raise
                named = {field for field in taken if re.search(rf"\b{field}\b", refused.said)}
                dropped |= named or taken.keys()
                continue
            if dropped:
                log.warning("%s does not take %s", self.address, ", ".join(sorted(dropped)))
                self._refused |= dropped
            return response

    async def _send(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(ServerUnavailable),
            stop=stop_before_delay(self._patience_s),
            wait=_wait,
            before_sleep=self._tell,
            reraise=True,
        )
        return await retrying(self._send_once, method, path, body)

    async def _send_once(self, method: str, path: str, body: Json | None) -> httpx.Response:
        request = self._http.build_request(method, path, json=body)
        try:
            response = await self._http.send(request, stream=True)
        except httpx.ReadTimeout as error:
            raise GenerationFailed(self._silent()) from error
        except httpx.HTTPError as error:
            raise ServerUnavailable(
                f"the model server at {self.address} cannot be reached: {_reason(error)}"
            ) from error
        if response.is_success:
            return response
        try:
            status, said = response.status_code, await _read(response)
        finally:
            await response.aclose()
        log.debug("%s %s: HTTP %d, %s", method, self.address, status, said)
        if status in _BUSY:
            raise ServerUnavailable(
                f"the model server at {self.address} is busy or not ready (HTTP {status})",
                _retry_after(response.headers.get("Retry-After", "")),
            )
        raise ServerRefused(status, *_error_of(said))

    def _tell(self, state: RetryCallState) -> None:
        if state.attempt_number == 1 and state.outcome is not None:
            log.warning("%s; trying for %g s", state.outcome.exception(), self._patience_s)

    def _silent(self) -> str:
        return f"the model server sent nothing for {self._timeout_s:g} s (ENGINE_TIMEOUT_S)"


class _Bounded(httpx.AsyncByteStream):
    """A stream that fails where it gets longer than any story: memory is bounded."""

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream, n_most: int) -> None:
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 (an AsyncClient's answer)
        self._stream = stream
        self._left = n_most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._left -= len(part)
            if self._left < 0:
                raise GenerationFailed("the model server sends without end")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


def _address(url: str) -> str:
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise EngineError(f"ENGINE_URL is no web address: {error}") from error
    if not parts.host or (parts.port or 0) >= 2**16:
        raise EngineError("ENGINE_URL is no web address: its host or its port is wrong")
    return f"{parts.scheme}://{parts.netloc.decode()}{parts.path}"


async def _read(response: httpx.Response) -> str:
    """The beginning of an answer that is no stream; what breaks off is read that far."""
    text = ""
    try:
        async for part in response.aiter_text():
            text += part
            if len(text) > _ANSWER_BYTES:
                break
    except httpx.HTTPError as error:
        log.debug("an answer broke off: %s", _reason(error))
    return text


def _object(text: str) -> Json:
    """The JSON object that `text` is; an empty one where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _error_of(text: str) -> tuple[str, str]:
    """Kind and words of an error, in OpenAI's form, FastAPI's, or any other."""
    value = _object(text)
    error = value.get("error", value)
    if not isinstance(error, dict):
        return "", str(error)
    kind = error.get("type") or error.get("code") or ""
    said = error.get("message") or error.get("detail") or text
    is_name = isinstance(kind, str) and re.fullmatch(r"\w{1,60}", kind)
    return (kind if is_name else ""), str(said)


def _piece(event: str) -> Piece:
    value = _object(event)
    if "error" in value or not isinstance(choices := value.get("choices"), list):
        log.debug("sent in mid-story: %s", event)
        kind = _error_of(event)[0]
        raise GenerationFailed(
            f"the model server failed in mid-story{kind and f' ({kind})'}; LOG_LEVEL=DEBUG logs "
            "its words"
        )
    choice = choices[0] if choices and isinstance(choices[0], dict) else {}
    text, finish, usage = choice.get("text"), choice.get("finish_reason"), value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Piece(
        text if isinstance(text, str) else "",
        finish if isinstance(finish, str) else None,
        _count(usage.get("completion_tokens")),
        _count(usage.get("prompt_tokens")),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**31 else None


def _wait(state: RetryCallState) -> float:
    """Seconds until the next try: what the server asks for, or ever longer."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, ServerUnavailable) else 0
    return max(asked, _BACKOFF(state))


def _retry_after(value: str) -> float:
    """Seconds that a Retry-After header asks for, in either of its forms (RFC 9110, 10.2.3)."""
    if value.strip().isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return 0
    return max(0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
