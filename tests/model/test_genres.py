from __future__ import annotations

from pathlib import Path

import pytest

from model.genres import (
    DEFAULT_GENRES,
    Genre,
    GenreFileError,
    GenreTable,
    UnknownGenre,
    load_genres,
    with_article,
)


def test_the_built_in_table_has_the_seed_models_names_and_tokens() -> None:
    assert [(genre.name, genre.token) for genre in DEFAULT_GENRES] == [
        ("superhero", "<superhero>"),
        ("sci_fi", "<sci_fi>"),
        ("action", "<action>"),
        ("drama", "<drama>"),
        ("horror", "<horror>"),
        ("thriller", "<thriller>"),
    ]
    assert len(DEFAULT_GENRES) == 6
    openings = [opening for genre in DEFAULT_GENRES for opening in genre.openings]
    assert len(set(openings)) == 30


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("horror", "horror"),
        ("  HORROR ", "horror"),
        ("Sci-Fi", "sci_fi"),
        ("sci fi", "sci_fi"),
        ("sci_fi", "sci_fi"),
        ("Science  Fiction", "sci_fi"),
        ("SCIFI", "sci_fi"),
        ("super-hero", "superhero"),
        ("found_footage", "horror"),
        ("Action/Adventure".replace("/", " "), "action"),
    ],
)
def test_a_genre_is_found_by_name_label_or_alias_however_it_is_typed(given: str, name: str) -> None:
    assert DEFAULT_GENRES.get(given).name == name


@pytest.mark.parametrize(
    ("given", "nearest"),
    [("horor", "horror"), ("sciense fiction", "sci_fi"), ("Trhiller", "thriller"), ("zzzz", None)],
)
def test_an_unknown_genre_is_refused_with_the_nearest_and_the_choices(
    given: str, nearest: str | None
) -> None:
    with pytest.raises(UnknownGenre) as caught:
        DEFAULT_GENRES.get(given)
    assert caught.value.given == given
    assert caught.value.nearest == nearest
    assert caught.value.choices == DEFAULT_GENRES.names
    assert "superhero, sci_fi, action, drama, horror, thriller" in str(caught.value)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("action", "an action"),
        ("drama", "a drama"),
        ("university", "a university"),
        ("uninvited", "an uninvited"),
        ("European", "a European"),
        ("one-act", "a one-act"),
        ("hourly", "an hourly"),
        ("horror", "a horror"),
    ],
)
def test_the_article_goes_by_sound(label: str, expected: str) -> None:
    assert with_article(label) == expected


def test_the_sentences_of_the_table() -> None:
    action, horror = DEFAULT_GENRES.get("action"), DEFAULT_GENRES.get("horror")
    assert DEFAULT_GENRES.opening(action, "Nine", "") == '"Nine" is an action film about'
    assert DEFAULT_GENRES.opening(horror, "Lamp", "Rain.") == '"Lamp" is a horror film. Rain.'
    assert "horror" in DEFAULT_GENRES.lead_in(horror)


def test_braces_in_a_title_are_only_text() -> None:
    horror = DEFAULT_GENRES.get("horror")
    assert DEFAULT_GENRES.opening(horror, "{label}", "{0}") == '"{label}" is a horror film. {0}'


def test_a_table_refuses_rows_that_cannot_be_told_apart() -> None:
    one = Genre("one", "one", "<one>", aliases=("first",))
    with pytest.raises(ValueError, match="two and one share the token <one>"):
        GenreTable((one, Genre("two", "two", "<one>")))
    with pytest.raises(ValueError, match="'First' stands for both one and two"):
        GenreTable((one, Genre("two", "two", "<two>", aliases=("First",))))
    with pytest.raises(ValueError, match="at least one genre"):
        GenreTable(())


def test_no_file_gives_the_built_in_table() -> None:
    assert load_genres(None) is DEFAULT_GENRES


def test_a_file_makes_another_tale_of_it(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text(
        """
templates:
  title: '{title}: {a_label} headline that'
  lead_in: "News, {label}: "
genres:
  - name: sports
    aliases: [football]
    openings: [Local team]
  - name: us_politics
    label: U.S. politics
    token: <politics>
""",
        encoding="utf-8",
    )
    table = load_genres(path)
    assert table.names == ("sports", "us_politics")
    assert table.get("Football") == Genre(
        "sports", "sports", "<sports>", ("football",), ("Local team",)
    )
    assert table.get("U.S. Politics").token == "<politics>"
    assert table.lead_in(table.get("sports")) == "News, sports: "
    assert table.opening(table.get("sports"), "Rain", "") == "Rain: a sports headline that"
    assert table.templates.title_and_prompt == DEFAULT_GENRES.templates.title_and_prompt


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("genres: [", "is not YAML"),
        ("", "the file must be a mapping, not NoneType"),
        ("- a", "the file must be a mapping, not list"),
        ("genres: []", "it needs a list `genres` with at least one row"),
        ("genres: {a: 1}", "it needs a list `genres`"),
        ("genre: []", "the file: unknown key 'genre'; known: genres, templates"),
        ("genres: [horror]", "genres, row 1 must be a mapping, not str"),
        ("genres: [{name: a}, {label: b}]", "genres, row 2: name must be text, not None"),
        ("genres: [{name: Sci Fi}]", "genres, row 1: name 'Sci Fi' must be small letters"),
        ("genres: [{name: a, token: a}]", "genres, row 1: token 'a' must look like <a>"),
        ("genres: [{name: a, colour: b}]", "genres, row 1: unknown key 'colour'; known: aliases"),
        ("genres: [{name: a, aliases: b}]", "genres, row 1: aliases must be a list of texts"),
        ("genres: [{name: a, openings: [3]}]", "genres, row 1: openings, item 1 must be text"),
        ("genres: [{name: a}, {name: a}]", "share the token <a>"),
        ("templates: {lead_in: 3}\ngenres: [{name: a}]", "templates: lead_in must be text"),
        (
            "templates: {lead_in: '{title}'}\ngenres: [{name: a}]",
            "templates: lead_in uses {title}; it may use {a_label}, {label}",
        ),
        ("templates: {title: '{'}\ngenres: [{name: a}]", "templates: title: "),
        ("templates: {end: x}\ngenres: [{name: a}]", "templates: unknown key 'end'"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "genres.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GenreFileError) as caught:
        load_genres(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert complaint in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(GenreFileError, match="cannot be read"):
        load_genres(tmp_path / "none.yaml")
