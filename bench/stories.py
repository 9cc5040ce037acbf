"""Stories asked of our engine through its public interface, and when their text came."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from bench.errors import BenchError
from bench.prompts import Prompt
from model.engine import Engine, GenerationRequest, SamplingParams


@dataclass(slots=True)
class Written:
    """A story that was written."""

    arrivals: list[tuple[float, int]] = field(default_factory=list)
    """For each chunk: `time.perf_counter()` when it came, and the tokens so far."""

    @property
    def n_tokens(self) -> int:
        return self.arrivals[-1][1] if self.arrivals else 0


def exactly(prompt: Prompt, new_tokens: int, seed: int) -> GenerationRequest:
    """A story of just `new_tokens`, sampled as the product samples."""
    genre, opening = prompt
    sampling = SamplingParams(min_new_tokens=new_tokens, max_new_tokens=new_tokens, seed=seed)
    return GenerationRequest(genre, opening, sampling)


async def write(
    engine: Engine, request: GenerationRequest, shown: Callable[[], None] | None = None
) -> Written:
    """Have one story written; `shown` is called as its first visible text comes.

    Raises BenchError for a story cut short, as one is that the context is too small for.
    """
    written, waiting = Written(), shown
    async with aclosing(engine.generate(request)) as chunks:
        async for chunk in chunks:
            written.arrivals.append((time.perf_counter(), chunk.n_tokens))
            if waiting is not None and chunk.text.strip():
                waiting()
                waiting = None
    if written.n_tokens != request.sampling.max_new_tokens:
        raise BenchError(
            f"a story has {written.n_tokens} tokens instead of {request.sampling.max_new_tokens}: "
            f"the model's context is {engine.info.context_length}; ask for fewer new tokens"
        )
    return written
