"""The engine that runs elsewhere: see `Engine`. A server that speaks OpenAI's API writes.

Prompts go over the wire as text, in which the server's tokenizer reads control tokens; so in what
people typed whatever looks like one is taken apart. Needs no model library. How HTTP is spoken is
`model.completions`'s.
"""

from __future__ import annotations

import asyncio
import logging
import math
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, Self

from model.completions import CompletionsClient, Json, Piece, ServerRefused, ServerUnavailable
from model.engine import (
    EngineError,
    EngineInfo,
    FinishReason,
    GenerationFailed,
    GenerationRequest,
    ModelNotFound,
    SamplingParams,
    TextChunk,
)
from model.genres import DEFAULT_GENRES, Genre, GenreTable, UnknownGenre
from model.prompt import BOS, EOS

log = logging.getLogger(__name__)

GenreTokens = Literal["auto", "yes", "no"]
ONLY_MODEL = "default"
"""As a model's name: the one that the server has."""

_STOP = [BOS, EOS, "<|endoftext|>", "<|im_end|>"]
"""They end a story also where the server would go on; OpenAI takes four at most."""
_LOOK_ALIKE = re.compile(r"<(?=[^<>\s]{1,60}>)|\[(?=[/|_A-Za-z][^\[\]\s]{0,60}\])")
"""What begins a control token of some model: <EOS>, <|im_end|>, </s>, [INST]."""
_MOST_PROBED = 16
_PROBE_REPEATS = 3
_PROBE_MARGIN = 2
"""Tokens that the server may add to a prompt of its own accord, such as its own BOS."""


@dataclass(frozen=True, slots=True)
class _Opened:
    client: CompletionsClient
    model: str
    """As the server calls it."""
    info: EngineInfo
    free: asyncio.Semaphore


