"""Every metric there is: its name, its labels and what it counts, for Prometheus to fetch.

The only module that knows `prometheus_client`. Others count what happens in one line
(`VOTES.labels("up").inc()`); most of it is counted around the house's interfaces, by
`bot.observed`. Label values come from small fixed sets (genres, statuses, classes, loggers), never
from a member, a community or a story. Who serves them is `bot.health`.
"""

from __future__ import annotations

import logging
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0

# One more series for each, which nothing here asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]
REGISTRY = CollectorRegistry()
"""Ours alone: what a library puts into the default one is not shown."""
CONTENT_TYPE = CONTENT_TYPE_PLAIN_1_0_0

_WAITS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)
_ANSWERS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(f"cliffhanger_{name}", text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(f"cliffhanger_{name}", text, labels, registry=REGISTRY)


def _seconds(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    full_name = f"cliffhanger_{name}_seconds"
    return Histogram(full_name, text, labels, buckets=buckets, registry=REGISTRY)


# -- the front of the house ----------------------------------------------------------------------
STORIES_ASKED = _counter("stories_asked", "Stories put in line, after restarts again.", "genre")
STORIES_ENDED = _counter("stories_ended", "Stories closed.", "genre", "status")
QUEUE_WAIT = _seconds("queue_wait", "From a story's place in line to its first step.", _WAITS_S)
FIRST_TEXT = _seconds("first_text", "From a story's place in line to its first words.", _WAITS_S)
QUEUE_WAITING = _gauge("queue_waiting_stories", "Stories in line.")
QUEUE_WRITING = _gauge("queue_writing_stories", "Stories being written, by all workers.")
QUEUE_SLOTS = _gauge("queue_slots", "Stories that all workers can write at the same time.")
QUEUE_EXPECTED_WAIT = _gauge("queue_expected_wait_seconds", "For a story asked for now.")
VOTES = _counter("votes", "Votes cast, changed (up, down) or taken back (clear).", "value")
REFUSALS = _counter("refusals", "Commands answered with a member's mistake or a limit.", "reason")
EDITS = _counter(
    "edits",
    "Edits of growing (partial) and ended (final) stories' messages: made, put off by the "
    "platform's limits or faults, or their message gone.",
    "kind",
    "outcome",
)
PLATFORM_REQUESTS = _counter(
    "platform_requests",
    'HTTP requests to a platform, by its answer ("error": none).',
    "platform",
    "status",
)
STORE_CALLS = _seconds("store_call", "Calls of the store, by method.", _ANSWERS_S, "call")

# -- a worker ------------------------------------------------------------------------------------
WORKER = Info("cliffhanger_worker", "What this worker writes with.", registry=REGISTRY)
WORKER_SLOTS = _gauge("worker_slots", "Stories that this worker can write at the same time.")
WORKER_WRITING = _gauge("worker_writing_stories", "Stories in this worker's batch.")
WORKER_TOKENS = _counter("worker_tokens", "Tokens written by this worker.")
WORKER_STORIES = _counter("worker_stories", "Stories this worker has had.", "outcome")
WORKER_FIRST_TEXT = _seconds(
    "worker_first_text", "From a request to the engine's first words.", (*_ANSWERS_S, 10, 60)
)

# -- every process -------------------------------------------------------------------------------
READY = _gauge("ready", "Whether a part of the process is ready (1) or not (0).", "check")
LOG_MESSAGES = _counter("log_messages", "Warnings and errors logged.", "level", "logger")
Info("cliffhanger_build", "This version.", registry=REGISTRY).info(
    {"version": version("cliffhanger")}
)
ProcessCollector(registry=REGISTRY)  # process_resident_memory_bytes and its like


class LogCounter(logging.Handler):
    """Counts what is logged from WARNING on, whoever logs it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        LOG_MESSAGES.labels(record.levelname.lower(), record.name).inc()


def exposition() -> bytes:
    """All metrics as Prometheus reads them."""
    return generate_latest(REGISTRY)
