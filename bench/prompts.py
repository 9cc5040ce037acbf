"""What the measured stories begin with: pairs of a genre and an opening."""

from __future__ import annotations

from pathlib import Path

from bench.errors import BenchError
from model.genres import DEFAULT_GENRES, UnknownGenre

Prompt = tuple[str, str]
"""A genre's name and the first words of a story."""


def built_in() -> list[Prompt]:
    """The genre table's own openings, then the same openings told in each other genre."""
    genres = list(DEFAULT_GENRES)
    return [
        (genres[(place + shift) % len(genres)].name, opening)
        for shift in range(len(genres))
        for place, genre in enumerate(genres)
        for opening in genre.openings
    ]


def read_prompts(path: Path) -> list[Prompt]:
    """Prompts of a file, one a line, as after `/story`: a genre, then the opening.

    Empty lines are skipped. Raises BenchError.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"The prompts in {path} cannot be read: {error}") from error
    prompts = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        genre, _, opening = line.strip().partition(" ")
        try:
            prompts.append((DEFAULT_GENRES.get(genre).name, opening.strip()))
        except UnknownGenre as error:
            known = ", ".join(DEFAULT_GENRES.names)
            raise BenchError(
                f"{path}, line {number}: {genre} is no genre; a line is one of {known}, "
                "and then an opening"
            ) from error
    if not prompts:
        raise BenchError(f"{path} has no prompts; a line is a genre and then an opening")
    return prompts
