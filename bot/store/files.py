"""Files that are whole or not there. Knows no database."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import DatabaseError


@contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """An empty file beside `target` to be filled, which takes its name when the block is left.

    Raises DatabaseError where `target` is there already or cannot be made. When the block raises,
    nothing is left.
    """
    if target.exists():
        raise DatabaseError(f"{target} exists already. Name a new file.")
    with beside(target) as unfinished:
        yield unfinished
        flush(unfinished)
        unfinished.replace(target)
        flush(target.parent)


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """An empty file in the folder of `target`, gone after the block, unless it was renamed.

    Raises DatabaseError where it cannot be made.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise DatabaseError(
            f"{target.name} cannot be written to {target.parent} ({error.strerror}). Name a folder "
            "that is there and writable."
        ) from error
    os.close(handle)
    unfinished = Path(name)
    try:
        yield unfinished
    finally:
        unfinished.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have a file's content, or a folder's list of names, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
