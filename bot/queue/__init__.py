"""The line between those who ask for stories and those who write them.

`StoryQueue` is the whole surface; `open_queue(url)` is the only way to get one. The queue carries
jobs one way and updates the other and may forget everything on a restart: the store is the
ledger, and what is still open there is submitted again. Knows no platform and no SQL.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from model.engine import EngineInfo, FinishReason, GenerationRequest

JobEvent = Literal["waiting", "writing", "finished", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Job:
    """One story to write, once. `attempt` tells a redelivery from the delivery before it."""

    story_id: int
    attempt: int
    member: str
    """Whose turn it is: the queue is fair between members."""
    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """The newest state of a job. Updates may be skipped, since each holds all that came before."""

    story_id: int
    attempt: int
    event: JobEvent
    position: int | None = None
    """While waiting: 1 is next."""
    expected_wait_s: float | None = None
    completion: str = ""
    """The raw completion so far."""
    n_tokens: int = 0
    seconds: float = 0.0
    """Since writing began."""
    finish_reason: FinishReason | None = None
    engine: EngineInfo | None = None
    """Set when finished."""
    gave_up: bool = False
    """Failed for good: worker after worker vanished while writing it."""

    @property
    def is_final(self) -> bool:
        return self.event in ("finished", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker as it tells of itself."""

    name: str
    """Machine and process; "here" for the one in this process."""
    slots: int
    """Stories it writes at the same time; while it is leaving, those it still writes."""
    engine: EngineInfo


@dataclass(frozen=True, slots=True)
class QueueState:
    """The line as it stands."""

    waiting: tuple[int, ...] = ()
    """Story ids in the order they will be taken."""
    writing: tuple[int, ...] = ()
    slots: int = 0
    """Stories written at the same time; 0 while no worker has joined."""
    expected_wait_s: float = 0.0
    """For a story submitted now."""
    engine: EngineInfo | None = None
    """What the worker that joined last runs; None while there is none."""
    workers: tuple[WorkerState, ...] = ()


class SentBack(Exception):
    """Raised by a `Writer`: the job was not written, and goes back to the head of the line.

    `worker_vanished`: the worker may have died of it, so a job is not sent back so for ever.
    """

    def __init__(self, why: str, *, worker_vanished: bool = False) -> None:
        self.worker_vanished = worker_vanished
        super().__init__(why)


class Writer(Protocol):
    """What a worker brings to the queue."""

    @property
    def slots(self) -> int:
        """How many jobs it takes at the same time; may change, to 0 before it leaves."""
        ...

    @property
    def info(self) -> EngineInfo: ...

    def write(self, job: Job) -> AsyncGenerator[JobUpdate, None]:
        """Yield "writing" updates and at last a "finished" one. Closing the generator stops it.

        Raises SentBack, or EngineError where the job has failed.
        """
        ...


class StoryQueue(Protocol):
    """Open with `async with`."""

    async def submit(self, job: Job, *, even_if_full: bool = False) -> None:
        """Put a job in line. Raises bot.errors.QueueFull with the expected wait.

        `even_if_full` is for stories acknowledged before a restart: they are never refused.
        """
        ...

    def updates(self, story_id: int) -> AsyncIterator[JobUpdate]:
        """Follow a submitted job, from its state now to its final update. One reader a job."""
        ...

    async def cancel(self, story_id: int) -> None:
        """Take a job out of the line, or stop its writing; its reader hears "cancelled".

        Nothing happens where the job has ended or is unknown.
        """
        ...

    async def state(self) -> QueueState: ...

    async def ping(self) -> None:
        """Raises what the transport raises where it cannot be reached."""
        ...

    async def work(self, writer: Writer) -> None:
        """Serve as a worker until cancelled: at most `writer.slots` jobs at the same time.

        Jobs being written when the worker leaves go back to the head of the line.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...


def open_queue(url: str, *, max_waiting: int = 200, model: str = "default") -> StoryQueue:
    """The queue at `url`, refusing newcomers once `max_waiting` jobs are in line.

    Over Redis, jobs go to workers that opened it with the same `model`. Raises SettingsError for
    a URL that names no known transport, or one whose library is not installed.
    """
    from bot.errors import SettingsError

    transport = url.partition(":")[0]  # what follows may hold a password
    if transport == "memory":
        from bot.queue.memory import MemoryQueue

        return MemoryQueue(max_waiting)
    if transport in ("redis", "rediss"):
        try:
            from bot.queue.redis import RedisQueue
        except ModuleNotFoundError as error:
            library = (error.name or "").partition(".")[0]
            raise SettingsError(
                f"QUEUE_URL is {transport}://, and the library {library} is not installed: "
                "pip install 'cliffhanger[redis]'"
            ) from None
        return RedisQueue(url, max_waiting, model)
    raise SettingsError(
        f"QUEUE_URL begins with {transport!r}: no such queue. Use memory:// (one process does "
        "everything), or redis:// or rediss:// (workers on other machines)."
    )
