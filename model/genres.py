"""The genre table: which genres there are, what a member may call them, and how each is said.

Knows no tokenizer and no model. A deployment changes the table by a YAML file, and so tells other
tales with the same machine: headlines by topic, lyrics by artist.
"""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TOKEN = re.compile(r"<[^<>\s]{1,40}>")
# Written with a vowel but spoken with a consonant, and the other way about.
_CONSONANT_SOUND = re.compile(r"(?:uni(?!n|m)|use|usu|eu|one\b|once\b|ubi)", re.IGNORECASE)
_SILENT_H = re.compile(r"(?:hour|honest|honou?r|heir)", re.IGNORECASE)


class UnknownGenre(ValueError):
    """The text names no genre of the table."""

    def __init__(self, given: str, nearest: str | None, choices: tuple[str, ...]) -> None:
        hint = f" Did you mean {nearest}?" if nearest else ""
        super().__init__(f"There is no genre {given!r}.{hint} Genres: {', '.join(choices)}.")
        self.given = given
        self.nearest = nearest
        """Name of the genre most like what was given; None where nothing is near."""
        self.choices = choices


class GenreFileError(ValueError):
    """A genre file cannot be used; the text names the file, the row and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Genre:
    """One row of the table."""

    name: str
    """Identifier, such as "sci_fi"."""
    label: str
    """As written in a sentence, such as "science fiction"."""
    token: str
    """The model's control token, such as "<sci_fi>"."""
    aliases: tuple[str, ...] = ()
    """Other words for it, in members' mouths and in data sets."""
    openings: tuple[str, ...] = ()
    """Suggested first words of a story."""


@dataclass(frozen=True, slots=True)
class Templates:
    """Sentences the whole table shares.

    Fields: {title}, {prompt}, {label}, and {a_label}, which is the label with its article.
    """

    title: str = '"{title}" is {a_label} film about'
    """The opening where a member gives a title alone."""
    title_and_prompt: str = '"{title}" is {a_label} film. {prompt}'
    """The opening where a member gives both."""
    lead_in: str = "Genre: {label}\nPlot: "
    """Stands before the opening for a model that has no genre tokens; members do not see it.

    Of nine phrasings tried on SmolLM2-135M-Instruct this one gives real film plots the lowest loss
    (3.67 nats a token, against 3.68 to 3.78) and the longest stories before the model stops.
    """


class GenreTable:
    """The genres in their order of display, and the sentences they share.

    Raises ValueError where two rows share a name or a token, or claim the same word.
    """

    def __init__(self, genres: tuple[Genre, ...], templates: Templates | None = None) -> None:
        if not genres:
            raise ValueError("a genre table needs at least one genre")
        self._genres = genres
        self.templates = templates or Templates()
        self._by_word: dict[str, Genre] = {}
        tokens: dict[str, Genre] = {}
        for genre in genres:
            if (other := tokens.setdefault(genre.token, genre)) is not genre:
                raise ValueError(f"{genre.name} and {other.name} share the token {genre.token}")
            for word in (genre.name, genre.label, *genre.aliases):
                if self._by_word.setdefault(_fold(word), genre) is not genre:
                    owner = self._by_word[_fold(word)].name
                    raise ValueError(f"{word!r} stands for both {owner} and {genre.name}")

    def __iter__(self) -> Iterator[Genre]:
        return iter(self._genres)

    def __len__(self) -> int:
        return len(self._genres)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(genre.name for genre in self._genres)

    def get(self, text: str) -> Genre:
        """The genre called `text` by name, label or alias; case, spaces and hyphens are folded.

        Raises UnknownGenre with the nearest match.
        """
        word = _fold(text)
        if genre := self._by_word.get(word):
            return genre
        near = difflib.get_close_matches(word, self._by_word, n=1, cutoff=0.6)
        raise UnknownGenre(text, self._by_word[near[0]].name if near else None, self.names)

    def opening(self, genre: Genre, title: str, prompt: str) -> str:
        """The opening sentence of a titled story; `prompt` may be empty."""
        template = self.templates.title_and_prompt if prompt else self.templates.title
        return _fill(template, genre, title=title, prompt=prompt)

    def lead_in(self, genre: Genre) -> str:
        """What tells a model without genre tokens which genre is wanted."""
        return _fill(self.templates.lead_in, genre)


def with_article(label: str) -> str:
    """`label` after "a" or "an", by its sound: an action, a universal, an hourly."""
    vowel = label[:1].lower() in "aeiou" and not _CONSONANT_SOUND.match(label)
    return f"{'an' if vowel or _SILENT_H.match(label) else 'a'} {label}"


def load_genres(path: Path | None) -> GenreTable:
    """The table in the YAML file at `path`; None gives the built-in one.

    The file has a list `genres` of rows (name, and if wished label, token, aliases, openings) and,
    if wished, a mapping `templates`. Raises GenreFileError.
    """
    if path is None:
        return DEFAULT_GENRES
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GenreFileError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise GenreFileError(f"{path}: is not YAML: {error}") from error
    try:
        return _table(data)
    except ValueError as error:
        raise GenreFileError(f"{path}: {error}") from error


def _table(data: Any) -> GenreTable:
    top = _mapping(data, "the file", allowed={"genres", "templates"})
    rows = top.get("genres")
    if not isinstance(rows, list) or not rows:
        raise ValueError("it needs a list `genres` with at least one row")
    genres = tuple(_genre(row, f"genres, row {number}") for number, row in enumerate(rows, 1))
    return GenreTable(genres, _templates(top.get("templates") or {}))


