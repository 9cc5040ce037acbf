"""What one process serves, by its settings."""

from __future__ import annotations

import pytest

from bot.errors import SettingsError
from bot.house import share_of
from bot.settings import load_settings
from bot.store.share import EVERYTHING, Share

POSTGRES = "postgresql://me@host/db"
SQLITE = "sqlite:///stories.db"


def test_on_sqlite_one_process_serves_everything() -> None:
    assert share_of(load_settings(database_url=SQLITE), ["telegram"]) == EVERYTHING
    settings = load_settings(database_url=SQLITE, shard_ids="0", shard_count=2)
    with pytest.raises(SettingsError, match=r"SHARD_IDS .* Set DATABASE_URL to a PostgreSQL"):
        share_of(settings, ["discord"])


def test_on_postgres_a_process_serves_its_platforms_and_shards() -> None:
    settings = load_settings(database_url=POSTGRES)
    assert share_of(settings, ["telegram", "discord"]) == Share(frozenset({"telegram", "discord"}))
    settings = load_settings(database_url=POSTGRES, shard_ids="0-2, 5", shard_count=8)
    assert share_of(settings, ["discord"]) == Share(
        frozenset({"discord"}), frozenset({0, 1, 2, 5}), 8
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"shard_ids": "0-3"}, "SHARD_IDS needs SHARD_COUNT"),
        ({"shard_ids": "3,4", "shard_count": 4}, "SHARD_IDS names 4, but of SHARD_COUNT=4 shards"),
        ({"shard_ids": "all", "shard_count": 4}, "SHARD_IDS: .*such as 0-3 or 0,2"),
        ({"shard_ids": "1-", "shard_count": 4}, "SHARD_IDS: .*such as 0-3 or 0,2"),
        ({"shard_count": 0}, "SHARD_COUNT: "),
    ],
)
def test_shards_that_cannot_be_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load_settings(**wrong)
