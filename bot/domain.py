"""The words the whole front of the house shares: members, stories, votes and their updates.

Plain frozen data. Knows no platform library, no SQL, no torch. Times are seconds since the Unix
epoch (UTC); durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Literal

from model.engine import SamplingParams

Period = Literal["day", "week", "month", "all"]
PERIOD_SECONDS: dict[Period, float | None] = {
    "day": 86_400.0,
    "week": 7 * 86_400.0,
    "month": 30 * 86_400.0,
    "all": None,
}
VoteValue = Literal[-1, 0, 1]
"""Up, down, or 0 for "take my vote back"."""


class Status(StrEnum):
    """A story's life: queued → writing → finished, failed or cancelled; any of those → deleted."""

    QUEUED = "queued"
    WRITING = "writing"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"

    @property
    def is_open(self) -> bool:
        """Still to be written: survives a restart by being queued again."""
        return self in (Status.QUEUED, Status.WRITING)


class Turn(StrEnum):
    """Who writes next in a round."""

    MEMBERS = "members"
    MODEL = "model"
    OVER = "over"


BETWEEN_LINES = "\n\n"
"""Parts the lines in a round's text."""


class Relation(StrEnum):
    """How a story came from its parent."""

    CONTINUATION = "continuation"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who speaks, and where, in the platform's own ids. The first argument of every use case."""

    platform: str
    """"discord", "telegram" or "console"."""
    member_id: str
    member_name: str
    community_id: str
    """Server, group, or the private chat itself."""
    community_name: str = ""
    is_private: bool = False
    """A private chat: its stories are the caller's own affair."""
    account_made_at: float | None = None
    """When the account was made; None where the platform does not tell."""
    locale: str = "en"
    """BCP 47 tag such as "en-GB", as the platform reports it."""
    channel_ids: tuple[str, ...] = ()
    """Where in the community: the channel, and what it lies in."""
    is_age_restricted: bool = False
    """The platform shows this channel to adults alone."""
    role_ids: tuple[str, ...] = ()
    """Roles the caller has in the community."""
    is_manager: bool = False
    """May change the community's settings."""
    is_moderator: bool = False
    """May take others' stories away, and block members."""


@dataclass(frozen=True, slots=True)
class Member:
    """A person on one platform, as the store knows them."""

    id: int
    """The person's: the same on every platform they linked."""
    platform: str
    platform_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Community:
    """A server, group or private chat, as the store knows it."""

    id: int
    platform: str
    platform_id: str
    name: str
    is_private: bool


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that was done in running a community."""

    at: float
    actor: str
    """Whoever did it; "" once they asked to be forgotten."""
    action: str
    """What: "setting", "cancel", "keep", "delete", "release", "block" or "unblock"."""
    details: Mapping[str, Any]
    """Of a setting: its name, and its value before and after. Else the story's number, or the
    member's id on the platform."""


class Hold(StrEnum):
    """Why a vote is kept but not counted (bot.fairness)."""

    YOUNG = "young"
    """The account was too young for the community when it voted."""
    BURST = "burst"
    """It came with many others of newcomers."""


@dataclass(frozen=True, slots=True)
class VoteGuard:
    """What a community does against brigades; nothing unless it says so."""

    min_age_s: float = 0.0
    against_bursts: bool = False


@dataclass(frozen=True, slots=True)
class HeldVotes:
    """How many votes on a story are kept but not counted, and why."""

    young: int = 0
    burst: int = 0

    @property
    def total(self) -> int:
        return self.young + self.burst


@dataclass(frozen=True, slots=True)
class Case:
    """A story for a moderator to look at: reported, or with votes that are not counted."""

    story: Story
    n_reports: int
    """Since a moderator last looked."""
    reasons: tuple[str, ...]
    """What was given as reasons, oldest first."""
    held: HeldVotes


@dataclass(frozen=True, slots=True)
class Blocked:
    """Someone who may not ask, vote or report in a community."""

    platform_id: str
    name: str
    """"" where the bot does not know it."""
    at: float


