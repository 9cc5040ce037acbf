"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.errors import BenchError
from bench.writers import base

Model = Annotated[str, typer.Option(help="base, default, a folder, or a Hub id.")]
Prompts = Annotated[
    Path | None,
    typer.Option(
        help="File of prompts, one a line: a genre, then an opening.",
        show_default="the genre table's openings",
    ),
]
Precision = Annotated[
    base.Precision,
    typer.Option(help="Of our engine's weights.", show_default="the fastest of this machine"),
]
Device = Annotated[
    base.Device,
    typer.Option(help="Where our engine and transformers run; other libraries stay on the CPU."),
]
OutputDir = Annotated[Path, typer.Option(help="Folder for the results.")]
RESULTS = Path("runs/bench")


def numbers(text: str, name: str, least: int = 1) -> tuple[int, ...]:
    """Whole numbers between commas, as `--name` takes them. Raises BenchError."""
    try:
        found = tuple(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError:
        found = ()
    if not found or min(found) < least:
        raise BenchError(f"--{name} is {text}; it must be numbers from {least} on, such as 64,128")
    return found
