"""The engine that runs a model with torch, on a CPU or a GPU: see `Engine`.

One thread of its own loads the model and runs the batch, so the event loop never waits for a
matrix; it sleeps while nothing is asked of it. torch is imported in that thread. Knows text and
requests; how tokens are batched is `model.batch`'s, where models come from `model.registry`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from model.engine import (
    EngineError,
    EngineInfo,
    GenerationFailed,
    GenerationRequest,
    TextChunk,
)
from model.genres import DEFAULT_GENRES, GenreTable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from model.batch import Sequence, StoryBatch
    from model.engine import Precision
    from model.runtime import Runtime

_TEXT_EVERY = 0.1
"""Seconds between two pieces of a story's text: making text of tokens costs the engine's thread."""
_SPINS = "1000"
"""How often a thread of a team looks whether the others are done, before it sleeps (libgomp). By
its default of 300,000 it holds a core for a millisecond that the one it waits for may need: beside
one busy process 16 stories are written at 293 tokens/s so, at 566 to 595 with this; on an idle
machine both are the same."""
_CONTEXT_TOKENS = 6
"""Tokens decoded together with new ones: tokenizers of the SentencePiece kind drop the space
before the first token of a text, and a letter may be spread over up to four tokens."""


def open_engine(
    model: str = "default",
    *,
    device: str = "auto",
    precision: Precision | Literal["auto"] = "auto",
    slots: int = 16,
    threads: int | None = None,
    cache_dir: Path | None = None,
    genres: GenreTable = DEFAULT_GENRES,
) -> TorchEngine:
    """The engine for `model`, as `model.registry.resolve` takes it; loaded in `async with`.

    Raises, there, ModelNotFound or ModelUnusable.
    """

    def load() -> Runtime:
        from model.ready import open_runtime
        from model.registry import resolve

        return open_runtime(
            resolve(model, cache_dir),
            device=device,
            precision=precision,
            genres=genres,
            cache_dir=cache_dir,
        )

    return TorchEngine(load, slots=slots, threads=threads)


class TorchEngine:
    """Writes up to `slots` stories at once with the model that `load` gives."""

    def __init__(
        self, load: Callable[[], Runtime], *, slots: int = 16, threads: int | None = None
    ) -> None:
        self._load = load
        self._slots = slots
        self._threads = threads
        self._loaded: Runtime | None = None
        self._thread: threading.Thread | None = None
        self._wake = threading.Condition()
        # Shared with the thread, under _wake:
        self._waiting: list[_Job] = []
        self._left: list[_Job] = []
        self._closing = False

    @property
    def info(self) -> EngineInfo:
        return self._opened().info

    @property
    def slots(self) -> int:
        return self._slots

    async def __aenter__(self) -> Self:
        ready: asyncio.Future[Runtime] = asyncio.get_running_loop().create_future()
        self._closing = False
        # A daemon: a process whose loop died without closing the engine must still be able to end.
        self._thread = threading.Thread(target=self._run, args=(ready,), name="engine", daemon=True)
        self._thread.start()
        try:
            self._loaded = await ready
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self._thread = self._loaded = None

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[TextChunk, None]:
        """See `Engine.generate`."""
        job = _Job(request, self._opened())
        with self._wake:
            if self._closing:
                raise GenerationFailed("the engine is closing")
            self._waiting.append(job)
            self._wake.notify()
        try:
            while True:
                item = await job.outbox.get()
                if isinstance(item, EngineError):
                    raise item
                yield item
                if item.finish_reason:
                    return
        finally:
            with self._wake:
                self._left.append(job)
                self._wake.notify()

    def _opened(self) -> Runtime:
        if self._loaded is None:
            raise GenerationFailed("the engine is not open; use it inside `async with`")
        return self._loaded

    # --- The engine's thread ---

    def _run(self, ready: asyncio.Future[Runtime]) -> None:
        loop = ready.get_loop()
        try:
            loaded, batch = self._make_ready()
        except BaseException as error:  # for the one who opens the engine
            _tell(loop, _settle, ready, error)
            return
        _tell(loop, _settle, ready, loaded)
        jobs: dict[Sequence, _Job] = {}
        try:
            while self._admit(batch, jobs):
                for sequence in batch.step():
                    if jobs[sequence].deliver():
                        batch.remove(jobs.pop(sequence).sequence)
        finally:
            with self._wake:
                self._closing = True
                for job in [*jobs.values(), *self._waiting]:
                    job.fail(GenerationFailed("the engine was closed before the story was done"))
                self._waiting.clear()

    def _make_ready(self) -> tuple[Runtime, StoryBatch]:
        if "OMP_WAIT_POLICY" not in os.environ:
            os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)  # read when torch is imported
        try:
            import torch

            from model.batch import StoryBatch
        except ModuleNotFoundError as error:
            raise EngineError(
                f"{error.name} is not installed, and the engine needs it: "
                "pip install 'cliffhanger[worker]'"
            ) from error
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        loaded = self._load()
        return loaded, StoryBatch(loaded.decoder, loaded.format.control_ids)

    def _admit(self, batch: StoryBatch, jobs: dict[Sequence, _Job]) -> bool:
        """Let jobs leave and join; sleep while there are none. False: close."""
        with self._wake:
            self._wake.wait_for(lambda: self._closing or self._waiting or self._left or jobs)
            for job in self._left:
                if job in self._waiting:
                    self._waiting.remove(job)
                if jobs.pop(job.sequence, None):
                    batch.remove(job.sequence)
            self._left.clear()
            while self._waiting and len(jobs) < self._slots:
                job = self._waiting.pop(0)
                jobs[job.sequence] = job
                batch.add(job.sequence)
            return not self._closing


class _Job:
    """One request on its way through the engine: tokens in, text out to the loop that asked.

    Raises GenerationFailed for a request that cannot be written at all.
    """

    def __init__(self, request: GenerationRequest, loaded: Runtime) -> None:
        self.sequence = _sequence_of(request, loaded)
        self.outbox: asyncio.Queue[TextChunk | EngineError] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._text = TextStream(loaded.tokenizer, loaded.format.control_ids, self.sequence.prompt)
        self._n_delivered = 0
        self._next_text = 0.0

    def deliver(self) -> bool:
        """Send what the sequence has written since the last time; whether that was the end.

        Sends nothing where it sent something a moment ago, unless this is the end.
        """
        now = time.monotonic()
        if now < self._next_text and not (self.sequence.finish or self.sequence.error):
            return False
        self._next_text = now + _TEXT_EVERY
        try:
            if self.sequence.error:
                raise self.sequence.error
            written, finish = self.sequence.written, self.sequence.finish
            text = self._text.add(written[self._n_delivered :], final=finish is not None)
        except Exception as error:  # of the model or its tokenizer: this story's end, no other's
            self.fail(_explained(error))
            return True
        self._n_delivered = len(written)
        if text or finish:
            _tell(self._loop, self.outbox.put_nowait, TextChunk(text, len(written), finish))
        return finish is not None

    def fail(self, error: EngineError) -> None:
        _tell(self._loop, self.outbox.put_nowait, error)


class TextStream:
    """Text of tokens that come one by one, in whole letters.

    Decodes a short window each time, so the cost of a token does not grow with the story.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, control_ids: frozenset[int], prompt: list[int]
    ) -> None:
        self._tokenizer = tokenizer
        self._window = [token for token in prompt[-_CONTEXT_TOKENS:] if token not in control_ids]
        self._shown = self._decode()

    def add(self, tokens: list[int], *, final: bool = False) -> str:
        """Text that `tokens` add, holding back a letter of which bytes are missing.

        At the end such a letter is dropped.
        """
        self._window.extend(tokens)
        text = self._decode()
        if text.endswith("\ufffd"):
            if not final:
                return ""
            text = text.rstrip("\ufffd")
        added = text[len(self._shown) :]
        self._window = self._window[-_CONTEXT_TOKENS:]
        self._shown = self._decode()
        return added

    def _decode(self) -> str:
        return str(self._tokenizer.decode(self._window, clean_up_tokenization_spaces=False))


