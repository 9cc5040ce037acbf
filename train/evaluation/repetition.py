"""Repetition and variety of texts, in words, so that models of any tokenizer compare.

A word is a run of letters and digits, in small letters.
"""

from __future__ import annotations

import random
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_LOOPS = ((4, 3), (8, 2))
"""Words in a row, and at how many places of a text they make a loop. Of 857 real plots' first 165
words these find loops in 0.2 % (names such as "Winnie the Pooh and"); 4 words at two places would
find them in 8 %."""


_N_GRAMS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Repetition:
    """Repetition within stories, and variety among them; shares are of 1."""

    n_stories: int
    loops: float
    """Share of the stories with a loop: see `has_loop`."""
    rep: dict[int, float]
    """n: mean over the stories of `rep_n`."""
    distinct: dict[int, float]
    """n: `distinct_n` of the first n_distinct_words."""
    n_distinct_words: int


def measure_repetition(texts: Sequence[Sequence[str]], n_distinct_words: int) -> Repetition:
    """Of at least one text, as words; `n_distinct_words` are taken from texts in random order."""
    mixed = random.Random(0).sample(texts, len(texts))
    taken = take_words(mixed, n_distinct_words)
    return Repetition(
        n_stories=len(texts),
        loops=statistics.fmean(has_loop(words) for words in texts),
        rep={n: statistics.fmean(rep_n(words, n) for words in texts) for n in _N_GRAMS},
        distinct={n: distinct_n(taken, n) for n in _N_GRAMS},
        n_distinct_words=n_distinct_words,
    )


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    return _WORD.findall(text.casefold())


def rep_n(words: Sequence[str], n: int) -> float:
    """Share of a text's n-grams that it has had before; 0.0 for a text shorter than n.

    As in Welleck et al. 2019, https://arxiv.org/abs/1908.04319, there for tokens.
    """
    grams = _ngrams(words, n)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def has_loop(words: Sequence[str]) -> bool:
    """Whether some four words in a row stand at three places of a text, or eight at two.

    The places may overlap, so "no" six times in a row is a loop too. Meant for texts of up to 200
    words: a long text comes back to its names.
    """
    return any(max(Counter(_ngrams(words, n)).values(), default=0) >= times for n, times in _LOOPS)


def distinct_n(texts: Sequence[Sequence[str]], n: int) -> float:
    """Share of different n-grams among all of the texts; falls as the texts grow in number.

    As in Li et al. 2016, https://arxiv.org/abs/1510.03055. Compare sets of equal size only.
    """
    grams = [gram for words in texts for gram in _ngrams(words, n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def take_words(texts: Sequence[Sequence[str]], n_words: int) -> list[Sequence[str]]:
    """The first texts that make up `n_words` words together, the last of them cut."""
    taken: list[Sequence[str]] = []
    for words in texts:
        if n_words <= 0:
            break
        taken.append(words[:n_words])
        n_words -= len(words)
    return taken


def _ngrams(words: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
