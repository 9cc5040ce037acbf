from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.prompts import built_in, read_prompts
from model.genres import DEFAULT_GENRES


def test_built_in_prompts_are_enough_for_many_stories_that_all_differ() -> None:
    prompts = built_in()
    openings = [opening for genre in DEFAULT_GENRES for opening in genre.openings]
    assert len(set(prompts)) == len(prompts) == len(openings) * len(DEFAULT_GENRES)
    first = next(iter(DEFAULT_GENRES))
    assert prompts[0] == (first.name, first.openings[0])
    assert {genre for genre, _ in prompts} == set(DEFAULT_GENRES.names)


def test_a_file_of_prompts(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("horror A lonely lighthouse\n\n  scary  Rain.  \nsci_fi\n")
    assert read_prompts(file) == [
        ("horror", "A lonely lighthouse"),
        ("horror", "Rain."),
        ("sci_fi", ""),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("horror Rain.\nopera Rain.\n", "prompts.txt, line 2: opera is no genre"),
        ("\n", "has no prompts"),
    ],
)
def test_what_is_no_file_of_prompts(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text(text)
    with pytest.raises(BenchError, match=problem):
        read_prompts(file)
    with pytest.raises(BenchError, match="cannot be read"):
        read_prompts(tmp_path / "absent.txt")