def _genre(row: Any, where: str) -> Genre:
    fields = _mapping(row, where, allowed=set(Genre.__dataclass_fields__))
    name = _text(fields.get("name"), f"{where}: name")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{where}: name {name!r} must be small letters, digits and underscores")
    token = _text(fields.get("token", f"<{name}>"), f"{where}: token")
    if not _TOKEN.fullmatch(token):
        raise ValueError(f"{where}: token {token!r} must look like <{name}>")
    label = _text(fields.get("label", name.replace("_", " ")), f"{where}: label")
    aliases, openings = (
        _texts(fields.get(key), f"{where}: {key}") for key in ("aliases", "openings")
    )
    return Genre(name, label, token, aliases, openings)


def _templates(data: Any) -> Templates:
    fields = {
        "title": {"title", "label", "a_label"},
        "title_and_prompt": {"title", "prompt", "label", "a_label"},
        "lead_in": {"label", "a_label"},
    }
    given = _mapping(data, "templates", allowed=set(fields))
    for key, template in given.items():
        if not isinstance(template, str):
            raise ValueError(f"templates: {key} must be text, not {template!r}")
        try:
            used = {name for _, name, _, _ in string.Formatter().parse(template) if name}
        except ValueError as error:
            raise ValueError(f"templates: {key}: {error}") from error
        if unknown := used - fields[key]:
            known = ", ".join(f"{{{name}}}" for name in sorted(fields[key]))
            raise ValueError(f"templates: {key} uses {{{min(unknown)}}}; it may use {known}")
    return Templates(**given)


def _mapping(data: Any, where: str, *, allowed: set[str]) -> Mapping[str, Any]:
    if not isinstance(data, dict):
        raise ValueError(f"{where} must be a mapping, not {type(data).__name__}")
    if unknown := set(map(str, data)) - allowed:
        known = ", ".join(sorted(allowed))
        raise ValueError(f"{where}: unknown key {min(unknown)!r}; known: {known}")
    return data


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where} must be text, not {value!r}")
    return value.strip()


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"{where} must be a list of texts, not {value!r}")
    return tuple(_text(item, f"{where}, item {number}") for number, item in enumerate(value, 1))


def _fold(text: str) -> str:
    return re.sub(r"[\s_-]+", " ", text).strip().casefold()


def _fill(template: str, genre: Genre, **values: str) -> str:
    return template.format(label=genre.label, a_label=with_article(genre.label), **values)


DEFAULT_GENRES = GenreTable(
    (
        Genre(
            "superhero",
            "superhero",
            "<superhero>",
            ("superheroes", "super hero", "comic book", "superhero film", "vigilante"),
            (
                "The night the city's last hero hangs up his cape, a girl on the tenth floor",
                "Every power has a price, and Mara has been paying for hers in years",
                "When the villain saves the train, nobody at the Bureau knows what to",
                "He can stop time for eleven seconds, which is not quite long enough",
                "The sidekick's school for orphans has one rule:",
            ),
        ),
        Genre(
            "sci_fi",
            "science fiction",
            "<sci_fi>",
            ("scifi", "sf", "science fiction film", "cyberpunk", "space opera", "dystopian"),
            (
                "The colony ship wakes its gardener two hundred years too early because",
                "Earth's reply arrives on the moon forty years late, and it says",
                "In a city where memories are rented by the hour, a cleaner finds",
                "The robot had been told to look after the house until the family came back",
                "On the day the second sun goes out, Captain Oyelaran",
            ),
        ),
        Genre(
            "action",
            "action",
            "<action>",
            ("action film", "action adventure", "adventure", "martial arts", "swashbuckler"),
            (
                "The bridge will open in nine minutes, the brakes are gone, and the driver",
                "A retired bodyguard takes one last job: keep a chess prodigy alive until",
                "Three thieves, one armoured train, and a bomb that nobody remembers packing",
                "The courier never asks what is in the case, until the case begins to",
                "When smugglers take the lighthouse, only the cook",
            ),
        ),
        Genre(
            "drama",
            "drama",
            "<drama>",
            ("melodrama", "family drama", "crime drama", "historical drama", "romantic drama"),
            (
                "Two sisters who have not spoken in twenty years inherit one small bakery",
                "After the factory closes, Tomas walks to work every morning all the same",
                "The piano teacher has only one pupil left, and the pupil is",
                "A letter posted in wartime is delivered to the wrong daughter",
                "In the last summer before the valley is flooded, the village",
            ),
        ),
        Genre(
            "horror",
            "horror",
            "<horror>",
            ("scary", "slasher", "supernatural", "found footage", "horror film", "ghost story"),
            (
                "A lonely lighthouse keeper counts the steps each night, and tonight there is",
                "The new house came with everything, even the voices in the nursery that",
                "Nobody in the village will say who rings the church bell, because the tower",
                "The photographs she developed that evening all showed the same man standing",
                "Every mirror in the hotel has been turned to the wall, and the porter",
            ),
        ),
        Genre(
            "thriller",
            "thriller",
            "<thriller>",
            (
                "suspense",
                "crime thriller",
                "psychological thriller",
                "mystery",
                "noir",
                "film noir",
            ),
            (
                "The witness has three hours to live, and she is the only one who",
                "Inspector Hale finds his own fingerprints on the knife, although he",
                "Someone has been answering the dead man's telephone, and tonight it",
                "The translator hears a murder planned in a language she pretends not to know",
                "At the border the guard stamps her passport and whispers that",
            ),
        ),
    )
)
"""Names and tokens of pranavpsv/gpt2-genre-story-generator, so that model runs as it is."""
