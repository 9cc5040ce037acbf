"""Which stories train and which evaluate, and how often a story is shown in training.

Every choice is made by a hash of the film and the seed, so it does not depend on the order of
anything, and a film keeps its place when other films come in.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FEWEST_IN_EVAL = 10


@dataclass(frozen=True, slots=True)
class Story:
    """A cleaned story, alone of its film."""

    genre: str
    """Name in the genre table."""
    text: str
    films: frozenset[str]
    """What names its film: one identity for each copy that was found."""
    source: str
    """Name of its file."""
    lead: bool = False
    """It comes from a lead paragraph: one or two sentences."""
    seed: bool = False
    """It comes from a file in the seed's own format, chosen and labelled for training."""
    title: str = ""
    about: str = ""
    """The text as it goes on from `"Title" is a drama film about`; "" where it cannot."""


def chance(seed: int, *what: object) -> float:
    """A number in [0, 1) that depends on `seed` and `what` alone."""
    text = "\n".join(map(str, (seed, *what)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56


def split(stories: Iterable[Story], share: float, seed: int) -> tuple[list[Story], list[Story]]:
    """The train stories and the eval stories; about `share` of the films evaluate.

    A film evaluates where the hash of any of its identities is below `share`: more data can bring
    a film to the eval side and never takes one away. Of a genre that comes out with fewer than
    FEWEST_IN_EVAL (or a fifth of it, if that is less) the next by their hashes are added; only
    these may go back to training when the genre grows.
    """
    genres: dict[str, list[tuple[float, Story]]] = {}
    for story in stories:
        place = min(chance(seed, "eval", film) for film in story.films)
        genres.setdefault(story.genre, []).append((place, story))
    train: list[Story] = []
    evaluate: list[Story] = []
    for placed in genres.values():
        placed.sort(key=lambda pair: (pair[0], pair[1].text))
        fewest = max(1, min(FEWEST_IN_EVAL, len(placed) // 5)) if len(placed) > 1 and share else 0
        count = max(fewest, sum(place < share for place, _ in placed))
        evaluate += [story for _, story in placed[:count]]
        train += [story for _, story in placed[count:]]
    return train, evaluate


def capped(stories: Sequence[Story], most: float, seed: int) -> list[Story]:
    """`stories` with at most the share `most` of them in the commonest genre, which stays no rarer
    than the next.

    What comes from seed text is left out last; of the rest the hashes decide.
    """
    counts = Counter(story.genre for story in stories)
    if len(counts) < 2 or most >= 1:
        return list(stories)
    commonest, second = sorted(counts, key=lambda genre: (-counts[genre], genre))[:2]
    others = len(stories) - counts[commonest]
    limit = max(counts[second], int(others * most / (1 - most)))
    flood = sorted(
        (story for story in stories if story.genre == commonest),
        key=lambda story: (not story.seed, chance(seed, "cap", story.text)),
    )
    return [story for story in stories if story.genre != commonest] + flood[:limit]


def repeats(stories: Iterable[Story], most: int) -> dict[str, int]:
    """How often each genre's stories are shown: as often as brings the genre nearest to the
    commonest, at most `most` times.

    Stories from leads are shown once whatever their genre and are not counted by this: repeated,
    they would teach a rare genre to end after a sentence.
    """
    stories = list(stories)
    counts = Counter(story.genre for story in stories)
    leads = Counter(story.genre for story in stories if story.lead)
    top = max(counts.values(), default=0)
    return {
        genre: min(most, max(1, round((top - leads[genre]) / max(1, count - leads[genre]))))
        for genre, count in counts.items()
    }
