"""Prompt adherence: does a story go on from its own prompt, rather than from any?

A continuation is compared with its own prompt and with the other prompts of its genre, so that
keeping to the genre does not pass for keeping to the prompt. Continuations come without their
prompts. Knows no models.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True, slots=True)
class Continued:
    """A prompt, and what follows it."""

    genre: str
    prompt: str
    continuation: str


@dataclass(frozen=True, slots=True)
class Adherence:
    """How stories keep to their prompts."""

    n_stories: int
    own_prompt_nearer: float | None
    """Chance that the own prompt is nearer (cosine of TF-IDF) than another one of the genre; a tie
    counts half, so 0.5 is no adherence at all. None where no genre has two prompts."""
    names_kept: float | None
    """Share of the stories whose prompt has a name that mention one of them again. None where no
    prompt has a name."""
    n_with_names: int


class WordSpace:
    """What words weigh, and which are names, as learnt from real texts.

    A name is a word with a capital that no text has in small letters.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._tfidf = TfidfVectorizer(sublinear_tf=True, token_pattern=_WORD.pattern).fit(texts)
        self._common = {word for text in texts for word in _WORD.findall(text) if word[0].islower()}

    def names(self, text: str) -> set[str]:
        """The names in a text, in small letters."""
        words = (word.removesuffix("'s").removesuffix("’s") for word in _WORD.findall(text))
        return {
            word.lower()
            for word in words
            if len(word) > 1 and word[0].isupper() and word.lower() not in self._common
        }

    def adherence(self, stories: Sequence[Continued]) -> Adherence:
        """Of stories that have a prompt; at least one."""
        named = [(self.names(s.prompt), self.names(s.continuation)) for s in stories]
        kept = [bool(asked & told) for asked, told in named if asked]
        genres = sorted({story.genre for story in stories})
        chances = [
            chance
            for genre in genres
            for chance in self._wins([story for story in stories if story.genre == genre])
        ]
        return Adherence(
            n_stories=len(stories),
            own_prompt_nearer=_mean(chances),
            names_kept=_mean(kept),
            n_with_names=len(kept),
        )

    def _wins(self, stories: Sequence[Continued]) -> list[float]:
        """For each story of one genre, the share of other prompts that are further away."""
        prompts = sorted({story.prompt for story in stories})
        if len(prompts) < 2:
            return []
        told = self._tfidf.transform([story.continuation for story in stories])
        nearness = (told @ self._tfidf.transform(prompts).T).toarray()  # (stories, prompts)
        shares = []
        for story, row in zip(stories, nearness.round(9), strict=True):
            own = row[prompts.index(story.prompt)]
            further, tied = int((row < own).sum()), int((row == own).sum()) - 1
            shares.append((further + tied / 2) / (len(prompts) - 1))
        return shares


def _mean(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return math.fsum(numbers) / len(numbers) if numbers else None
