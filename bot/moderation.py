"""What may be typed and what may be shown: harmless characters, bounded length, no blocked words.

Pure functions. Escaping for a platform's markup is that platform's affair. Patterns run in RE2,
whose time is linear in the text whatever the pattern (https://github.com/google/re2).
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bot.errors import (
    BadPattern,
    BlockedWords,
    NothingToRead,
    PromptTooLong,
    TitleTooLong,
    WordListTooLong,
)
from model.prompt import without_quotes

log = logging.getLogger(__name__)

MAX_COMBINING = 4
"""Marks kept on one letter. Hindi and Hebrew words stack three or four; "zalgo" stacks dozens."""

_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji are spelled with them
_BLANK_LETTERS = "\u115f\u1160\u2800\u3164\uffa0"  # called letters or symbols, but show nothing
_TO_BLANKS = str.maketrans(dict.fromkeys(_BLANK_LETTERS, " "))
_EMOJI = range(0x1F000, 0x1FB00)  # newer ones than Python's tables know are here, "unassigned"
MASK = "•"


def sanitize(text: str) -> str:
    """Text that reads as it looks: NFC, one line, no control or direction-override characters.

    Stacked combining marks are cut to `MAX_COMBINING`; runs of white space become one space.
    """
    visible = (
        " " if char.isspace() else char
        for char in text.translate(_TO_BLANKS)
        if char.isspace() or char in _JOINERS or _is_visible(char)
    )
    composed = unicodedata.normalize("NFC", "".join(visible))
    # Once more, as the letters around a mark that went may now compose.
    thinned = unicodedata.normalize("NFC", _without_piled_marks(composed))
    return " ".join(thinned.split())


def _is_visible(char: str) -> bool:
    return unicodedata.category(char)[0] != "C" or ord(char) in _EMOJI


def _without_piled_marks(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for char in text:
        if unicodedata.category(char) in ("Mn", "Me"):
            marks += 1
            if marks > MAX_COMBINING:
                continue
        elif char not in _JOINERS:  # which show nothing, so the pile goes on
            marks = 0
        kept.append(char)
    return "".join(kept)


def check_prompt(text: str, limit: int) -> str:
    """A member's prompt made harmless; "" stays "". Raises PromptTooLong, NothingToRead."""
    clean = sanitize(text)
    if text and not _is_readable(clean):
        raise NothingToRead
    if len(clean) > limit:
        raise PromptTooLong(length=len(clean), limit=limit)
    return clean


def check_title(text: str, limit: int) -> str:
    """A member's title made harmless; "" stays "". Raises TitleTooLong, NothingToRead."""
    clean = without_quotes(sanitize(text))
    if text and not _is_readable(clean.strip("\"“”„'‘’«»「」 ")):
        raise NothingToRead
    if len(clean) > limit:
        raise TitleTooLong(length=len(clean), limit=limit)
    return clean


def clean_name(text: str, most: int) -> str:
    """A name as it may be shown, cut to `most` characters; "" where nothing of it can be read."""
    clean = sanitize(text)[:most].strip()
    return clean if _is_readable(clean) else ""


def refuse_blocked(text: str, blocked: Sequence[str]) -> None:
    """Raises BlockedWords if a blocked word stands in `text` as a word."""
    if any(_is_word(found) for found in _pattern(tuple(blocked)).finditer(text)):
        raise BlockedWords


def mask_blocked(text: str, blocked: Sequence[str]) -> str:
    """The text with each blocked word covered, letter by letter."""
    return _pattern(tuple(blocked)).sub(
        lambda found: MASK * len(found.group()) if _is_word(found) else found.group(), text
    )


# -- a community's own list --------------------------------------------------------------------
MAX_ENTRIES, MAX_ENTRY_CHARS = 200, 100
_PATTERN_MEMORY = 1 << 20
"""Bytes RE2 may take for one pattern; it refuses a pattern that needs more."""


@dataclass(frozen=True, slots=True)
class WordList:
    """What is not welcome in a community: the operator's words, and its own."""

    words: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    """The community's: words, and patterns between slashes (`/colou?r/`)."""

    def refuse(self, text: str) -> None:
        """Raises BlockedWords if any of it stands in `text`."""
        refuse_blocked(text, (*self.words, *self._own_words))
        if any(pattern.search(text) for pattern in self._patterns):
            raise BlockedWords

    def mask(self, text: str) -> str:
        """The text with each of them covered, letter by letter."""
        text = mask_blocked(text, (*self.words, *self._own_words))
        for pattern in self._patterns:
            text = pattern.sub(lambda found: MASK * len(found.group()), text)
        return text

    @property
    def _own_words(self) -> tuple[str, ...]:
        return tuple(entry for entry in self.entries if not _is_pattern(entry))

    @property
    def _patterns(self) -> list[Any]:
        compiled = (_compiled(entry[1:-1]) for entry in self.entries if _is_pattern(entry))
        return [pattern for pattern in compiled if pattern is not None]


def check_entries(lines: Iterable[str]) -> list[str]:
    """A community's list as it is kept: one entry a line, no blank ones, none twice.

    Raises BadPattern, WordListTooLong.
    """
    entries = list(dict.fromkeys(entry for line in lines if (entry := sanitize(line))))
    if len(entries) > MAX_ENTRIES or any(len(entry) > MAX_ENTRY_CHARS for entry in entries):
        raise WordListTooLong(entries=MAX_ENTRIES, length=MAX_ENTRY_CHARS)
    for entry in entries:
        if _is_pattern(entry) and _compiled(entry[1:-1]) is None:
            raise BadPattern(given=entry)
    return entries


def _is_pattern(entry: str) -> bool:
    return len(entry) > 2 and entry.startswith("/") and entry.endswith("/")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any | None:
    """A pattern for RE2, in any case; None where it is none, or would cover every text."""
    import re2

    options = re2.Options()
    options.case_sensitive = options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        log.debug("not a pattern: /%s/ (%s)", pattern, error)
        return None
    return None if compiled.search("") else compiled


def _is_readable(text: str) -> bool:
    return any(unicodedata.category(char)[0] in "LNSP" or ord(char) in _EMOJI for char in text)


_NEVER = re.compile(r"(?!)")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Thai, Lao, Burmese, Khmer, kana and Han put no space between words, so a word has no bounds."""


@lru_cache(maxsize=8)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Whole words, in any case. Literal, so no word list can make the search slow."""
    spellings = sorted((_spelling(word) for word in words if word.strip()), key=len, reverse=True)
    return re.compile("|".join(spellings), re.IGNORECASE) if spellings else _NEVER


def _spelling(word: str) -> str:
    """A word's letters, also with joiners or stray accents between them."""
    letters = unicodedata.normalize("NFC", " ".join(word.split()))
    between = f"[{_JOINERS}\u0300-\u036f]*"
    spelled = "".join((r"\s+" if c == " " else re.escape(c)) + between for c in letters)
    begin = "" if _UNSPACED.match(letters[0]) else r"(?<!\w)"
    end = "" if _UNSPACED.match(letters[-1]) else r"(?!\w)"
    return begin + spelled + end


def _is_word(found: re.Match[str]) -> bool:
    """Whether no vowel sign follows, which makes it another word: \\w does not know of them."""
    return unicodedata.category(found.string[found.end() : found.end() + 1] or " ")[0] != "M"
