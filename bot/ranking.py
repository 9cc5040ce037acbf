"""How votes become an order: the Wilson lower bound for "top", time decay for "hot".

Pure functions of counts and seconds. Knows no story, no member and no database.
"""

from __future__ import annotations

from math import log10, sqrt

Z_95 = 1.96
"""Standard normal quantile of a two-sided 95 % interval."""
HOT_DECAY_S = 45_000.0
"""12.5 h: a story this much newer outranks one with ten times its score (reddit `_sorts.pyx`)."""
HOT_EPOCH = 1_134_028_003.0
"""Seconds since the Unix epoch, 2005-12-08; only shifts every value alike (reddit `_sorts.pyx`)."""


def wilson_lower_bound(ups: int, downs: int) -> float:
    """The share of up votes that we can be 97.5 % sure of, in [0, 1]; 0 without votes.

    Lower end of the Wilson score interval at z = 1.96 (Wilson, JASA 22, 1927; for ranking: Evan
    Miller, "How Not To Sort By Average Rating", 2009).
    """
    n = ups + downs
    if n == 0 or ups == 0:
        return 0.0  # exactly: at p = 0 the two terms below cancel, save for rounding
    z2 = Z_95 * Z_95
    share = ups / n
    spread = Z_95 * sqrt((share * (1 - share) + z2 / (4 * n)) / n)
    return (share + z2 / (2 * n) - spread) / (1 + z2 / n)


def hot(ups: int, downs: int, at: float) -> float:
    """Score on a log scale plus age: `sign(s)·log10(max(|s|, 1)) + (at − epoch) / 45000`.

    `at` is when the story appeared, in seconds since the Unix epoch. A value never changes as
    time passes, so it can be stored and indexed (reddit `_sorts.pyx`).
    """
    score = ups - downs
    order = log10(max(abs(score), 1))
    sign = (score > 0) - (score < 0)
    return sign * order + (at - HOT_EPOCH) / HOT_DECAY_S
