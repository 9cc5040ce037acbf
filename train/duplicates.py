"""Which texts are of one film: those that share an identity, and those nearly alike.

Nearly alike is a Jaccard similarity of SIMILAR or more between sets of five-word phrases,
estimated by MinHash and found by locality-sensitive hashing (Broder 1997; the library is rensa).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

SIMILAR = 0.6
_PHRASE = 5  # words
_PERMUTATIONS, _BANDS = 128, 32  # finds a pair of similarity 0.6 with 1 - (1 - 0.6^4)^32 = 99 %
_SEED = 1


def groups(texts: Sequence[str], identities: Sequence[str]) -> list[list[int]]:
    """The indices of `texts`, grouped by film; a group's, and the groups by their first, ascend.

    `identities[i]` names the film of `texts[i]`.
    """
    parents = list(range(len(texts)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    def join(one: int, other: int) -> None:
        low, high = sorted((root(one), root(other)))
        parents[high] = low

    first: dict[str, int] = {}
    for index, identity in enumerate(identities):
        join(first.setdefault(identity, index), index)
    for one, other in _near_pairs(texts):
        join(one, other)
    found: dict[int, list[int]] = {}
    for index in range(len(texts)):
        found.setdefault(root(index), []).append(index)
    return list(found.values())


def normalized(text: str) -> str:
    """Words in small letters, without punctuation: what makes two texts the same."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _near_pairs(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    from rensa import RMinHash, RMinHashLSH

    if not texts:
        return
    sketches = RMinHash.from_token_sets([_phrases(text) for text in texts], _PERMUTATIONS, _SEED)
    index = RMinHashLSH(threshold=SIMILAR, num_perm=_PERMUTATIONS, num_bands=_BANDS)
    index.insert_many(sketches)
    for one, candidates in enumerate(index.query_all(sketches)):
        for other in candidates:
            if other > one and sketches[one].jaccard(sketches[other]) >= SIMILAR:
                yield one, other


def _phrases(text: str) -> list[str]:
    words = normalized(text).split()
    return [" ".join(words[at : at + _PHRASE]) for at in range(max(1, len(words) - _PHRASE + 1))]
