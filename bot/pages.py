"""Split a text to a platform's message size, at sentences where it can. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_BREAKS = (
    # What a page may end at, and how much of it must be filled then.
    (re.compile(r"\S(?=\s*\n\n)"), 1 / 2),  # paragraphs
    (re.compile(r"[.!?…]+[\"”’')\]]*(?=\s)|[。！？]+[」』”]*"), 1 / 2),  # sentences
    (re.compile(r"\S(?=\s)"), 0),  # words
)
_JOINER = "\u200d"
_LONGEST_CHARACTER = 32
"""Code points looked back over for the beginning of one character, such as a family emoji."""


def split_pages(text: str, limit: int, measure: Callable[[str], int] = len) -> list[str]:
    """The text in pages whose `measure` is at most `limit`; never an empty list.

    `measure` is the size as the platform counts it, such as the length of the escaped text. It
    must not shrink when the text grows. Joined by the white space cut between them, the pages
    are the text.
    """
    pages: list[str] = []
    rest = text.strip()
    while measure(rest) > limit:
        cut = _cut(rest, _longest_prefix(rest, limit, measure))
        pages.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*pages, rest] if rest or not pages else pages


def _longest_prefix(text: str, limit: int, measure: Callable[[str], int]) -> int:
    """Most characters of `text` within `limit`, at least 1 so that splitting ends."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle]) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(text: str, most: int) -> int:
    """Where to end a page of at most `most` characters: at the best break."""
    for pattern, share in _BREAKS:
        ends = [found.end() for found in pattern.finditer(text, 0, most + 2) if found.end() <= most]
        if ends and ends[-1] > most * share:
            return ends[-1]
    return _between_characters(text, most)


def _between_characters(text: str, most: int) -> int:
    """At most `most`, and not inside what is read as one character, if one can tell."""
    for cut in range(most, max(0, most - _LONGEST_CHARACTER), -1):
        if not _belongs_together(text, cut):
            return cut
    return most


def _belongs_together(text: str, cut: int) -> bool:
    before, after = text[cut - 1], text[cut : cut + 1]
    if after and (unicodedata.category(after)[0] == "M" or after == _JOINER):
        return True  # a mark, a variation selector, a keycap
    if before == _JOINER or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True  # joined emoji, a skin tone
    if not _is_flag_letter(before) or not after or not _is_flag_letter(after):
        return False
    start = cut
    while start and _is_flag_letter(text[start - 1]):
        start -= 1
    return (cut - start) % 2 == 1  # two of them make a flag


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
