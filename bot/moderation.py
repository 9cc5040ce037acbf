"""What may be typed and what may be shown: harmless characters, bounded length, no blocked words.

Pure functions. Escaping for a platform's markup is that platform's affair.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from bot.errors import BlockedWords, NothingToRead, PromptTooLong, TitleTooLong

MAX_COMBINING = 2
"""Marks kept on one letter. Vietnamese stacks two; "zalgo" stacks dozens."""

_KEPT_JOINERS = {"\u200c", "\u200d"}  # Persian, Indic scripts and emoji are spelled with them
MASK = "•"


def sanitize(text: str) -> str:
    """Text that reads as it looks: NFC, one line, no control or direction-override characters.

    Stacked combining marks are cut to `MAX_COMBINING`; runs of white space become one space.
    """
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        if char.isspace() or char == "\u2028" or char == "\u2029":
            kept.append(" ")
        elif category in ("Mn", "Me"):
            marks += 1
            if marks <= MAX_COMBINING:
                kept.append(char)
            continue
        elif category in ("Cc", "Cs", "Co", "Cn") or (
            category == "Cf" and char not in _KEPT_JOINERS
        ):
            continue
        else:
            kept.append(char)
        marks = 0
    return " ".join("".join(kept).split())


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
    clean = sanitize(text).strip("\"“”'‘’«»「」 ")
    if text and not _is_readable(clean):
        raise NothingToRead
    if len(clean) > limit:
        raise TitleTooLong(length=len(clean), limit=limit)
    return clean


def refuse_blocked(text: str, blocked: Sequence[str]) -> None:
    """Raises BlockedWords if a blocked word stands in `text` as a word."""
    pattern = _pattern(blocked)
    if pattern is not None and pattern.search(text):
        raise BlockedWords


def mask_blocked(text: str, blocked: Sequence[str]) -> str:
    """The text with each blocked word covered, letter by letter."""
    pattern = _pattern(blocked)
    if pattern is None:
        return text
    return pattern.sub(lambda found: MASK * len(found.group()), text)


def _is_readable(text: str) -> bool:
    return any(unicodedata.category(char)[0] in "LNSP" for char in text)


def _pattern(words: Sequence[str]) -> re.Pattern[str] | None:
    """Whole words, in any case. Literal, so no word list can make the search slow."""
    if not words:
        return None
    literal = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{literal})(?!\w)", re.IGNORECASE)
