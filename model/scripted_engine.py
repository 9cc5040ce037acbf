"""An engine without a model: the same request gives the same story, and tests control its time.

Keeps every promise of `Engine` (slots, limits, cancelling, failing one request alone) and passes
the same contract tests as the real one. Knows no torch.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Self

from model.engine import EngineInfo, FinishReason, GenerationFailed, GenerationRequest, TextChunk
from model.genres import DEFAULT_GENRES, GenreTable, UnknownGenre, with_article

_TOKEN = re.compile(r"\s*\S+")

_TURNS = (
    " {who} had heard it said that {label} stories always begin like this.",
    " By midnight the rain had found every crack in the roof.",
    " Nobody answered when {who} called down the stairs.",
    " In the drawer lay a map, and on the map a road that was not there yesterday.",
    " Then the telephone rang twice and stopped.",
    " {who} counted the money again and found one coin too many.",
    " Across the water a single window was lit.",
    " It would have been easy to turn back, and {who} nearly did.",
    " The old dog refused to cross the bridge.",
    " At last the door opened by itself.",
)
_ENDS = (
    " When morning came, only {who} remembered any of it.",
    " And that is how {who} learned to sleep with the light on.",
    " The road was gone, but {who} kept the coin.",
)
_NAMES = ("Mara", "Tomas", "Ines", "Captain Hale", "Old Wren", "Yusuf")


class ScriptedEngine:
    """Writes `text_for(request)` word by word; a word with the space before it is one token.

    `step`, if given, is awaited before every token, so a test decides when each comes. A request
    for which `fail_on` is true fails after `fail_after` tokens.
    """

    def __init__(
        self,
        text_for: Callable[[GenerationRequest], str] | None = None,
        *,
        tokens_per_chunk: int = 1,
        slots: int = 4,
        step: Callable[[], Awaitable[None]] | None = None,
        fail_on: Callable[[GenerationRequest], bool] | None = None,
        fail_after: int = 0,
        context_length: int = 1024,
        genres: GenreTable = DEFAULT_GENRES,
    ) -> None:
        self._text_for = text_for or self._story
        self._tokens_per_chunk = tokens_per_chunk
        self._slots = slots
        self._step = step or _give_way
        self._fail_on = fail_on or (lambda request: False)
        self._fail_after = fail_after
        self._genres = genres
        self._info = EngineInfo(
            model="scripted",
            revision="1",
            adapter_hash=None,
            n_parameters=0,
            context_length=context_length,
            device="none",
            dtype="none",
            has_genre_tokens=True,
            licence="MIT",
        )
        self._free: asyncio.Semaphore | None = None
        self.running = 0
        """Requests being written now."""
        self.peak = 0
        """Most requests ever written at the same time."""

    @property
    def info(self) -> EngineInfo:
        return self._info

    @property
    def slots(self) -> int:
        return self._slots

    async def __aenter__(self) -> Self:
        self._free = asyncio.Semaphore(self._slots)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._free = None

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TextChunk, None]:
        """See `Engine.generate`."""
        try:
            self._genres.get(request.genre)
        except UnknownGenre as error:
            raise GenerationFailed(str(error)) from error
        if self._free is None:
            raise GenerationFailed("the engine is not open")
        async with self._free:
            self.running += 1
            self.peak = max(self.peak, self.running)
            try:
                async for chunk in self._write(request):
                    yield chunk
            finally:
                self.running -= 1

    async def _write(self, request: GenerationRequest) -> AsyncGenerator[TextChunk, None]:
        tokens = _TOKEN.findall(self._text_for(request))
        limit = self._limit(request)
        finish: FinishReason = "length" if len(tokens) > limit else "stop"
        fails_at = self._fail_after if self._fail_on(request) else None
        pending = ""
        for number, token in enumerate(tokens[:limit], 1):
            await self._step()
            if fails_at is not None and number > fails_at:
                break
            pending += token
            if number % self._tokens_per_chunk == 0:
                yield TextChunk(pending, number)
                pending = ""
        if fails_at is not None:
            raise GenerationFailed("the script says that this request fails")
        yield TextChunk(pending, min(len(tokens), limit), finish)

    def _limit(self, request: GenerationRequest) -> int:
        sampling = request.sampling
        longest = min(sampling.max_length or self._info.context_length, self._info.context_length)
        room = longest - len(_TOKEN.findall(request.prompt))
        if room < 1:
            raise GenerationFailed(f"the prompt alone has more than {longest} tokens")
        return min(sampling.max_new_tokens, room)

    def _story(self, request: GenerationRequest) -> str:
        """A story of eight sentences, told by the request's genre, opening and seed."""
        genre = self._genres.get(request.genre)
        dice = random.Random(f"{request.sampling.seed} {genre.name} {request.prompt}")
        who = dice.choice(_NAMES)
        first = " was where it began." if request.prompt else f"{who} told it once, and only once."
        ends_with = f" It was {with_article(genre.label)} story, after all."
        middle = dice.sample(_TURNS, 5)
        sentences = (first, *middle, ends_with, dice.choice(_ENDS))
        return "".join(sentences).format(who=who, label=genre.label)


async def _give_way() -> None:
    await asyncio.sleep(0)
