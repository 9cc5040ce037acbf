"""Which communities a bot process serves, where several share one database. Pure.

A story, a digest, a place in the hall of fame is the affair of the process that serves its
community, and of no other.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Some platforms, whole or, of Discord, some of its shards."""

    platforms: frozenset[str] | None = None
    """None: all of them."""
    shard_ids: frozenset[int] = frozenset()
    """Empty: all of them."""
    shard_count: int = 1

    def includes(self, platform: str, platform_id: str, is_private: bool) -> bool:
        """Whether this process serves that community."""
        if self.platforms is not None and platform not in self.platforms:
            return False
        if platform != "discord" or not self.shard_ids:
            return True
        return self._shard_of(platform_id, is_private) in self.shard_ids

    def _shard_of(self, guild_id: str, is_private: bool) -> int:
        """Discord sends private chats to shard 0 and guilds by their id.

        Source: Discord's documentation, Gateway, "Sharding".
        """
        return 0 if is_private else (int(guild_id) >> 22) % self.shard_count


EVERYTHING = Share()
