"""The commands of `cliffhanger bench`; also `python -m bench`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

import typer
from rich.console import Console

from bench.commands.live import context, loop, soak
from bench.commands.quality import quality
from bench.commands.queue import queue
from bench.commands.serve import serve
from bench.commands.store import store
from bench.errors import BenchError
from model.engine import EngineError

_stderr = Console(stderr=True, highlight=False)


def _told(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, whose errors become one message and exit code 1."""

    @functools.wraps(command)
    def run(*args: object, **options: object) -> None:
        try:
            command(*args, **options)
        except (BenchError, EngineError) as error:
            _fail(str(error))
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("bench", "model"):
                raise
            _fail(
                f"measuring needs the library {error.name}, which is not installed: "
                "pip install 'cliffhanger[bench]'"
            )

    return run


def _fail(problem: str) -> None:
    _stderr.print(f"cliffhanger: {problem}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)


app = typer.Typer(
    name="bench",
    help="What the engine and the store are worth: against peers, under load, over time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (serve, quality, loop, soak, context, store, queue):
    app.command()(_told(_command))


if __name__ == "__main__":
    sys.exit(app())
