"""Running a community: its settings, and the trail of who changed what.

A part of `StoryService`. Whether the caller may do so is asked here, whatever a platform shows.
"""

from __future__ import annotations

import hashlib
from typing import Any

from bot.community_settings import CommunitySettings
from bot.domain import AuditEntry, Caller
from bot.errors import ChangedMeanwhile, NotAChoice, NotManager, OutOfBounds
from bot.moderation import check_entries
from bot.store import StoryStore
from bot.texts import languages
from model.genres import Genre, GenreTable


class Administration:
    """Use cases of those who manage a community. Each raises NotManager for anybody else."""

    def __init__(self, store: StoryStore, genres: GenreTable) -> None:
        self._store = store
        self._genres = genres

    async def settings(self, caller: Caller) -> CommunitySettings:
        """What the caller's community chose."""
        _, community_id = await self._enter(caller)
        return await self._store.community_settings(community_id)

    async def change(
        self, caller: Caller, name: str, value: Any, *, seen: str | None = None
    ) -> CommunitySettings:
        """Give one setting another value, on disk and in the trail when this returns; what all of
        them are then.

        `seen`: the `mark` of the value that the caller changed; for a value that is changed in
        part, so that of two at once neither undoes the other's. Raises OutOfBounds, NotAChoice,
        BadPattern, WordListTooLong, ChangedMeanwhile.
        """
        member_id, community_id = await self._enter(caller)
        now = await self._store.community_settings(community_id)
        if name == "words":
            value = check_entries(value)
        if bounds := CommunitySettings.bounds(name):
            changed = _numbered(now, name, value, *bounds)
        else:
            changed = now.changed(name, value)
        self._check_choices(changed)
        if seen is not None and seen != mark(now, name):
            raise ChangedMeanwhile
        kept = changed.model_dump(mode="json")[name]
        before = None if seen is None else now
        await self._store.change_setting(community_id, member_id, name, kept, before)
        return await self._store.community_settings(community_id)

    async def history(
        self, caller: Caller, *, limit: int = 10, offset: int = 0
    ) -> list[AuditEntry]:
        """What was done in running the caller's community, newest first."""
        _, community_id = await self._enter(caller)
        return await self._store.audit_log(community_id, limit=limit, offset=offset)

    async def genres(self, caller: Caller) -> list[Genre]:
        """The genres that may be asked for here, of the table's; asked by anybody."""
        _, community = await self._store.enter(caller)
        allowed = (await self._store.community_settings(community.id)).genres
        return [genre for genre in self._genres if genre.name in allowed] or list(self._genres)

    async def language(self, caller: Caller) -> str:
        """The language of what everybody reads here, "" for the platform's; asked by anybody."""
        _, community = await self._store.enter(caller)
        return (await self._store.community_settings(community.id)).language

    async def _enter(self, caller: Caller) -> tuple[int, int]:
        if not caller.is_manager:
            raise NotManager
        member, community = await self._store.enter(caller)
        return member.id, community.id

    def _check_choices(self, settings: CommunitySettings) -> None:
        """Whether there is what was chosen: the operator may have taken it away meanwhile."""
        known = [genre.name for genre in self._genres]
        for genre in settings.genres:
            if genre not in known:
                raise NotAChoice(given=genre, what="genre", choices=", ".join(known))
        if settings.language not in ("", *languages()):
            choices = ", ".join(languages())
            raise NotAChoice(given=settings.language, what="language", choices=choices)


def mark(settings: CommunitySettings, name: str) -> str:
    """A short mark of a setting's value: another value has another one."""
    kept = settings.model_dump_json(include={name})
    return hashlib.sha256(kept.encode()).hexdigest()[:12]


def _numbered(
    settings: CommunitySettings, name: str, value: Any, least: int, most: int
) -> CommunitySettings:
    try:
        return settings.changed(name, value)
    except ValueError:
        raise OutOfBounds(given=str(value)[:40], least=least, most=most) from None