class RemoteEngine:
    """Writes up to `slots` stories at once with `model` of the server at `url` (".../v1").

    Opening raises ModelNotFound, and EngineError where the server cannot be used. With
    `genre_tokens` "auto", it finds out whether the model has a token for every genre. In `info`,
    what the server does not tell is "unknown", and 0.

    A server that is away or busy is asked again for `patience_s`; one that says nothing for
    `timeout_s` has failed. How far a seed reproduces a story is up to the server.
    """

    def __init__(
        self,
        url: str,
        model: str = ONLY_MODEL,
        *,
        api_key: str | None = None,
        genre_tokens: GenreTokens = "auto",
        slots: int = 16,
        genres: GenreTable = DEFAULT_GENRES,
        timeout_s: float = 120,
        patience_s: float = 60,
    ) -> None:
        self._url, self._api_key = url, api_key
        self._timeout_s, self._patience_s = timeout_s, patience_s
        self._model = model
        self._genre_tokens = genre_tokens
        self._slots = slots
        self._genres = genres
        self._opened: _Opened | None = None

    @property
    def info(self) -> EngineInfo:
        return self._open().info

    @property
    def slots(self) -> int:
        return self._slots

    async def __aenter__(self) -> Self:
        client = CompletionsClient(
            self._url,
            self._api_key,
            timeout_s=self._timeout_s,
            patience_s=self._patience_s,
            n_connections=self._slots,
        )
        try:
            self._opened = await self._look_around(client)
        except BaseException:
            await client.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.client.aclose()

    def _open(self) -> _Opened:
        if self._opened is None:
            raise GenerationFailed("the engine is not open; use it inside `async with`")
        return self._opened

    # --- One story ---

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TextChunk, None]:
        """See `Engine.generate`."""
        opened = self._open()
        try:
            genre = self._genres.get(request.genre)
        except UnknownGenre as error:
            raise GenerationFailed(str(error)) from error
        n_tokens, rest = 0, ""
        finish: FinishReason | None = None
        async with opened.free, aclosing(self._pieces(opened, genre, request)) as pieces:
            try:
                async for piece in pieces:
                    # Where the server does not count, a piece is about a token.
                    n_tokens = max(n_tokens + bool(piece.text), piece.n_tokens or 0)
                    finish = finish or _finish(piece)
                    if finish is not None:  # what follows is the count, from some servers
                        rest += piece.text
                    elif piece.text:
                        yield TextChunk(piece.text, n_tokens)
            except GenerationFailed:
                if finish is None:
                    raise
        if finish is None:
            raise GenerationFailed("the model server hung up in mid-story")
        yield TextChunk(rest, n_tokens, finish)

    async def _pieces(
        self, opened: _Opened, genre: Genre, request: GenerationRequest
    ) -> AsyncGenerator[Piece, None]:
        """The completion. A prompt too long for the context loses its beginning."""
        sampling, text = request.sampling, request.prompt.strip()
        has_tokens = opened.info.has_genre_tokens
        while True:
            prompt = self._prompt(genre, text, has_tokens)
            try:
                n_most = await _n_most(opened, prompt, sampling)
                stream = opened.client.complete(
                    _standard(opened.model, prompt, sampling, n_most),
                    _extensions(prompt, sampling, n_most, has_tokens),
                )
                async with aclosing(stream) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except _TooLong as error:
                share = error.share
            except ServerRefused as refused:
                if not refused.too_long:
                    raise
                share = 0.5
            if not text:
                raise GenerationFailed(
                    f"the model's context has no room for {sampling.max_new_tokens} tokens; lower "
                    "LENGTH_SHORT, LENGTH_MEDIUM and LENGTH_LONG"
                )
            text = text[math.ceil(len(text) * share) :]
            text = text.partition(" ")[2] or text  # from a whole word on

    def _prompt(self, genre: Genre, text: str, has_tokens: bool) -> str:
        """As `PromptFormat.encode`, but as text; a BOS of the model's own is the server's task."""
        head = BOS + genre.token if has_tokens else self._genres.lead_in(genre)
        return (head + _LOOK_ALIKE.sub(r"\g<0> ", text)).rstrip(" ")

    # --- What is there ---

    async def _look_around(self, client: CompletionsClient) -> _Opened:
        """Find the model, and try it: a wrong key, name or address shows now."""
        cards: dict[str, Json] = {}
        try:
            cards = await client.models()
            model = self._name_of(cards, client.address)
            has_tokens = await self._has_genre_tokens(client, model)
        except ServerUnavailable as error:
            raise EngineError(f"{error}. Is it running, and is ENGINE_URL right?") from error
        except ServerRefused as refused:
            raise _explained(refused, client.address, self._model, cards) from refused
        if cards and model not in cards:
            log.warning("asked for %s, but %s lists %s", model, client.address, _names(cards))
        info = _info(model, cards.get(model, {}), has_tokens)
        return _Opened(client, model, info, asyncio.Semaphore(self._slots))

    def _name_of(self, cards: dict[str, Json], address: str) -> str:
        if self._model != ONLY_MODEL or self._model in cards:
            return self._model
        if len(cards) == 1:
            return next(iter(cards))
        if not cards:
            raise EngineError(
                f"The server at {address} lists no models; set MODEL to the name of one. Or does "
                "ENGINE_URL lack a /v1 at its end?"
            )
        raise ModelNotFound(
            f"Set MODEL to one of the models of the server at {address}: {_names(cards)}."
        )

    async def _has_genre_tokens(self, client: CompletionsClient, model: str) -> bool:
        """Whether the model reads each genre's token as one: then it counts one token for each.

        The server's other settings and the model's name are tried by the way.
        """
        tokens = [BOS, *(genre.token for genre in self._genres)][:_MOST_PROBED]
        try:
            probe = "".join(tokens) * _PROBE_REPEATS
            n_read = await _n_prompt_tokens(client, model, probe, has_bos=True)
        except ServerRefused as refused:
            if not refused.too_long:
                raise
            n_read = None  # so many tokens are the letters of the tokens' names
        if self._genre_tokens != "auto":
            return self._genre_tokens == "yes"
        # A name that is none is read as two tokens at least, each time that it is repeated.
        return n_read is not None and n_read <= len(tokens) * _PROBE_REPEATS + _PROBE_MARGIN


class _TooLong(Exception):
    """A prompt leaves too little of the context; it is too long by this `share` of itself."""

    def __init__(self, share: float) -> None:
        self.share = share


