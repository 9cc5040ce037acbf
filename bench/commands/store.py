"""`cliffhanger bench store`: how fast a large store answers, and whether it loses votes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench.commands.live import measured
from bench.commands.options import RESULTS, OutputDir


def store(
    url: Annotated[
        str, typer.Argument(help="sqlite:///load.db, made if it is not there, or postgresql://….")
    ],
    stories: Annotated[int, typer.Option(min=1_000, help="Of a file that is made.")] = 1_000_000,
    votes: Annotated[int, typer.Option(min=1_000, help="Of a file that is made.")] = 10_000_000,
    alone: Annotated[int, typer.Option(min=1, help="Questions of each kind, one by one.")] = 2_000,
    rate: Annotated[int, typer.Option(min=1, help="Votes a second under load.")] = 500,
    reads: Annotated[int, typer.Option(min=1, help="Other questions a second, of each kind.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long the load lasts.")] = 60.0,
    output_dir: OutputDir = RESULTS,
) -> None:
    """Time votes, top, mine and random on a large store, alone and under load.

    The store is changed: use a copy of one that matters.
    """
    from bench.errors import BenchError
    from bench.store_fill import fill
    from bench.store_load import measure
    from bot.errors import OperatorError

    path = Path(url.removeprefix("sqlite:///"))
    try:
        if url.startswith("sqlite:///") and not path.exists():
            fill(path, stories, votes)
        settings = {"votes_s": rate, "reads_s": reads, "seconds": seconds}
        measured(
            "store",
            output_dir,
            {"database": url.partition(":")[0], **settings},
            partial(measure, url, alone, rate, reads, seconds),
            ("sqlalchemy", "aiosqlite", "asyncpg"),
        )
    except OperatorError as error:
        raise BenchError(str(error)) from None
