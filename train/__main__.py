"""The commands of `cliffhanger train`; also `python -m train`, as `accelerate launch` wants it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

import typer
from rich.console import Console

from model.engine import EngineError
from train.commands.evaluate import evaluate
from train.commands.export import export
from train.commands.finetune import finetune
from train.commands.prepare import prepare
from train.commands.sample import sample
from train.errors import TrainError

_stderr = Console(stderr=True, highlight=False)


def _told(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, whose errors become one message and exit code 1."""

    @functools.wraps(command)
    def run(*args: object, **options: object) -> None:
        try:
            command(*args, **options)
        except (TrainError, EngineError) as error:
            _fail(str(error))
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in ("bot", "model", "train"):
                raise
            _fail(
                f"training needs the library {error.name}, which is not installed: "
                "pip install 'cliffhanger[train]'"
            )

    return run


def _fail(problem: str) -> None:
    _stderr.print(f"cliffhanger: {problem}", style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)


app = typer.Typer(
    name="train",
    help="From raw texts to a model that tells your genres: prepare, finetune, evaluate, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (prepare, finetune, evaluate, sample, export):
    app.command()(_told(_command))


if __name__ == "__main__":
    sys.exit(app())
