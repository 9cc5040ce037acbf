"""The files that stories come in, told apart by what is in them, not by their names.

A file is one of
- the seed's text: one story a line, `<BOS> <genre> story <EOS>`;
- a CSV (comma, semicolon or tab) whose first line names its columns;
- a JSON array of objects, or JSON lines.

In CSV and JSON the text is in the first of TEXT_COLUMNS there is, the genre in the first of
GENRE_COLUMNS, the title, if any, in a column of TITLE_COLUMNS; where there is no text column, the
title is the text. Three film collections are known by their columns: Kaggle's "Wikipedia Movie
Plots", prust/wikipedia-movie-data, and RaRe-Technologies/movie-plots-by-genre. A row that cannot
be used becomes a BadRow with its line; the rows after it are read on.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.genres import DEFAULT_GENRES, GenreTable
from model.prompt import BOS
from train.errors import TrainError
from train.texts import parse_story

# fmt: off
TEXT_COLUMNS = (
    "plot", "text", "story", "extract", "summary", "synopsis", "abstract", "lyrics", "headline",
    "description", "body", "content", "review",
)
GENRE_COLUMNS = (
    "genre", "genres", "tag", "tags", "label", "labels", "category", "topic", "subject", "artist",
    "author", "class",
)
# fmt: on
TITLE_COLUMNS = ("title", "name", "song", "movie")
YEAR_COLUMNS = ("release year", "year")
EXPECTED = (
    f'seed text ("{BOS} <genre> story <EOS>" a line), a CSV with a header, or JSON objects; their '
    f"columns: a text ({', '.join(TEXT_COLUMNS)}) and a genre ({', '.join(GENRE_COLUMNS)})"
)


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of source."""

    name: str
    licence: str
    rank: int
    """Of two copies of one film, the one of the lower rank is kept."""
    film: bool = False
    """Its texts are film plots, to be cleaned as such."""
    lead: bool = False
    """Its texts are lead paragraphs, which hold a plot among other things."""


