"""Where results go: a file of its own for each run, so that no earlier one is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.errors import BenchError


def new_stem(folder: Path, command: str) -> Path:
    """`folder`/command-time, to which endings are added; makes the folder. Raises BenchError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BenchError(f"The results cannot be kept in {folder}: {error}") from error
    return folder / f"{command}-{datetime.now():%Y-%m-%d-%H%M%S}"


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write `record` whole or not at all. Raises BenchError."""
    write(path, json.dumps(record, indent=1) + "\n")


def write(path: Path, text: str) -> None:
    """Write `text` whole or not at all. Raises BenchError."""
    partial = path.with_name(f".{path.name}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise BenchError(f"{path} cannot be written: {error}") from error