async def _n_most(opened: _Opened, prompt: str, sampling: SamplingParams) -> int:
    """Most tokens to write after `prompt`: all of max_new_tokens, or else half of the context.

    The server counts a prompt where its length in bytes, of which a token has one at least, does
    not settle that. Raises _TooLong.
    """
    wanted, context = sampling.max_new_tokens, opened.info.context_length
    fits = not context or len(prompt.encode()) + wanted < context
    if fits and sampling.max_length is None:
        return wanted
    has_tokens = opened.info.has_genre_tokens
    n_prompt = await _n_prompt_tokens(opened.client, opened.model, prompt, has_tokens)
    if sampling.max_length is not None:
        if n_prompt is None:
            raise GenerationFailed("this model server does not count tokens: leave max_length out")
        if n_prompt >= sampling.max_length:
            raise GenerationFailed(
                f"max_length is {sampling.max_length}, but the prompt alone has {n_prompt} tokens"
            )
        wanted = min(wanted, sampling.max_length - n_prompt)
    if fits or n_prompt is None:
        return wanted
    over = n_prompt - (context - min(wanted, context // 2))
    if over > 0:
        raise _TooLong(over / n_prompt)
    return min(wanted, context - n_prompt)


async def _n_prompt_tokens(
    client: CompletionsClient, model: str, prompt: str, has_bos: bool
) -> int | None:
    """Tokens of `prompt` as the server counts them; None where it does not say."""
    sampling = SamplingParams(do_sample=False)
    fields = _standard(model, prompt, sampling, 1)
    n_tokens = None
    async with aclosing(
        client.complete(fields, _extensions(prompt, sampling, 1, has_bos))
    ) as pieces:
        async for piece in pieces:
            n_tokens = n_tokens if piece.n_prompt_tokens is None else piece.n_prompt_tokens
    return n_tokens


def _standard(model: str, prompt: str, sampling: SamplingParams, n_most: int) -> Json:
    """Fields of OpenAI's own description."""
    return {
        "model": model,
        "prompt": prompt,
        "max_tokens": n_most,
        "temperature": sampling.temperature if sampling.do_sample else 0,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": _STOP,
    }


def _extensions(prompt: str, sampling: SamplingParams, n_most: int, has_bos: bool) -> Json:
    """Fields of vLLM or of llama.cpp, or refused by some."""
    return {
        "stream_options": {"include_usage": True},
        "top_k": sampling.top_k or -1,  # 0 is off in llama.cpp alone
        "min_p": 0.0,  # llama.cpp's default would cut off more than top_p does
        "repetition_penalty": sampling.repetition_penalty,  # vLLM
        "repeat_penalty": sampling.repetition_penalty,  # llama.cpp
        # llama.cpp: as far back as the text goes, a token being a byte at least.
        "repeat_last_n": len(prompt.encode()) + n_most,
        "min_tokens": min(sampling.min_new_tokens, n_most),
        "skip_special_tokens": False,  # vLLM: so that _STOP sees them
        "add_special_tokens": not has_bos,  # vLLM: no second BOS
        "cache_prompt": False,  # llama.cpp: what is cached may change what a seed gives
    }


def _finish(piece: Piece) -> FinishReason | None:
    match piece.finish_reason:
        case None | "stop" | "length" as reason:
            return reason
        case other:
            raise GenerationFailed(f"the model server ended the story: {other[:60]}")


def _info(model: str, card: Json, has_tokens: bool) -> EngineInfo:
    meta = card.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    # vLLM's, llama.cpp's for one slot, llama.cpp's for the model.
    lengths = (card.get("max_model_len"), meta.get("n_ctx"), meta.get("n_ctx_train"))
    return EngineInfo(
        model=PurePath(model).name if model.startswith("/") else model,  # no folder in /about
        revision="unknown",
        adapter_hash=None,
        n_parameters=_positive(meta.get("n_params")),
        context_length=next(filter(None, map(_positive, lengths)), 0),
        device="remote",
        dtype="unknown",
        has_genre_tokens=has_tokens,
    )


def _positive(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _names(cards: dict[str, Json]) -> str:
    return ", ".join(list(cards)[:20])


def _explained(
    refused: ServerRefused, address: str, model: str, cards: dict[str, Json]
) -> EngineError:
    """Why the server cannot be used. It has seen no member's words yet, so its own may be shown."""
    if refused.status in (401, 403):
        return EngineError(f"The model server at {address} wants another key: set ENGINE_API_KEY.")
    if refused.status == 404 and cards:
        return ModelNotFound(
            f"The model server at {address} has no model {model}. It lists: {_names(cards)}."
        )
    if refused.status in (404, 405):
        return EngineError(
            f"There is no OpenAI-compatible API at {address}; does ENGINE_URL lack a /v1 at its "
            "end?"
        )
    said = " ".join(refused.said.split())[:300]
    return EngineError(
        f"The model server at {address} refuses to complete with MODEL={model} "
        f"(HTTP {refused.status}): {said}"
    )
