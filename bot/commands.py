"""What members type after a command, taken apart: shared by the platforms that have only text.

`/story horror "The Keeper" A lonely lighthouse length:long`: the genre, then a title in quotes
if there is one, then the opening; `title:` and `length:` may stand anywhere after the genre.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast, get_args

from bot.domain import Period, VoteValue
from bot.errors import NotAChoice, NotANumber
from bot.settings import Length
from model.genres import GenreTable, UnknownGenre

_QUOTED = re.compile(r"[\"“„«「]([^\"“”„«»「」]+)[\"”“»」]")
_OPTION = re.compile(
    r"(?<!\S)(title|length)\s*[:=]\s*(?:[\"“„«「]([^\"“”„«»「」]*)[\"”“»」]|(\S+))", re.IGNORECASE
)
_VOTES: dict[str, VoteValue] = {
    "up": 1, "+1": 1, "+": 1, "👍": 1,
    "down": -1, "-1": -1, "-": -1, "👎": -1,
    "clear": 0, "0": 0, "none": 0,
}  # fmt: skip
LENGTHS = get_args(Length)
PERIODS = get_args(Period)


@dataclass(frozen=True, slots=True)
class StoryArgs:
    """What follows `/story`; "" where nothing was given."""

    genre: str = ""
    prompt: str = ""
    title: str = ""
    length: Length | None = None


def parse_story_args(text: str, genres: GenreTable) -> StoryArgs:
    """Take the arguments of `/story` apart. Raises NotAChoice for an unknown length.

    The genre is one word, or two where only both name one ("sci fi").
    """
    genre, rest = _split_genre(text, genres)
    title = ""
    if quoted := _QUOTED.match(rest.lstrip()):
        title = quoted[1]
        rest = rest.lstrip()[quoted.end() :]
    length: Length | None = None
    for option in _OPTION.finditer(rest):
        value = option[2] if option[2] is not None else option[3]
        if option[1].lower() == "title":
            title = value
        else:
            length = parse_length(value)
    return StoryArgs(genre, _OPTION.sub("", rest).strip(), title.strip(), length)


def _split_genre(text: str, genres: GenreTable) -> tuple[str, str]:
    text = text.strip()
    if quoted := _QUOTED.match(text):
        return quoted[1], text[quoted.end() :]
    first, rest = _word(text)
    second, after = _word(rest)
    if not _is_genre(first, genres) and second and _is_genre(f"{first} {second}", genres):
        return f"{first} {second}", after
    return first, rest


def _word(text: str) -> tuple[str, str]:
    """The first word, and what follows it; lines and tabs part words as spaces do."""
    first, *rest = text.split(maxsplit=1) or [""]
    return first, "".join(rest)


def _is_genre(text: str, genres: GenreTable) -> bool:
    try:
        genres.get(text)
    except UnknownGenre:
        return False
    return True


def parse_length(text: str) -> Length:
    """Raises NotAChoice."""
    if text.lower() not in LENGTHS:
        raise NotAChoice(given=text, what="length", choices=", ".join(LENGTHS))
    return cast(Length, text.lower())


def parse_period(text: str) -> Period:
    """Raises NotAChoice."""
    if text.lower() not in PERIODS:
        raise NotAChoice(given=text, what="period", choices=", ".join(PERIODS))
    return cast(Period, text.lower())


def parse_id(text: str) -> int:
    """A story's number, with or without "#". Raises NotANumber."""
    digits = text.strip().removeprefix("#")
    if not re.fullmatch(r"[0-9]{1,18}", digits):
        raise NotANumber(given=text.strip()[:40])
    return int(digits)


def parse_newest_or_id(text: str) -> int | None:
    """A story's number, None where nothing is typed. Raises NotANumber."""
    return parse_id(text) if text.strip() else None


def parse_continue(text: str) -> tuple[int, str]:
    """`12 The door opened` → (12, "The door opened"). Raises NotANumber."""
    number, prompt = _word(text)
    return parse_id(number), prompt


def parse_vote(text: str) -> tuple[int, VoteValue]:
    """`12 up` → (12, 1). Raises NotANumber, NotAChoice."""
    number, choice = _word(text)
    story_id = parse_id(number)
    value = _VOTES.get(choice.strip().lower())
    if value is None:
        raise NotAChoice(given=choice.strip()[:40], what="vote", choices="up, down, clear")
    return story_id, value


def parse_top(text: str) -> tuple[str, Period]:
    """`horror week`, either alone, in any order → (genre or "", period). At most one of each."""
    genre: list[str] = []
    period: Period = "all"
    for word in text.split():
        if word.lower() in PERIODS:
            period = parse_period(word)
        else:
            genre.append(word)
    return " ".join(genre), period
