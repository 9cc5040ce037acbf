from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ranking import HOT_DECAY_S, HOT_EPOCH, hot, wilson_lower_bound

COUNTS = st.integers(0, 10**6)


@pytest.mark.parametrize(
    ("ups", "downs", "expected"),
    [
        (0, 0, 0.0),
        (0, 7, 0.0),
        (1, 0, 0.2065),
        (10, 0, 0.7225),
        (60, 40, 0.5020),
        (95, 5, 0.8882),
    ],
)
def test_wilson_gives_the_published_values(ups: int, downs: int, expected: float) -> None:
    assert wilson_lower_bound(ups, downs) == pytest.approx(expected, abs=5e-5)


def test_wilson_prefers_more_evidence_at_the_same_share() -> None:
    bounds = [wilson_lower_bound(3 * n, n) for n in (1, 2, 5, 20, 1000)]
    assert all(fewer < more for fewer, more in pairwise(bounds))


@given(ups=COUNTS, downs=COUNTS)
def test_wilson_lies_between_zero_and_the_observed_share(ups: int, downs: int) -> None:
    bound = wilson_lower_bound(ups, downs)
    assert 0.0 <= bound <= (ups / (ups + downs) if ups + downs else 0.0)


@given(ups=COUNTS, downs=COUNTS)
def test_a_vote_moves_wilson_its_own_way(ups: int, downs: int) -> None:
    bound = wilson_lower_bound(ups, downs)
    assert wilson_lower_bound(ups + 1, downs) > bound
    assert wilson_lower_bound(ups, downs + 1) < bound or bound == 0.0


@pytest.mark.parametrize(
    ("ups", "downs", "expected"),
    [(0, 0, 0.0), (1, 0, 0.0), (0, 1, 0.0), (10, 0, 1.0), (0, 100, -2.0), (1500, 500, 3.0)],
)
def test_hot_counts_the_score_on_a_log_scale(ups: int, downs: int, expected: float) -> None:
    assert hot(ups, downs, at=HOT_EPOCH) == pytest.approx(expected)


def test_hot_gives_ten_times_the_score_twelve_and_a_half_hours() -> None:
    older = hot(100, 0, at=HOT_EPOCH)
    assert hot(10, 0, at=HOT_EPOCH + HOT_DECAY_S) == pytest.approx(older)
    assert hot(10, 0, at=HOT_EPOCH + HOT_DECAY_S + 60) > older
