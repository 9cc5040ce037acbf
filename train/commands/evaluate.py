"""`cliffhanger train evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from train.evaluation.figures import Column


def evaluate(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="base, default, a folder, or a Hub id."),
    ],
    eval_data_file: Annotated[
        Path, typer.Option(help="Held-out stories, as `train prepare` writes them.")
    ],
    train_data_file: Annotated[
        Path | None,
        typer.Option(
            help="Stories the judge of genres learns from.",
            show_default="train.txt beside the held-out file",
        ),
    ] = None,
    genres: Annotated[
        Path | None,
        typer.Option(
            help="Genre file.", show_default="genres.yaml beside the held-out file, or built in"
        ),
    ] = None,
    output_dir: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("evaluation"),
    overwrite: Annotated[bool, typer.Option(help="Replace results that are there.")] = False,
    stories: Annotated[
        int, typer.Option(min=0, help="Stories to write of each genre; 0: likelihood alone.")
    ] = 40,
    max_eval_samples: Annotated[
        int | None,
        typer.Option(min=1, help="Held-out stories to score.", show_default="all"),
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of a story.")] = 220,
    temperature: Annotated[float, typer.Option(help="Above 0; higher is wilder.")] = 0.9,
    top_k: Annotated[int, typer.Option(help="0 takes all tokens.")] = 50,
    top_p: Annotated[float, typer.Option(help="Above 0, at most 1.")] = 0.95,
    repetition_penalty: Annotated[float, typer.Option(help="1 is off.")] = 1.1,
    batch_size: Annotated[int, typer.Option(min=1, help="Stories written at once.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed asks for the same.")] = 1,
) -> None:
    """Measure models side by side: likelihood, genre control, adherence, repetition, endings."""
    from rich.console import Console

    from model.engine import SamplingParams
    from train.errors import TrainError
    from train.evaluation.run import evaluate
    from train.evaluation.settings import Settings

    try:
        sampling = SamplingParams(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            max_new_tokens=max_new_tokens,
        )
    except ValueError as error:
        raise TrainError(str(error)) from error
    settings = Settings(
        models=tuple(models),
        eval_data_file=eval_data_file,
        output_dir=output_dir,
        train_data_file=train_data_file or _beside(eval_data_file, "train.txt"),
        genres=genres or _beside(eval_data_file, "genres.yaml"),
        stories=stories,
        max_eval_samples=max_eval_samples,
        sampling=sampling,
        batch_size=batch_size,
        seed=seed,
        overwrite=overwrite,
    )
    aside, console = Console(stderr=True, highlight=False), Console(highlight=False)
    with _bars(aside) as progress:
        columns, notes = evaluate(
            settings, progress=progress, say=partial(aside.print, markup=False)
        )
    _show(console, columns, notes)
    console.print(f"Written: {output_dir}", markup=False, soft_wrap=True)


def _beside(file: Path, name: str) -> Path | None:
    path = file.with_name(name)
    return path if path.is_file() and path != file else None


@contextmanager
def _bars(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar with the time left for each thing that takes its time."""
    from rich.progress import (
        BarColumn,
        Progress,
        TaskID,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    bars: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:

        def show(what: str, done: int, total: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=total)
            progress.update(bars[what], completed=done)

        yield show


def _show(console: Console, columns: list[Column], notes: list[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from train.evaluation.table import summary_rows

    table = Table()
    for heading in ("", "better"):
        table.add_column(heading)
    for column in columns:
        table.add_column(Text(column.name), justify="right", overflow="fold")
    for row in summary_rows(columns):
        table.add_row(row.figure, row.better, *row.values)
    console.print(table)
    for note in notes:
        console.print(note, markup=False)
