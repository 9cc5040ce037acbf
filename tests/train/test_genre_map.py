"""Free-text genres to the table."""

from __future__ import annotations

import pytest

from model.genres import Genre, GenreTable
from train.genre_map import SPECIFICITY, GenreMap


@pytest.mark.parametrize(
    ("label", "genres"),
    [
        ("drama", ("drama",)),
        ("Science Fiction", ("sci_fi",)),
        ("sci-fi/horror", ("sci_fi", "horror")),
        ("science fiction horror", ("sci_fi", "horror")),
        ("drama, crime", ("drama",)),
        ("crime drama", ("drama",)),
        ("crime", ("thriller",)),
        ("comedy horror", ("horror",)),
        ("comedy–drama", ("drama",)),
        ("mystery", ("thriller",)),
        ("comedy, mystery", ()),
        ("animated, adventure", ()),
        ("live action", ()),
        ("horror documentary", ()),
        ("comedy", ()),
        ("western", ()),
        ("dramatic comedy", ()),
        ("unknown", ()),
        ("", ()),
    ],
)
def test_a_film_lists_label(label: str, genres: tuple[str, ...]) -> None:
    assert GenreMap().match([label]).genres == genres


def test_a_list_of_labels_is_read_together() -> None:
    match = GenreMap().match(["Thriller", "Western", "Superhero"])
    assert match.genres == ("superhero", "thriller")
    assert match.unknown == ("western",)


def test_every_genre_of_the_built_in_table_has_its_place() -> None:
    found = GenreMap().match(["superhero, sci-fi, action, drama, horror, thriller"]).genres
    assert sorted(found) == sorted(SPECIFICITY)
    assert GenreMap().choose(found, {}) == "superhero"
    assert GenreMap().choose(("action", "drama", "thriller"), {}) == "thriller"


TABLE = GenreTable(
    (
        Genre("science", "science", "<science>"),
        Genre("blues", "rhythm and blues", "<blues>", ("rhythm & blues",)),
        Genre("crime", "crime", "<crime>"),
    )
)


@pytest.mark.parametrize(
    ("label", "genres"),
    [
        ("Rhythm and Blues", ("blues",)),
        ("rhythm & blues; science", ("science", "blues")),
        ("science fiction", ()),
        ("crime", ("crime",)),
        ("gangster", ()),
    ],
)
def test_an_own_table_knows_only_its_own_words(label: str, genres: tuple[str, ...]) -> None:
    assert GenreMap(TABLE).match([label]).genres == genres


def test_an_own_table_gives_the_rarest_of_several() -> None:
    counts = {"science": 9, "blues": 3, "crime": 3}
    assert GenreMap(TABLE).choose(("science", "blues", "crime"), counts) == "blues"
