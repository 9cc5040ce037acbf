"""Store, queue and engine as they are, with `bot.metrics` counting what goes through them.

Put around them by the house, so that neither they nor those who use them know of it.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import wraps
from typing import Any, Self, cast

from bot import metrics
from bot.domain import VoteValue
from bot.queue import Job, JobUpdate, StoryQueue
from bot.store import StoryStore
from model.engine import Engine, EngineInfo, GenerationFailed, GenerationRequest, TextChunk

_VOTES: dict[int, str] = {1: "up", -1: "down", 0: "clear"}


def observed_store(store: StoryStore) -> StoryStore:
    """An open store, its calls timed and its votes counted."""
    return cast(StoryStore, _Store(store))


def observed_queue(queue: StoryQueue) -> StoryQueue:
    """An open queue, its jobs' waits timed."""
    return cast(StoryQueue, _Queue(queue))


class _Store:
    def __init__(self, store: StoryStore) -> None:
        self._store = store
        self._cast_vote = _timed(store.cast_vote)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if inspect.iscoroutinefunction(found):
            found = _timed(found)
            setattr(self, name, found)  # the next call does not come here
        return found

    async def cast_vote(
        self, member_id: int, story_id: int, value: VoteValue, *more: Any, **named: Any
    ) -> Any:
        tally = await self._cast_vote(member_id, story_id, value, *more, **named)
        metrics.VOTES.labels(_VOTES[value]).inc()
        return tally


def _timed(method: Any) -> Any:
    seconds = metrics.STORE_CALLS.labels(method.__name__)

    @wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with seconds.time():
            return await method(*args, **kwargs)

    return call


class _Queue:
    def __init__(self, queue: StoryQueue) -> None:
        self._queue = queue
        self._submitted_at: dict[int, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    async def submit(self, job: Job, *, even_if_full: bool = False) -> None:
        await self._queue.submit(job, even_if_full=even_if_full)
        self._submitted_at[job.story_id] = time.monotonic()

    async def updates(self, story_id: int) -> AsyncGenerator[JobUpdate, None]:
        now = time.monotonic
        since, is_begun, has_words = self._submitted_at.pop(story_id, now()), False, False
        updates = cast("AsyncGenerator[JobUpdate, None]", self._queue.updates(story_id))
        async with aclosing(updates):
            async for update in updates:
                if update.event != "waiting" and not is_begun:
                    is_begun = True
                    metrics.QUEUE_WAIT.observe(now() - since)
                if update.completion and not has_words:
                    has_words = True
                    metrics.FIRST_TEXT.observe(now() - since)
                yield update


class ObservedEngine:
    """An open engine, its stories and tokens counted; to be used as an `Engine`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        info = engine.info
        metrics.WORKER_SLOTS.set(engine.slots)
        metrics.WORKER.info(
            {
                "model": info.model,
                "revision": info.revision[:12],
                "device": info.device,
                "dtype": info.dtype,
            }
        )

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    @property
    def slots(self) -> int:
        return self._engine.slots

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TextChunk, None]:
        """See `Engine.generate`."""
        began, n_tokens, has_words, outcome = time.monotonic(), 0, False, "stopped"
        metrics.WORKER_WRITING.inc()
        try:
            async with aclosing(self._engine.generate(request)) as chunks:
                async for chunk in chunks:
                    metrics.WORKER_TOKENS.inc(chunk.n_tokens - n_tokens)
                    n_tokens = chunk.n_tokens
                    if chunk.text and not has_words:
                        has_words = True
                        metrics.WORKER_FIRST_TEXT.observe(time.monotonic() - began)
                    if chunk.finish_reason is not None:
                        outcome = "finished"
                    yield chunk
        except GenerationFailed:
            outcome = "failed"
            raise
        finally:
            metrics.WORKER_WRITING.dec()
            metrics.WORKER_STORIES.labels(outcome).inc()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None
