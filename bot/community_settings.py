"""What a community chose for itself: typed, every value checked, defaults that change nothing.

The operator's limits hold whatever is chosen here. Pure; knows no platform: channels, roles and
genres are names that others understand.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.domain import VoteGuard
from bot.settings import Length

log = logging.getLogger(__name__)

DAY_S = 86_400.0
MAX_CHOSEN = 25
"""Channels, roles or genres one setting holds: as many as a Discord select offers."""
Name = Annotated[str, Field(min_length=1, max_length=64)]
Names = Annotated[tuple[Name, ...], Field(max_length=MAX_CHOSEN)]


USUAL: Mapping[str, Mapping[str, Any]] = {"discord": {"min_account_age_days": 7}}
"""What is usual on one platform alone. Discord tells an account's age; elsewhere the rule keeps out
every newcomer's votes, so it is for the community to choose."""


class CommunitySettings(BaseModel):
    """Each field is one setting, stored and changed by itself under its name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channels: Names = ()
    """Where stories may be asked for, in the platform's ids; none: everywhere."""
    genres: Names = ()
    """Genres allowed, by name; none: all."""
    length: Length = "medium"
    """Of a story whose author names no length."""
    longest: Length = "long"
    """A longer story is cut to this length."""
    daily_quota: Annotated[int, Field(ge=0, le=1_000)] = 0
    """Stories one member may ask for here in 24 hours; 0: as many as the operator allows."""
    cooldown_s: Annotated[int, Field(ge=0, le=86_400)] = 0
    """Seconds between two stories of one member here; 0: none."""
    exempt_roles: Names = ()
    """Whoever has one of these is free of this quota and cooldown."""
    age_restricted_only: bool = False
    """Stories, also to read, only in channels that the platform shows to adults alone; and none
    in the list over all communities."""
    min_account_age_days: Annotated[int, Field(ge=0, le=365)] = 0
    """Votes of younger accounts do not count; 0: all do. Where the platform does not tell an
    account's age, it is the time since the bot first saw the member."""
    burst_protection: bool = True
    """Votes of many newcomers at once do not count: see bot.fairness."""
    report_threshold: Annotated[int, Field(ge=0, le=100)] = 3
    """Reports that hide a story until a moderator looks at it; 0: none do."""
    in_global_top: bool = False
    """Stories here may stand in the list over all communities, and be read from there."""
    digest: Literal["off", "day", "week"] = "off"
    """How often the best stories are posted."""
    digest_channel: Annotated[str, Field(max_length=64)] = ""
    """Where; "": nowhere."""
    digest_hour: Annotated[int, Field(ge=0, le=23)] = 18
    """When, o'clock UTC; a week's on Monday."""
    hall_channel: Annotated[str, Field(max_length=64)] = ""
    """Where a story is posted once more, once, when enough liked it; "": nowhere."""
    hall_votes: Annotated[int, Field(ge=1, le=1_000)] = 5
    """Up votes less down votes that are enough."""
    words: tuple[str, ...] = ()
    """Not welcome in prompts and stories, on top of the operator's: see bot.moderation."""
    language: Annotated[str, Field(max_length=35)] = ""
    """Of what everybody reads; "": the community's language on its platform."""

    def changed(self, name: str, value: Any) -> Self:
        """These settings with another value for one. Raises ValueError for one that is wrong,
        KeyError for a name that is none."""
        if name not in type(self).model_fields:
            raise KeyError(name)
        return self.model_validate(self.model_dump() | {name: value})

    @classmethod
    def from_kept(cls, kept: Mapping[str, Any], platform: str = "") -> Self:
        """Settings as they were kept, others as usual on the platform. One that this version cannot
        read counts as not chosen."""
        usual = USUAL.get(platform, {})
        try:
            return cls.model_validate({**usual, **kept})
        except ValidationError as error:
            wrong = {str(problem["loc"][0]) for problem in error.errors()}
            log.error("community settings that cannot be read: %s", ", ".join(sorted(wrong)))
            return cls.model_validate(
                {**usual, **{name: kept[name] for name in kept.keys() - wrong}}
            )

    @property
    def vote_guard(self) -> VoteGuard:
        return VoteGuard(self.min_account_age_days * DAY_S, self.burst_protection)

    @classmethod
    def bounds(cls, name: str) -> tuple[int, int] | None:
        """The least and the most of a setting that is a number, None for any other."""
        found: dict[str, int] = {}
        for limit in cls.model_fields[name].metadata:
            found |= {side: getattr(limit, side) for side in ("ge", "le") if hasattr(limit, side)}
        return (found["ge"], found["le"]) if found.keys() == {"ge", "le"} else None
