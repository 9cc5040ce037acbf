"""What the queue over Redis costs: throughput by the number of workers, and time a story.

The workers are real processes over a real redis-server; only the engine is simulated: each slot
writes a word at a fixed pace, as if each worker had a machine of its own. So what is lost between
the pace and the figures is the queue's.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import sys
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from statistics import median

from bench.errors import BenchError
from bot.errors import OperatorError
from bot.queue import Job, JobUpdate, StoryQueue, open_queue
from bot.worker import StoryWriter
from model.engine import GenerationRequest, SamplingParams
from model.scripted_engine import ScriptedEngine

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """What so many workers wrote in one go."""

    workers: int
    stories: int
    stories_per_s: float
    of_linear: float
    """Percent of as many times what the first row's workers wrote."""
    of_pace: float
    """Percent of what the engines would write if no slot were ever without a story."""
    slot_idle_ms: float
    """Time a slot is without a story, a story."""
    alone_ms: float
    """Time from asking to the whole story, less its writing, one story at a time; median."""
    alone_p99_ms: float


@dataclass(frozen=True, slots=True)
class Pace:
    """The simulated engine's: `slots` stories at once, a word of each every `step_s`."""

    slots: int
    step_s: float
    words: int


async def measure(
    url: str | None, counts: tuple[int, ...], each: int, alone: int, pace: Pace
) -> list[Fleet]:
    """A row for each number of workers, each slot writing `each` stories, after `alone` ones.

    Over a redis-server of its own where `url` is None. Raises BenchError.
    """
    rows: list[Fleet] = []
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(_redis()) if url is None else url
        for n in counts:
            stories_per_s, of_pace, slot_idle_ms, waits = await _run(address, n, each, alone, pace)
            first = rows[0].stories_per_s / rows[0].workers if rows else stories_per_s / n
            rows.append(
                Fleet(
                    workers=n,
                    stories=each * n * pace.slots,
                    stories_per_s=stories_per_s,
                    of_linear=100 * stories_per_s / (n * first),
                    of_pace=of_pace,
                    slot_idle_ms=slot_idle_ms,
                    alone_ms=1000 * median(waits),
                    alone_p99_ms=1000 * sorted(waits)[len(waits) * 99 // 100],
                )
            )
    return rows


async def _run(
    url: str, n_workers: int, each: int, n_alone: int, pace: Pace
) -> tuple[float, float, float, list[float]]:
    model = f"bench-{secrets.token_hex(4)}"
    n_slots = n_workers * pace.slots
    async with AsyncExitStack() as stack:
        try:
            queue = await stack.enter_async_context(open_queue(url, model=model, max_waiting=10**6))
        except OperatorError as error:
            raise BenchError(str(error)) from None
        for _ in range(n_workers):
            await stack.enter_async_context(_worker(url, model, pace))
        await _joined(queue, n_slots)
        alone = [await _alone(queue, number) for number in range(n_alone)]
        began = time.perf_counter()
        written = await asyncio.gather(
            *(_write(queue, number, pace.words) for number in range(each * n_slots))
        )
        elapsed = time.perf_counter() - began
    writing = sum(last.seconds for last in written)
    return (
        len(written) / elapsed,
        100 * writing / (elapsed * n_slots),
        1000 * (elapsed * n_slots - writing) / len(written),
        alone,
    )


async def _joined(queue: StoryQueue, n_slots: int) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            state = await queue.state()
            while state.slots < n_slots:
                await asyncio.sleep(0.05)
                state = await queue.state()
    except TimeoutError:
        raise BenchError("The workers did not join; see what they say above.") from None


async def _alone(queue: StoryQueue, number: int) -> float:
    """Seconds from asking to the whole of a short story, beyond its writing."""
    began = time.perf_counter()
    last = await _write(queue, number, 3)
    return time.perf_counter() - began - last.seconds


async def _write(queue: StoryQueue, number: int, words: int) -> JobUpdate:
    sampling = SamplingParams(max_new_tokens=words)
    request = GenerationRequest("horror", "A lonely lighthouse", sampling)
    await queue.submit(Job(number, 1, f"member {number % 100}", request))
    async for update in queue.updates(number):
        last = update
    if last.event != "finished":
        raise BenchError(f"A story ended as {last.event}; see what the workers say above.")
    return last


# -- servers and workers ---------------------------------------------------------------------------
@asynccontextmanager
async def _redis() -> AsyncIterator[str]:
    """A redis-server without persistence on a free loopback port; its URL."""
    if shutil.which("redis-server") is None:
        raise BenchError("redis-server is not installed; install it, or name one with --url.")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.create_subprocess_exec(
            "redis-server", *options, "--dir", folder, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await _answers(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            await _end(server)


async def _answers(port: int) -> None:
    limit = time.monotonic() + PATIENCE_S
    while time.monotonic() < limit:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await writer.wait_closed()
            return
    raise BenchError("redis-server did not start; see what it says above.")


@asynccontextmanager
async def _worker(url: str, model: str, pace: Pace) -> AsyncIterator[None]:
    words = (url, model, str(pace.slots), str(pace.step_s))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, *words)
    try:
        yield
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


async def _serve(url: str, model: str, slots: int, step_s: float) -> None:
    """A worker's process."""

    async def step() -> None:
        await asyncio.sleep(step_s)

    engine = ScriptedEngine(lambda request: " word" * 10_000, slots=slots, step=step,
                            context_length=10_000)  # fmt: skip
    async with engine, open_queue(url, model=model) as queue:
        await queue.work(StoryWriter(engine))


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
