"""Settings of a community: what each may be."""

from __future__ import annotations

from typing import Any

import pytest

from bot.community_settings import CommunitySettings
from bot.domain import VoteGuard


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("channels", ["1", "2"], ("1", "2")),
        ("genres", [], ()),
        ("length", "short", "short"),
        ("daily_quota", " 12 ", 12),
        ("cooldown_s", 86_400, 86_400),
        ("age_restricted_only", "yes", True),
        ("language", "es", "es"),
    ],
)
def test_a_change(name: str, value: Any, kept: Any) -> None:
    before = CommunitySettings(longest="medium")
    after = before.changed(name, value)
    assert getattr(after, name) == kept
    assert after.longest == "medium"
    assert before == CommunitySettings(longest="medium")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("daily_quota", -1),
        ("daily_quota", 1_001),
        ("daily_quota", "many"),
        ("daily_quota", "1.5"),
        ("cooldown_s", 86_401),
        ("length", "huge"),
        ("channels", [""]),
        ("channels", [str(n) for n in range(26)]),
    ],
)
def test_a_value_that_will_not_do(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        CommunitySettings().changed(name, value)


def test_a_setting_that_there_is_not() -> None:
    with pytest.raises(KeyError, match="colour"):
        CommunitySettings().changed("colour", "red")


def test_a_setting_of_another_version_is_passed_over() -> None:
    assert CommunitySettings.from_kept({"colour": "red", "cooldown_s": 5}) == CommunitySettings(
        cooldown_s=5
    )


def test_where_the_platform_tells_an_accounts_age_young_ones_do_not_vote() -> None:
    assert CommunitySettings.from_kept({}, "discord") == CommunitySettings(min_account_age_days=7)
    chosen = {"min_account_age_days": 0, "burst_protection": False}
    assert CommunitySettings.from_kept(chosen, "discord").vote_guard == VoteGuard()
    unreadable = CommunitySettings.from_kept({"cooldown_s": "long"}, "discord")
    assert unreadable.vote_guard == VoteGuard(7 * 86_400.0, against_bursts=True)
    for platform in ("telegram", "console"):
        assert CommunitySettings.from_kept({}, platform) == CommunitySettings()


def test_numbers_have_bounds() -> None:
    assert CommunitySettings.bounds("daily_quota") == (0, 1_000)
    assert CommunitySettings.bounds("genres") is None