def _sequence_of(request: GenerationRequest, loaded: Runtime) -> Sequence:
    """`request` in tokens.

    A prompt too long for the context loses its beginning, so that half of the context, or all of
    max_new_tokens, is left to write in.
    """
    from model.batch import Sequence

    sampling, context = request.sampling, loaded.info.context_length
    n_prompt_most = context - min(sampling.max_new_tokens, context // 2)
    try:
        prompt = loaded.format.encode(request.genre, request.prompt, n_prompt_most)
    except ValueError as error:  # an unknown genre among them
        raise GenerationFailed(str(error)) from error
    room = min(sampling.max_length or context, context) - len(prompt)
    if room < 1:
        raise GenerationFailed(
            f"max_length is {sampling.max_length}, but the prompt alone has {len(prompt)} tokens"
        )
    return Sequence(prompt, sampling, min(sampling.max_new_tokens, room))


def _explained(error: Exception) -> GenerationFailed:
    import torch

    no_memory = isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "allocate" in str(error) and "memory" in str(error)
    )
    if no_memory:
        text = "out of memory: set fewer slots, shorter stories, or a smaller model"
    else:
        text = f"the model failed: {type(error).__name__}: {error}"
    failed = GenerationFailed(text)
    failed.__cause__ = error
    return failed


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
        loop.call_soon_threadsafe(call, *args)


def _settle(ready: asyncio.Future[Runtime], result: Runtime | BaseException) -> None:
    if ready.done():  # the opener was cancelled
        return
    if isinstance(result, BaseException):
        ready.set_exception(result)
    else:
        ready.set_result(result)
