"""Measurements of our engine alone, from inside the process that serves: delays, leaks, length."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.errors import BenchError
from bench.machine import memory_bytes
from bench.prompts import Prompt
from bench.stories import Written, exactly, write
from model.engine import Engine

TICK_S = 0.005
WINDOW = 32
"""Tokens over which the time of one is taken."""


@dataclass(frozen=True, slots=True)
class Delays:
    """How late a task came that asked the event loop to wake it every 5 ms."""

    n_ticks: int
    median_ms: float
    p99_ms: float
    worst_ms: float


@dataclass(frozen=True, slots=True)
class Served:
    """What it took to write the last so many of `n_stories` stories."""

    n_stories: int
    tokens_per_s: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Pace:
    """Time of one decode step of all stories, when each has `n_tokens` tokens of its own."""

    n_tokens: int
    step_ms: float


async def loop_delays(
    engine: Engine, prompts: Sequence[Prompt], n_stories: int, new_tokens: int
) -> tuple[Delays, Delays]:
    """The event loop's delays while nothing is written, and while `n_stories` are."""
    idle = await _ticks_during(asyncio.sleep(2))
    writing = await _ticks_during(_all(engine, prompts, n_stories, new_tokens))
    return _delays(idle), _delays(writing)


async def soak(
    engine: Engine,
    prompts: Sequence[Prompt],
    n_stories: int,
    concurrency: int,
    new_tokens: int,
    every: int,
    say: Callable[[Served], None],
) -> list[Served]:
    """Write `n_stories`, `concurrency` at any time; figures after each `every` of them."""
    seeds = iter(range(n_stories))
    finished, served, began = 0, list[Served](), time.perf_counter()

    async def visitor() -> None:
        nonlocal finished, began
        for seed in seeds:
            await write(engine, exactly(prompts[seed % len(prompts)], new_tokens, seed))
            finished += 1
            if finished % every == 0:
                now = time.perf_counter()
                speed = every * new_tokens / (now - began)
                served.append(Served(finished, speed, memory_bytes() / 1e6))
                say(served[-1])
                began = now

    await asyncio.gather(*(visitor() for _ in range(concurrency)))
    return served


async def paces(
    engine: Engine, prompts: Sequence[Prompt], n_stories: int, lengths: Sequence[int]
) -> list[Pace]:
    """Time per decode step while `n_stories` grow together past each of `lengths` tokens.

    Raises BenchError where too little text came to tell.
    """
    stories = await _all(engine, prompts, n_stories, max(lengths))
    return [_pace(stories, length) for length in sorted(lengths)]


def _pace(stories: Sequence[Written], length: int) -> Pace:
    """Over the window that ends with token number `length`, where a story's text came in it."""
    steps_s = []
    for story in stories:
        marks = [mark for mark in story.arrivals if length - WINDOW <= mark[1] <= length]
        if marks and marks[-1][1] > marks[0][1]:
            (begin_s, first), (end_s, last) = marks[0], marks[-1]
            steps_s.append((end_s - begin_s) / (last - first))
    if not steps_s:
        raise BenchError(f"no story had any text between its tokens {length - WINDOW} and {length}")
    return Pace(length, 1000 * statistics.median(steps_s))


async def _all(
    engine: Engine, prompts: Sequence[Prompt], n_stories: int, new_tokens: int
) -> list[Written]:
    return await asyncio.gather(
        *(
            write(engine, exactly(prompts[seed % len(prompts)], new_tokens, seed))
            for seed in range(n_stories)
        )
    )


async def _ticks_during(work: Awaitable[object]) -> list[float]:
    """When a ticker came round while `work` was being done."""
    marks = [time.perf_counter()]

    async def tick() -> None:
        while True:
            await asyncio.sleep(TICK_S)
            marks.append(time.perf_counter())

    ticker = asyncio.create_task(tick())
    try:
        await work
        await asyncio.sleep(2 * TICK_S)  # so that what delays the last tick counts
    finally:
        ticker.cancel()
    return marks


def _delays(marks: list[float]) -> Delays:
    late = sorted(1000 * (after - before - TICK_S) for before, after in pairwise(marks))
    return Delays(len(late), statistics.median(late), late[int(0.99 * len(late))], late[-1])
