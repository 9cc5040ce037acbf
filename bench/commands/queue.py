"""`cliffhanger bench queue`: what workers on other machines cost, and bring."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bench.commands.live import measured
from bench.commands.options import RESULTS, OutputDir, numbers


def queue(
    url: Annotated[
        str | None,
        typer.Option(help="redis://…", show_default="a redis-server of its own, from the PATH"),
    ] = None,
    workers: Annotated[str, typer.Option(help="Numbers of workers, between commas.")] = "1,2,4",
    slots: Annotated[int, typer.Option(min=1, help="Stories a worker writes at once.")] = 8,
    step_ms: Annotated[
        float, typer.Option(min=0.1, help="Time of a word, of all stories at once.")
    ] = 25.0,
    words: Annotated[int, typer.Option(min=1, help="Words of a story.")] = 120,
    stories: Annotated[int, typer.Option(min=1, help="Stories a slot writes.")] = 4,
    alone: Annotated[
        int, typer.Option(min=1, help="Stories one by one, to time the way of a single one.")
    ] = 200,
    output_dir: OutputDir = RESULTS,
) -> None:
    """Throughput with 1, 2 and 4 workers on a simulated engine, and the queue's own time."""
    from bench.queue_load import Pace, measure

    counts = numbers(workers, "workers")
    pace = Pace(slots, step_ms / 1000, words)
    settings = {"slots": slots, "step_ms": step_ms, "words": words, "stories_a_slot": stories}

    async def rows() -> list[dict[str, object]]:
        return [asdict(row) for row in await measure(url, counts, stories, alone, pace)]

    measured("queue", output_dir, settings, rows, ("saq", "redis", "hiredis"))