@dataclass(frozen=True, slots=True)
class Tally:
    """A story's votes that count. `rank` is the Wilson lower bound (bot.ranking)."""

    ups: int = 0
    downs: int = 0
    rank: float = 0.0
    held: Hold | None = None
    """Right after a vote: why that one is not counted."""

    @property
    def score(self) -> int:
        return self.ups - self.downs


@dataclass(frozen=True, slots=True)
class Provenance:
    """What wrote a story, enough to write it again."""

    model: str
    revision: str
    adapter_hash: str | None
    n_tokens: int
    seconds: float
    """Time from the start of generation to its last token."""
    finish_reason: Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class NewStory:
    """A story to record as queued."""

    member_id: int
    community_id: int
    genre: str
    title: str
    prompt: str
    """The opening as members read it; the story's text begins with it."""
    sampling: SamplingParams
    parent_id: int | None = None
    relation: Relation | None = None
    is_round: bool = False
    """Members and the model write it in turn; `prompt` is the first line."""


@dataclass(frozen=True, slots=True)
class Story:
    """One story, at whatever stage of its life."""

    id: int
    status: Status
    community_id: int
    author_id: int | None
    """None once the author asked to be forgotten."""
    author_name: str
    genre: str
    title: str
    prompt: str
    text: str
    """What members read. While writing: the text so far. Empty when deleted."""
    sampling: SamplingParams
    created_at: float
    finished_at: float | None = None
    attempts: int = 0
    """How often it was handed to a worker."""
    failure: str | None = None
    """Why it failed: a key of bot.texts."""
    parent_id: int | None = None
    relation: Relation | None = None
    provenance: Provenance | None = None
    tally: Tally = field(default_factory=Tally)
    is_hidden: bool = False
    """Reported so often that nobody reads it until a moderator has looked at it."""
    turn: Turn | None = None
    """Of a round; None for a story of one author's."""
    co_authors: tuple[str, ...] = ()
    """Who else wrote lines of a round, by name."""


@dataclass(frozen=True, slots=True)
class Round:
    """How far a story is that members and the model write in turn."""

    n_lines: int
    most: int
    """Lines at which it ends."""
    last_author: str
    """Whoever wrote members' last line, where others write along; "" where anybody may go on."""


@dataclass(frozen=True, slots=True)
class StoryUpdate:
    """The newest state of a story that someone watches. The last one has a closed status."""

    story: Story
    position: int | None = None
    """1 is next; None once writing."""
    expected_wait_s: float | None = None
    """Rough wait until writing begins; None when unknown."""
    round: Round | None = None
    """Of a round that is not over."""

    @property
    def is_final(self) -> bool:
        return not self.story.status.is_open


@dataclass(frozen=True, slots=True)
class Post:
    """Where a platform shows a story, so that a restart can go on in the same message."""

    story_id: int
    platform: str
    channel_id: str
    message_id: str
    locale: str = "en"
    """The language the message is in."""
    first_message_id: str = ""
    """The message with the first page of the same showing; "" for that one itself."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What /forget removed."""

    stories: int
    votes: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A member's finished stories in figures."""

    name: str
    n_stories: int
    ups: int
    downs: int
    """Votes received."""
    best_genre: str
    """By rank of all its votes together; "" without an up vote."""
    best: Story


@dataclass(frozen=True, slots=True)
class GenreStats:
    """All of a genre's finished stories in a community."""

    genre: str
    stories: int
    ups: int
    downs: int


@dataclass(frozen=True, slots=True)
class DayStats:
    """One day (UTC) of a community."""

    day: date
    stories: int
    """Finished."""
    votes: int
    """Cast, up or down, and not taken back or changed since."""


@dataclass(frozen=True, slots=True)
class Stats:
    """A community in figures."""

    genres: tuple[GenreStats, ...]
    """Those with most votes first."""
    days: tuple[DayStats, ...]
    """The last ones, in order, without gaps."""


@dataclass(frozen=True, slots=True)
class QueueView:
    """The line as one member sees it."""

    waiting: int
    writing: int
    expected_wait_s: float
    """For a story asked for now."""
    mine: tuple[tuple[int, int | None], ...]
    """The caller's open stories: id, and position in line (None: being written)."""
