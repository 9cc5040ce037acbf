"""Which votes are kept but not counted: those of young accounts, and those that come in a burst.

Pure functions of times and counts. Knows no vote, no member and no database. The reasons for the
numbers are in docs/decisions/0014.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain import VoteGuard

NEWCOMER_S = 7 * 86_400.0
"""Whom we have known for less than this is a newcomer."""
BURST_S = 600.0
BURST_VOTES = 5
"""So many newcomers who vote alike on one story within `BURST_S` are a burst, if they are more than
the others who did."""


@dataclass(frozen=True, slots=True)
class Voter:
    """Since when there is what; in seconds since the Unix epoch."""

    first_seen: float
    """By us, on any of their platforms."""
    account_made: float | None
    """None where the platform does not tell."""
    community_since: float
    """When we first saw the community: until that is a while ago, everybody in it is new to us."""


def is_young(voter: Voter, guard: VoteGuard, now: float) -> bool:
    """Whether the account is younger than the community wants. Where the platform does not tell,
    it is as old as our acquaintance."""
    if guard.min_age_s and voter.account_made is not None:
        return now - voter.account_made < guard.min_age_s
    return _is_new(voter, guard.min_age_s, now)


def is_newcomer(voter: Voter, now: float) -> bool:
    return _is_new(voter, NEWCOMER_S, now)


def is_burst(newcomers: int, others: int) -> bool:
    """Of those who voted alike on one story within `BURST_S`."""
    return newcomers >= BURST_VOTES and newcomers > others


def _is_new(voter: Voter, age_s: float, now: float) -> bool:
    return now - voter.first_seen < age_s <= now - voter.community_since
