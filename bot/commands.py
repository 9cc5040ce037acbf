"""What members type after a command, taken apart: shared by the platforms that have only text.

`/story horror "The Keeper" A lonely lighthouse length:long`: the genre, a title in quotes if there
is one, the opening. Options are `length:long` and `title:"The Keeper"`, with no space after the
colon and quotes around a title. They count at the very start and the very end of what follows the
genre; everything else is the opening, word for word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast, get_args

from bot.domain import Period, VoteValue
from bot.errors import NotAChoice, NotANumber
from bot.settings import Length
from model.genres import GenreTable, UnknownGenre

_IN_QUOTES = r"[\"“„«「]{}[\"”“»」](?!\S)"
_UNQUOTED = r"[^\"“”„«»「」]*"
_QUOTED = re.compile(_IN_QUOTES.format(rf"({_UNQUOTED})"))
_TITLE = _IN_QUOTES.format(rf"(?P<title>{_UNQUOTED})")
_LENGTH = r"length[:=](?P<length>\S+)"
_FIRST = re.compile(rf"(?:title[:=])?{_TITLE}|{_LENGTH}", re.IGNORECASE)
_LAST = re.compile(rf"(?<!\S)(?:title[:=]{_TITLE}|{_LENGTH})\Z", re.IGNORECASE)
_VOTES: dict[str, VoteValue] = {
    "up": 1, "+1": 1, "+": 1, "👍": 1,
    "down": -1, "-1": -1, "-": -1, "👎": -1,
    "clear": 0, "0": 0, "none": 0,
}  # fmt: skip
LENGTHS = get_args(Length)
PERIODS = get_args(Period)
EVERYWHERE = "everywhere"


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
    genre, prompt = _split_genre(text, genres)
    given: dict[str, str] = {}
    while (option := _FIRST.match(prompt)) and _take(option, given):
        prompt = prompt[option.end() :].lstrip()
    while (option := _LAST.search(prompt)) and _take(option, given):
        prompt = prompt[: option.start()].rstrip()
    length = parse_length(given["length"]) if "length" in given else None
    return StoryArgs(genre, prompt, given.get("title", "").strip(), length)


def _take(option: re.Match[str], given: dict[str, str]) -> bool:
    """Put an option's value into `given`; False if it is there already: then it is text."""
    name = option.lastgroup
    if name is None or name in given:
        return False
    given[name] = option[name]
    return True


def _split_genre(text: str, genres: GenreTable) -> tuple[str, str]:
    text = text.strip()
    if quoted := _QUOTED.match(text):
        return quoted[1], text[quoted.end() :].lstrip()
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
        raise NotAChoice(given=text[:40], what="length", choices=", ".join(LENGTHS))
    return cast(Length, text.lower())


def parse_period(text: str) -> Period:
    """Raises NotAChoice."""
    if text.lower() not in PERIODS:
        raise NotAChoice(given=text[:40], what="period", choices=", ".join(PERIODS))
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


def parse_top(text: str) -> tuple[str, Period, bool]:
    """`horror week everywhere`, each alone or in any order → (genre or "", period, everywhere)."""
    genre: list[str] = []
    period: Period = "all"
    everywhere = False
    for word in text.split():
        if word.lower() in PERIODS:
            period = parse_period(word)
        elif word.lower() == EVERYWHERE:
            everywhere = True
        else:
            genre.append(word)
    return " ".join(genre), period, everywhere
