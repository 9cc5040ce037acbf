"""`cliffhanger train prepare`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from train.readers import BadRow, Row

_WARNINGS_SHOWN = 20


def prepare(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Seed text, CSV with a header, or JSON objects; told apart by content.",
        ),
    ],
    output_dir: Annotated[Path, typer.Option(help="Folder for train.txt, eval.txt and more.")],
    genres: Annotated[
        Path | None, typer.Option(help="Genre file for a task of your own.", show_default="films")
    ] = None,
    eval_share: Annotated[
        float, typer.Option(min=0, max=0.5, help="Share of the films held out.")
    ] = 0.05,
    max_share: Annotated[
        float,
        typer.Option(min=0.01, max=1, help="Largest share of the commonest genre; 1 cuts nothing."),
    ] = 0.4,
    max_repeats: Annotated[
        int, typer.Option(min=1, help="Most times a story of a rare genre is repeated.")
    ] = 4,
    titles: Annotated[
        float, typer.Option(min=0, max=1, help="Share of stories that begin with their title.")
    ] = 0.2,
    min_words: Annotated[int, typer.Option(min=1, help="Shorter texts are dropped.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the split and the order.")] = 42,
) -> None:
    """Turn raw plots into training text: clean, one per film, split, balanced."""
    from rich.console import Console

    from train.manifest import GENRE_COLUMNS, SOURCE_COLUMNS
    from train.prepare import Options, prepare

    console = Console()
    warnings: list[str] = []
    manifest = prepare(
        files,
        output_dir,
        genres,
        Options(eval_share, max_share, max_repeats, titles, min_words, seed),
        track=_progress,
        warn=warnings.append,
    )
    _show_warnings(warnings)
    _show(console, "Sources", SOURCE_COLUMNS, manifest.source_rows())
    _show(console, "Genres", GENRE_COLUMNS, manifest.genre_rows())
    console.print(f"Written to {output_dir}: train.txt, eval.txt, manifest.json, report.md")


def _progress(rows: Sequence[Row | BadRow], name: str) -> Iterable[Row | BadRow]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(rows, name, console=console, transient=True, disable=not console.is_terminal)


def _show_warnings(warnings: list[str]) -> None:
    for warning in warnings[:_WARNINGS_SHOWN]:
        typer.echo(f"skipped {warning}", err=True)
    if (more := len(warnings) - _WARNINGS_SHOWN) > 0:
        typer.echo(f"skipped {more} more rows; manifest.json counts them by reason", err=True)


def _show(console: Console, title: str, columns: Sequence[str], rows: list[Sequence[str]]) -> None:
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
