"""Free-text genres of data sets ("drama, crime", "sci-fi/horror", a list) to the genre table.

No fuzzy matching: a label counts where it, or one of its parts, is a name, label or alias of the
table. For the built-in table the words inside a part count too ("science fiction horror"), and so
do the words below, which film lists use and members do not. An operator's own table knows only
its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from model.genres import DEFAULT_GENRES, GenreTable

SPECIFICITY = ("superhero", "sci_fi", "horror", "thriller", "action", "drama")
"""Several genres match: the first of these wins, the rarer in film lists before the commoner."""

_FILM_ALIASES = {
    "alien": "sci_fi",
    "post apocalyptic": "sci_fi",
    "vampire": "horror",
    "zombie": "horror",
    "monster": "horror",
    "neo noir": "thriller",
    "kung fu": "action",
    "disaster": "action",
    "tragedy": "drama",
}
_LAST_RESORT = {
    "crime": "thriller",
    "gangster": "thriller",
    "detective": "thriller",
    "spy": "thriller",
    "espionage": "thriller",
    "heist": "thriller",
    "war": "action",
}
"""Taken where nothing else matches: "drama, crime" is a drama, "crime" alone a thriller."""
# fmt: off
_LIGHT = frozenset((
    "comedy", "comedies", "comic", "musical", "animated", "animation", "cartoon", "family",
    "children", "children's", "parody", "spoof", "satire", "slapstick",
))
# fmt: on
_SOFT = frozenset(
    ("adventure", "action adventure", "swashbuckler", "supernatural", "mystery", "suspense")
)
"""Beside a light kind, these are no example of their genre: "comedy, mystery" is no thriller."""
# fmt: off
_NEVER = frozenset((
    "documentary", "mockumentary", "docudrama", "concert", "performance",
    "erotic", "erotica", "pornographic", "adult",
))
# fmt: on
_NO_GENRE = frozenset(("live action", "action figure"))
_SEPARATORS = re.compile(r"[,/;|&+–—()\[\]]|\band\b|\s-\s", re.IGNORECASE)
_LONGEST_PHRASE = 3  # words


@dataclass(frozen=True, slots=True)
class Match:
    """What the labels of one row say."""

    genres: tuple[str, ...]
    """Names in the table, in its order."""
    unknown: tuple[str, ...]
    """The parts that named no genre, in small letters."""


class GenreMap:
    """Looks free text up in one table."""

    def __init__(self, table: GenreTable = DEFAULT_GENRES) -> None:
        self._names = table.names
        self._films = table is DEFAULT_GENRES
        self._words = dict(_FILM_ALIASES) if self._films else {}
        for genre in table:
            for word in (genre.name, genre.label, *genre.aliases):
                self._words[_fold(word)] = genre.name

    def match(self, labels: Iterable[str]) -> Match:
        """The genres that the labels name; a label that matches whole is not taken apart."""
        parts = list(dict.fromkeys(part for label in labels for part in self._parts(label)))
        found = {part: list(self._phrases(part)) for part in parts}
        unknown = tuple(part for part in parts if not found[part])
        phrases = {phrase for inside in found.values() for phrase in inside}
        genres = {self._words[phrase] for phrase in phrases}
        if self._films:
            genres = self._sifted(phrases, [word for part in parts for word in part.split()])
        return Match(tuple(name for name in self._names if name in genres), unknown)

    def choose(self, genres: Iterable[str], counts: Mapping[str, int]) -> str:
        """One of several: by SPECIFICITY for the built-in table, else the rarest by `counts`."""
        if self._films:
            return min(genres, key=SPECIFICITY.index)
        return min(genres, key=lambda name: (counts[name], self._names.index(name)))

    def _parts(self, label: str) -> list[str]:
        whole = _fold(label)
        if whole in self._words:
            return [whole]
        return [part for text in _SEPARATORS.split(label) if (part := _fold(text))]

    def _phrases(self, part: str) -> Iterator[str]:
        """The longest phrases of a part that name a genre, from the left."""
        words = part.split() if self._films else [part]
        while words:
            for length in range(min(_LONGEST_PHRASE, len(words)), 0, -1):
                phrase = " ".join(words[:length])
                if phrase in self._words:
                    yield phrase
                if phrase in self._words or phrase in _NO_GENRE:
                    break
            words = words[length:]

    def _sifted(self, phrases: set[str], words: list[str]) -> set[str]:
        """The genres of `phrases` that stand beside all the `words` of a film's labels."""
        genres = {phrase: self._words[phrase] for phrase in phrases}
        if not _NEVER.isdisjoint(words):
            return set()
        if not _LIGHT.isdisjoint(words):
            return {genre for phrase, genre in genres.items() if phrase not in _SOFT}
        return set(genres.values()) or {_LAST_RESORT[w] for w in words if w in _LAST_RESORT}


def _fold(text: str) -> str:
    """As the genre table folds its words: case, spaces, hyphens and underscores."""
    return re.sub(r"[\s_-]+", " ", text).strip().casefold()
