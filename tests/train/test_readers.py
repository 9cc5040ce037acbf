"""Files told apart by content, and their rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.genres import Genre, GenreTable
from train.errors import TrainError
from train.readers import BadRow, Row, read_source

DATA = Path("../shared/data")
KAGGLE_HEAD = "Release Year,Title,Origin/Ethnicity,Director,Cast,Genre,Wiki Page,Plot"


def written(folder: Path, text: str, name: str = "file.dat") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_seed_text(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "\ufeff<BOS> <drama> A man waits. <EOS>\r\n\n<BOS> <western> A man rides. <EOS>\n"
        "A line without its mark\n<BOS> <sci_fi> <EOS>\n<BOS> <sci_fi> A ship leaves.\n",
    )
    source = read_source(path)
    assert (source.name, source.format.name) == ("file.dat", "seed text")
    assert [row for row in source.rows if isinstance(row, Row)] == [
        Row(1, "A man waits.", ("drama",)),
        Row(6, "A ship leaves.", ("sci_fi",)),
    ]
    bad = [row for row in source.rows if isinstance(row, BadRow)]
    assert [row.line for row in bad] == [3, 4, 5]
    assert "<western>" in bad[0].reason
    assert "<BOS>" in bad[1].reason


def test_kaggle_csv_with_line_ends_in_cells_and_empty_rows(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        KAGGLE_HEAD + "\n"
        '1929,Salt,American,Ann Ray,"Tom Day, Eva Lee",drama,https://x,"One.\r\nTwo ""quoted""."\n'
        ",,,,,,,\n"
        "1930,Fog,American,Ann Ray,,horror,https://y,\n"
        "1931,Rain,American\n"
        "1932,Snow,American,Ann Ray,,action,https://z,Plot.\n",
    )
    source = read_source(path)
    assert source.format.name == "Kaggle Wikipedia Movie Plots"
    assert source.rows == (
        Row(2, 'One.\nTwo "quoted".', ("drama",), "Salt", "1929", ("Tom Day", "Eva Lee")),
        BadRow(4, "the row is empty"),
        BadRow(5, "has no text"),
        BadRow(6, "has 3 columns, not 8"),
        Row(7, "Plot.", ("action",), "Snow", "1932"),
    )


def test_a_quote_that_never_closes_costs_one_row(tmp_path: Path) -> None:
    good = [f'19{n},Film {n},American,,,drama,https://x,"Plot {n}."\n' for n in range(10, 30)]
    broken = '1909,Broken,American,,,"drama,https://x,Plot.\n'
    source = read_source(written(tmp_path, KAGGLE_HEAD + "\n" + broken + "".join(good)))
    assert [row.line for row in source.rows if isinstance(row, BadRow)] == [2]
    assert len(source.rows) == 21


def test_json_array_of_films_with_line_numbers(tmp_path: Path) -> None:
    films = [
        {
            "title": "Salt",
            "year": 1950,
            "cast": ["Tom Day"],
            "genres": ["Drama", "Crime"],
            "extract": "Salt is.",
        },
        "no object",
        {"title": "Fog", "year": 1951, "cast": [], "genres": ["Horror"]},
    ]
    source = read_source(written(tmp_path, json.dumps(films, indent=1)))
    assert source.format.name == "wikipedia-movie-data"
    assert source.rows == (
        Row(2, "Salt is.", ("Drama", "Crime"), "Salt", "1950", ("Tom Day",)),
        BadRow(14, "is no JSON object: 'no object'"),
        BadRow(15, "has no text"),
    )


def test_tagged_csv(tmp_path: Path) -> None:
    source = read_source(written(tmp_path, ",movieId,plot,tag\n0,17,A man waits.,action\n"))
    assert source.format.name == "movie-plots-by-genre"
    assert source.rows == (Row(2, "A man waits.", ("action",), key="17"),)


@pytest.mark.parametrize(
    "text",
    [
        "headline,topic\nRain falls,weather\n",
        "topic;headline\nweather;Rain falls\n",
        "Topic\tHeadline\nweather\tRain falls\n",
        "label,title\nweather,Rain falls\n",
        '{"label": "weather", "text": "Rain falls"}\n',
        '[{"tag": "weather", "lyrics": "Rain falls"}]',
    ],
)
def test_any_csv_or_json_with_a_text_and_a_genre(tmp_path: Path, text: str) -> None:
    (row,) = read_source(written(tmp_path, text)).rows
    assert isinstance(row, Row)
    assert (row.text, row.labels, row.title) == ("Rain falls", ("weather",), "")


def test_json_lines_report_the_broken_one(tmp_path: Path) -> None:
    text = '{"tag": "a", "text": "One"}\n{"tag": "a", "text"\n\n{"tag": "b", "text": "Two"}\n'
    rows = read_source(written(tmp_path, text)).rows
    assert [row.line for row in rows] == [1, 2, 4]
    assert isinstance(rows[1], BadRow)


def test_seed_text_of_an_own_table(tmp_path: Path) -> None:
    table = GenreTable((Genre("rain", "rain", "<rain>"),))
    source = read_source(written(tmp_path, "<BOS> <rain> It falls. <EOS>\n"), table)
    assert source.rows == (Row(1, "It falls.", ("rain",)),)
    assert source.format.licence == "not stated in the file"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"PK\x03\x04\x00\x00\x00", "is no text"),
        ("weather".encode("utf-16"), "is UTF-16"),
        (b"text,tag\ncaf\xe9,a\n", ":2 is not UTF-8"),
        (b"Some plain words\non two lines\n", "no column for the text"),
        (b"plot,year\nA man waits.,1990\n", "no column for the genre"),
        (b"plot,genre\n,drama\n", "line 2: has no text"),
        (b"<BOS> <polka> A man waits. <EOS>\n", "line 1: after <BOS> comes '<polka>'"),
        (b'[{"plot": "A man waits.", "genre": "drama"}, {"plot', "breaks off"),
        (b"[1, 2, 3]", "no column for the text"),
    ],
)
def test_a_wholly_wrong_file_stops_with_what_was_expected(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "wrong.csv"
    path.write_bytes(content)
    with pytest.raises(TrainError) as caught:
        read_source(path)
    assert str(path) in str(caught.value)
    assert reason in str(caught.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="There is no file"):
        read_source(tmp_path / "none.csv")
    with pytest.raises(TrainError, match="is a folder"):
        read_source(tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("name", "format_", "good", "bad"),
    [
        ("genre_plots.txt", "seed text", 857, 0),
        ("wiki_movie_plots_head.csv", "Kaggle Wikipedia Movie Plots", 1999, 25),
        ("tagged_plots.csv", "movie-plots-by-genre", 2448, 0),
        ("movies-1960s.json", "wikipedia-movie-data", 1570, 12),
    ],
)
def test_the_real_files(name: str, format_: str, good: int, bad: int) -> None:
    source = read_source(DATA / name)
    kinds = [isinstance(row, Row) for row in source.rows]
    assert (source.format.name, sum(kinds), len(kinds) - sum(kinds)) == (format_, good, bad)
