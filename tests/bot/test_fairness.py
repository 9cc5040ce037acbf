"""Which votes are not counted: the rules by themselves, at their edges."""

from __future__ import annotations

import pytest

from bot.domain import VoteGuard
from bot.fairness import Voter, is_burst, is_newcomer, is_young

DAY_S = 86_400.0
NOW = 100 * DAY_S
WEEK = VoteGuard(min_age_s=7 * DAY_S)


def voter(seen: float, made: float | None = None, place: float = 50.0) -> Voter:
    """Ages in days."""
    made_at = None if made is None else NOW - made * DAY_S
    return Voter(NOW - seen * DAY_S, made_at, NOW - place * DAY_S)


@pytest.mark.parametrize(
    ("who", "young"),
    [
        (voter(0, made=6.99), True),
        (voter(0, made=7), False),
        (voter(6.99), True),
        (voter(7), False),
        (voter(7, made=6), True),
        (voter(0, made=0, place=0), True),
        (voter(0, made=-0.01), True),  # its clock is ahead of ours
        (voter(0, place=6.99), False),  # everybody is new to us there
        (voter(0, place=7), True),
    ],
)
def test_an_account_is_as_old_as_its_platform_says_or_as_our_acquaintance(
    who: Voter, young: bool
) -> None:
    assert is_young(who, WEEK, NOW) is young
    assert not is_young(who, VoteGuard(), NOW)


def test_a_newcomer_is_known_for_less_than_a_week_where_others_are_known_for_longer() -> None:
    assert is_newcomer(voter(6.99, made=1_000), NOW)
    assert not is_newcomer(voter(7), NOW)
    assert not is_newcomer(voter(1, place=6.99), NOW)


@pytest.mark.parametrize(
    ("newcomers", "others", "burst"),
    [(4, 0, False), (5, 0, True), (5, 4, True), (5, 5, False), (9, 12, False), (40, 12, True)],
)
def test_a_burst_is_five_newcomers_who_are_more_than_the_others(
    newcomers: int, others: int, burst: bool
) -> None:
    assert is_burst(newcomers, others) is burst
