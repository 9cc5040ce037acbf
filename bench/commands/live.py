"""`cliffhanger bench loop`, `soak` and `context`: our engine alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.commands.options import RESULTS, Model, OutputDir, Precision, Prompts, numbers

if TYPE_CHECKING:
    from bench.live import Served
    from bench.prompts import Prompt
    from model.torch_engine import TorchEngine

_Rows = list[dict[str, Any]]
AtOnce = Annotated[int, typer.Option(min=1, help="Stories written at once.")]
NewTokens = Annotated[int, typer.Option(min=1, help="Tokens of each story.")]


def loop(
    model: Model = "default",
    precision: Precision = "auto",
    concurrency: AtOnce = 16,
    new_tokens: NewTokens = 128,
    prompts: Prompts = None,
    output_dir: OutputDir = RESULTS,
) -> None:
    """How late the event loop is while stories are written: what a member's command waits for."""
    from bench.live import loop_delays

    async def measure() -> _Rows:
        async with _engine(model, precision, concurrency) as engine:
            idle, writing = await loop_delays(engine, _prompts(prompts), concurrency, new_tokens)
        return [{"while": "idle", **asdict(idle)}, {"while": "writing", **asdict(writing)}]

    settings = {"concurrency": concurrency, "new_tokens": new_tokens}
    measured("loop", output_dir, {"model": model, "precision": precision, **settings}, measure)


def soak(
    model: Model = "default",
    precision: Precision = "auto",
    stories: Annotated[int, typer.Option(min=1, help="Stories to write in all.")] = 2000,
    concurrency: AtOnce = 16,
    new_tokens: NewTokens = 64,
    every: Annotated[int, typer.Option(min=1, help="Stories between two figures.")] = 100,
    prompts: Prompts = None,
    output_dir: OutputDir = RESULTS,
) -> None:
    """Whether memory grows or speed falls with the number of stories served."""
    from rich.console import Console

    from bench.errors import BenchError
    from bench.live import soak

    if every > stories:
        raise BenchError(f"--every is {every}, but --stories only {stories}")
    aside = Console(stderr=True, highlight=False)

    def say(served: Served) -> None:
        figures = f"{served.tokens_per_s:.0f} tokens/s, {served.memory_mb:.0f} MB"
        aside.print(f"{served.n_stories} stories: {figures}")

    async def measure() -> _Rows:
        async with _engine(model, precision, concurrency) as engine:
            served = await soak(
                engine, _prompts(prompts), stories, concurrency, new_tokens, every, say
            )
        return [asdict(row) for row in served]

    settings = {"concurrency": concurrency, "new_tokens": new_tokens}
    measured("soak", output_dir, {"model": model, "precision": precision, **settings}, measure)


def context(
    model: Model = "default",
    precision: Precision = "auto",
    concurrency: AtOnce = 16,
    lengths: Annotated[
        str, typer.Option(help="Tokens written so far, between commas.")
    ] = "64,128,256,512,1024",
    prompts: Prompts = None,
    output_dir: OutputDir = RESULTS,
) -> None:
    """Time of a decode step as the stories grow longer."""
    from bench.live import WINDOW, paces

    chosen = numbers(lengths, "lengths", least=WINDOW + 1)

    async def measure() -> _Rows:
        async with _engine(model, precision, concurrency) as engine:
            found = await paces(engine, _prompts(prompts), concurrency, chosen)
        return [asdict(row) for row in found]

    settings = {"model": model, "precision": precision, "concurrency": concurrency}
    measured("context", output_dir, settings, measure)


def _engine(model: str, precision: Precision, slots: int) -> TorchEngine:
    from model.torch_engine import open_engine

    return open_engine(model, device="cpu", precision=precision, slots=slots)


def _prompts(path: Path | None) -> list[Prompt]:
    from bench.prompts import built_in, read_prompts

    return read_prompts(path) if path else built_in()


def measured(
    name: str,
    output_dir: Path,
    settings: dict[str, Any],
    measure: Callable[[], Coroutine[Any, Any, _Rows]],
    libraries: tuple[str, ...] = ("torch", "transformers"),
) -> None:
    """Measure, show the rows as a table, and write them with the machine they were taken on."""
    from rich.console import Console
    from rich.table import Table

    from bench.files import new_stem, write_json
    from bench.machine import describe, versions

    stem = new_stem(output_dir, name)
    machine = describe()
    rows = asyncio.run(measure())
    path = stem.with_suffix(".json")
    record = {
        "settings": settings,
        "machine": machine,
        "versions": versions(["cliffhanger", *libraries]),
        "rows": rows,
    }
    write_json(path, record)
    table = Table()
    for heading in rows[0]:
        table.add_column(heading.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{v:.1f}" if isinstance(v, float) else str(v) for v in row.values()))
    console = Console(highlight=False)
    console.print(table)
    console.print(f"Written: {path}", markup=False, soft_wrap=True)
