"""The rows of all files to stories: one cleaned text a film, of one genre."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from model.genres import DEFAULT_GENRES, GenreTable
from train.cleaning import film_plot, flaw, is_english, tidy
from train.duplicates import groups, normalized
from train.genre_map import GenreMap
from train.leads import Lead, lead_plot
from train.readers import SEED, SEED_OWN, BadRow, Row, Source
from train.split import Story

Track = Callable[[Sequence[Row | BadRow], str], Iterable[Row | BadRow]]
"""Goes through a file's rows, showing how far it is; the text names the file."""
Warn = Callable[[str], None]
"""Hears of one row that cannot be used, as "file:line reason"."""

_NO_GENRE = "no genre of the table"
_BAD = "bad row: "


@dataclass(slots=True)
class SourceCounts:
    """What became of one file's rows."""

    source: Source
    rows: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows by the reason they gave no story."""

    @property
    def bad_rows(self) -> int:
        return sum(n for reason, n in self.dropped.items() if reason.startswith(_BAD))


@dataclass(frozen=True, slots=True)
class Selection:
    """The stories there are, and how they came about."""

    stories: list[Story]
    counts: list[SourceCounts]
    unknown_labels: Counter[str]
    """Of rows without a genre of the table: the parts of their labels."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A cleaned text, before it is known whether another of its film is better."""

    counts: SourceCounts
    row: Row
    genres: tuple[str, ...]
    lead: Lead
    film: str

    @property
    def order(self) -> tuple[int, int, str, str]:
        """The best of a film comes first: a plot before a lead paragraph, then the longest."""
        source = self.counts.source
        return source.format.rank, -len(self.lead.text), self.lead.text, source.name


def select(
    sources: Sequence[Source], table: GenreTable, min_words: int, *, track: Track, warn: Warn
) -> Selection:
    """Maps genres, cleans, and keeps the best text of each film."""
    genre_map = GenreMap(table)
    candidates: list[_Candidate] = []
    counts = [SourceCounts(source) for source in sources]
    unknown: Counter[str] = Counter()
    named: Counter[str] = Counter()
    for count in counts:
        for row in track(count.source.rows, count.source.name):
            count.rows += 1
            if isinstance(row, BadRow):
                warn(f"{count.source.name}:{row.line} {row.reason}")
                count.dropped[_BAD + _kind(row.reason)] += 1
                continue
            match = genre_map.match(row.labels)
            named.update(match.genres)
            if not match.genres:
                unknown.update(match.unknown or ("(none given)",))
                count.dropped[_NO_GENRE] += 1
                continue
            lead, reason = _cleaned(row, count.source, table, min_words)
            if reason:
                count.dropped[reason] += 1
            else:
                film = _identity(row, count.source.format.name)
                candidates.append(_Candidate(count, row, match.genres, lead, film))
    stories = _one_a_film(candidates, lambda genres: genre_map.choose(genres, named))
    return Selection(stories, counts, unknown)


def _cleaned(
    row: Row, source: Source, table: GenreTable, min_words: int
) -> tuple[Lead, str | None]:
    """A row's story, and why it is none. Texts of an operator's own genres are not taken for
    film plots, unless they come from a film collection."""
    text = tidy(row.text)
    films = source.format.film or table is DEFAULT_GENRES
    if source.format.lead:
        lead = lead_plot(text, row.cast)
    else:
        lead = Lead(film_plot(text, row.cast) if films else text, "")
    reason = flaw(lead.text, min_words)
    if reason is None and films and not is_english(lead.text):
        reason = "not English"
    return lead, reason


def _identity(row: Row, collection: str) -> str:
    """What names a row's film: title and year, or its number, or else the text as it came."""
    title = normalized(tidy(row.title))
    if title and row.year:
        return f"film:{title}:{row.year}"
    if row.key:
        return f"{collection}:{row.key}"
    return f"text:{hashlib.sha256(normalized(row.text).encode()).hexdigest()[:16]}"


def _one_a_film(
    candidates: list[_Candidate], choose: Callable[[tuple[str, ...]], str]
) -> list[Story]:
    candidates.sort(key=lambda candidate: candidate.order)
    texts = [candidate.lead.text for candidate in candidates]
    stories = []
    for group in groups(texts, [candidate.film for candidate in candidates]):
        film = [candidates[index] for index in group]
        best = film[0]
        for other in film[1:]:
            other.counts.dropped["duplicate"] += 1
        best.counts.kept += 1
        title = next((tidy(one.row.title) for one in film if one.row.title), "")
        films = frozenset(one.film for one in film)
        source = best.counts.source
        stories.append(
            Story(
                genre=choose(best.genres),
                text=best.lead.text,
                films=films,
                source=source.name,
                lead=source.format.lead,
                seed=source.format in (SEED, SEED_OWN),
                title=title,
                about=best.lead.about,
            )
        )
    return stories


def _kind(reason: str) -> str:
    """A reason without what differs from row to row, to be counted by."""
    return reason.partition(":")[0].partition(" '")[0]