SEED = Format("seed text", "texts: CC BY-SA (Wikipedia); file: MIT", 0, film=True)
SEED_OWN = Format("seed text, own genres", "not stated in the file", 0)
KAGGLE = Format("Kaggle Wikipedia Movie Plots", "CC BY-SA (Wikipedia)", 1, film=True)
TAGGED = Format("movie-plots-by-genre", "not stated by its publisher", 2, film=True)
EXTRACTS = Format(
    "wikipedia-movie-data", "texts: CC BY-SA (Wikipedia); file: MIT", 3, film=True, lead=True
)
CSV = Format("CSV", "not stated in the file", 1)
JSON = Format("JSON", "not stated in the file", 1)
_KNOWN_COLUMNS = (
    (KAGGLE, {"release year", "title", "genre", "plot"}),
    (EXTRACTS, {"title", "year", "genres", "extract"}),
    (TAGGED, {"movieid", "plot", "tag"}),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One text as its file has it."""

    line: int
    text: str
    labels: tuple[str, ...]
    """Its genres, free text; one name of the table where the file is seed text."""
    title: str = ""
    year: str = ""
    cast: tuple[str, ...] = ()
    key: str = ""
    """The film's number in its collection, if it has one."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Source:
    """One file, read."""

    name: str
    """Without its folder."""
    format: Format
    sha256: str
    rows: tuple[Row | BadRow, ...]


def read_source(path: Path, table: GenreTable = DEFAULT_GENRES) -> Source:
    """All rows of a file. Raises TrainError where it is none of the formats, or has no good row."""
    data = _bytes(path)
    text = _decoded(path, data)
    if any(line.startswith(BOS) for line in text[:100_000].split("\n")):
        format_ = SEED if table is DEFAULT_GENRES else SEED_OWN
        rows = tuple(_seed_rows(text, table))
    elif text.lstrip()[:1] in ("[", "{"):
        format_, rows = _objects(path, text)
    else:
        format_, rows = _table(path, text)
    if not any(isinstance(row, Row) for row in rows):
        first = next((row for row in rows if isinstance(row, BadRow)), None)
        why = f"; line {first.line}: {first.reason}" if first else ""
        raise TrainError(f"{path} ({format_.name}) has no usable row{why}. Expected: {EXPECTED}")
    return Source(path.name, format_, hashlib.sha256(data).hexdigest(), rows)


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise TrainError(f"There is no file {path}") from None
    except IsADirectoryError:
        raise TrainError(f"{path} is a folder; name the files in it") from None
    except OSError as error:
        raise TrainError(f"{path} cannot be read: {error.strerror}") from error
    if not data.strip():
        raise TrainError(f"{path} is empty. Expected: {EXPECTED}")
    return data


def _decoded(path: Path, data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TrainError(f"{path} is UTF-16; save it as UTF-8 (iconv -f UTF-16 -t UTF-8)")
    if b"\0" in data[:100_000]:
        raise TrainError(f"{path} is no text. Expected: {EXPECTED}")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TrainError(
            f"{path}:{line} is not UTF-8 (byte {error.start}); convert the file, for example with "
            "iconv -f WINDOWS-1252 -t UTF-8"
        ) from None


def _seed_rows(text: str, table: GenreTable) -> Iterator[Row | BadRow]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            genre, story = parse_story(line, table)
        except ValueError as error:
            yield BadRow(number, str(error))
        else:
            yield Row(number, story, (genre,))


# --- JSON -----------------------------------------------------------------------------------------


def _objects(path: Path, text: str) -> tuple[Format, tuple[Row | BadRow, ...]]:
    found = list(_json_values(path, text))
    objects = [value for _, value in found if isinstance(value, dict)]
    columns = {str(key).strip().lower() for value in objects[:100] for key in value}
    format_ = _format(path, columns, JSON)
    has_text = not columns.isdisjoint(TEXT_COLUMNS)
    return format_, tuple(
        _row(line, value, has_text=has_text)
        if isinstance(value, dict)
        else BadRow(line, _no_object(value))
        for line, value in found
    )


def _no_object(value: Any) -> str:
    return value.reason if isinstance(value, BadRow) else f"is no JSON object: {value!r:.40}"


def _json_values(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """Line and value of each element of an array, or of each line."""
    if text.lstrip()[0] == "{":
        for number, item in enumerate(text.split("\n"), 1):
            if item.strip():
                try:
                    yield number, json.loads(item)
                except ValueError as error:
                    yield number, BadRow(number, f"is not JSON: {error}")
        return
    decoder, place, line = json.JSONDecoder(), text.index("[") + 1, 1
    counted = 0
    while True:
        while text[place : place + 1] in (" ", "\n", "\t", ","):
            place += 1
        line += text.count("\n", counted, place)
        counted = place
        if text[place : place + 1] == "]":
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except ValueError as error:
            raise TrainError(f"{path}: the JSON array breaks off or is broken: {error}") from error
        yield line, value


# --- CSV ------------------------------------------------------------------------------------------


def _table(path: Path, text: str) -> tuple[Format, tuple[Row | BadRow, ...]]:
    lines = text.split("\n")
    headers = ((delimiter, next(csv.reader(lines, delimiter=delimiter))) for delimiter in ",;\t")
    delimiter, header = max(headers, key=lambda pair: len(_known(pair[1])))
    columns = [name.strip().lower() for name in header]
    format_ = _format(path, set(columns), CSV)
    has_text = not set(columns).isdisjoint(TEXT_COLUMNS)
    rows: list[Row | BadRow] = []
    for number, cells in _csv_rows(lines, delimiter, len(columns)):
        if isinstance(cells, BadRow):
            rows.append(cells)
        elif not any(cell.strip() for cell in cells):
            rows.append(BadRow(number, "the row is empty"))
        else:
            fields = dict(zip(columns, cells, strict=True))
            rows.append(_row(number, fields, has_text=has_text))
    return format_, tuple(rows)


def _csv_rows(
    lines: list[str], delimiter: str, width: int
) -> Iterator[tuple[int, list[str] | BadRow]]:
    """First line and cells of each row after the header.

    A row that is broken may have swallowed those after it by a quote that never closes, so where
    it spans lines, reading goes on at the line after its first.
    """
    start = 1
    while start < len(lines):
        reader = csv.reader((f"{line}\n" for line in lines[start:]), delimiter=delimiter)
        begin = start
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:  # a cell of over 131,072 characters, for one
                yield begin + 1, BadRow(begin + 1, str(error))
                break
            if cells is None:
                return
            end = start + reader.line_num
            if cells and len(cells) != width:
                yield begin + 1, BadRow(begin + 1, f"has {len(cells)} columns, not {width}")
                if end - begin > 1:
                    break
            elif cells:
                yield begin + 1, cells
            begin = end
        start = begin + 1


# --- What the columns mean ------------------------------------------------------------------------


def _known(names: Sequence[str]) -> set[str]:
    columns = {*TEXT_COLUMNS, *GENRE_COLUMNS, *TITLE_COLUMNS, *YEAR_COLUMNS}
    return columns & {name.strip().lower() for name in names}


def _format(path: Path, columns: set[str], otherwise: Format) -> Format:
    for format_, needed in _KNOWN_COLUMNS:
        if needed <= columns:
            return format_
    for what, names in (("text", (*TEXT_COLUMNS, *TITLE_COLUMNS)), ("genre", GENRE_COLUMNS)):
        if columns.isdisjoint(names):
            raise TrainError(f"{path} has no column for the {what}. Expected: {EXPECTED}")
    return otherwise


def _row(line: int, values: Mapping[Any, Any], *, has_text: bool) -> Row | BadRow:
    fields = {str(key).strip().lower(): value for key, value in values.items()}
    title = _text(_first(fields, TITLE_COLUMNS))
    text = _text(_first(fields, TEXT_COLUMNS)) if has_text else title
    if not text:
        return BadRow(line, "has no text")
    return Row(
        line,
        text,
        _texts(_first(fields, GENRE_COLUMNS)),
        title if has_text else "",
        _text(_first(fields, YEAR_COLUMNS)),
        tuple(name.strip() for item in _texts(fields.get("cast")) for name in item.split(",")),
        _text(fields.get("movieid")),
    )


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), "")


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) else ""


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(text for item in values if (text := _text(item)))
