"""What every training command reads: the genre table, and the seed's text format, one story a line:
`<BOS> <genre> story <EOS>`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.genres import GenreFileError, GenreTable, load_genres
from model.prompt import BOS, EOS
from train.errors import TrainError


@dataclass(frozen=True, slots=True)
class Story:
    """One line of a training file."""

    genre: str
    """Name in the genre table, such as "sci_fi"."""
    text: str
    """Without control tokens."""
    line: int
    """Line number in its file, from 1."""


def genre_table(path: Path | None) -> GenreTable:
    """The table in the YAML file at `path`; None gives the built-in one. Raises TrainError."""
    try:
        return load_genres(path)
    except GenreFileError as error:
        raise TrainError(str(error)) from error


def read_stories(path: Path, table: GenreTable) -> list[Story]:
    """The stories of a file in the seed's format; empty lines are passed over.

    Raises TrainError where the file is missing, empty or not text, and at the first line that is
    no story, with its number.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise TrainError(f"There is no file {path}; `train prepare` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise TrainError(f"{path} cannot be read as UTF-8 text: {error}") from error
    stories = list(_stories(path, lines, table))
    if not stories:
        raise TrainError(f"{path} has no story in it; `train prepare` writes them, one a line")
    return stories


def parse_story(line: str, table: GenreTable) -> tuple[str, str]:
    """Genre name and text of one line. Raises ValueError with what is wrong."""
    head, _, rest = line.strip().partition(" ")
    if head != BOS:
        raise ValueError(f"does not begin with {BOS}: {line.strip()[:40]!r}")
    token, _, text = rest.strip().partition(" ")
    genre = next((genre.name for genre in table if genre.token == token), None)
    if genre is None:
        known = ", ".join(genre.token for genre in table)
        raise ValueError(f"after {BOS} comes {token[:40]!r}, no genre of the table ({known})")
    text = text.strip().removesuffix(EOS).strip()
    if not text:
        raise ValueError("has no story after its genre")
    return genre, text


def _stories(path: Path, lines: list[str], table: GenreTable) -> Iterator[Story]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            genre, text = parse_story(line, table)
        except ValueError as error:
            raise TrainError(f"{path}:{number} {error}") from error
        yield Story(genre, text, number)
