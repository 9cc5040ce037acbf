"""Split a text to a platform's message size, at sentences where it can. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

_BREAKS = (
    re.compile(r"\n\n"),  # paragraphs
    re.compile(r"[.!?…]+[\"”’')\]]*(?=\s)|[。！？]+[」』”]*"),  # sentences
    re.compile(r"\s"),  # words
)


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
    """Where to end a page of at most `most` characters: past its half, at the best break."""
    for pattern in _BREAKS:
        ends = [found.end() for found in pattern.finditer(text, 0, most + 1) if found.end() <= most]
        if ends and ends[-1] > most // 2:
            return ends[-1]
    return most
