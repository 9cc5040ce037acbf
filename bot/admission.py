"""Who may ask for a story where, and what holds for it: the operator's rules, the community's own.

A part of `StoryService`. Reads the store, changes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bot.community_settings import CommunitySettings
from bot.domain import Caller
from bot.errors import BlockedMember, UnknownGenre
from bot.limits import Limits, check_lines, check_pace, check_place
from bot.moderation import WordList, check_prompt, check_title
from bot.settings import Length, Settings
from bot.store import StoryStore
from model.engine import SamplingParams
from model.genres import Genre, GenreTable
from model.genres import UnknownGenre as NoSuchGenre


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator set for everyone."""

    sampling: Callable[[Length, int], SamplingParams]
    """By length and seed."""
    limits: Limits = field(default_factory=Limits)
    max_prompt_chars: int = 600
    max_title_chars: int = 100
    blocked_words: tuple[str, ...] = ()

    @classmethod
    def from_settings(cls, settings: Settings) -> Rules:
        return cls(
            sampling=settings.sampling,
            limits=Limits(settings.max_pending, settings.daily_quota, settings.cooldown_s),
            max_prompt_chars=settings.max_prompt_chars,
            max_title_chars=settings.max_title_chars,
            blocked_words=settings.banned,
        )


def genre_named(text: str, genres: GenreTable, allowed: Sequence[str] = ()) -> Genre:
    """A genre of the table, and of those `allowed` unless that leaves none. Raises UnknownGenre."""
    choices = [genre.name for genre in genres if genre.name in allowed]
    try:
        genre = genres.get(text)
    except NoSuchGenre as error:
        nearest = error.nearest or ""
        if choices and nearest not in choices:
            nearest = ""
        offered = ", ".join(choices or error.choices)
        raise UnknownGenre(given=text[:40], nearest=nearest, choices=offered) from None
    if choices and genre.name not in choices:
        raise UnknownGenre(given=genre.name, nearest="", choices=", ".join(choices))
    return genre


@dataclass(frozen=True, slots=True)
class Place:
    """Someone who may ask for stories in a community, and what holds for them there."""

    caller: Caller
    member_id: int
    community_id: int
    settings: CommunitySettings
    rules: Rules
    genres: GenreTable

    def genre(self, text: str) -> Genre:
        """Raises UnknownGenre, also for one that the community does not want."""
        return genre_named(text, self.genres, self.settings.genres)

    def words(self, title: str, prompt: str) -> tuple[str, str]:
        """A title and a prompt made harmless.

        Raises PromptTooLong, TitleTooLong, NothingToRead, BlockedWords.
        """
        prompt = check_prompt(prompt, self.rules.max_prompt_chars)
        title = check_title(title, self.rules.max_title_chars)
        self.check_words(f"{title}\n{prompt}")
        return title, prompt

    def check_words(self, text: str) -> None:
        """Raises BlockedWords for the operator's unwelcome words and the community's."""
        WordList(self.rules.blocked_words, self.settings.words).refuse(text)

    def sampling(self, length: Length | None) -> SamplingParams:
        """For a new story of this length, or of the community's usual one."""
        return self.again(self.rules.sampling(length or self.settings.length, 0))

    def again(self, sampling: SamplingParams) -> SamplingParams:
        """The same with a new seed, and no longer than the community's longest story."""
        longest = self.rules.sampling(self.settings.longest, 0).max_new_tokens
        return replace(
            sampling,
            seed=secrets.randbits(31),
            max_new_tokens=min(sampling.max_new_tokens, longest),
        )

    async def check_pace(self, store: StoryStore, clock: Callable[[], float]) -> None:
        """Raises TooManyPending, CoolingDown or QuotaUsed if one more story is too many."""
        await self.rules.limits.check(store, self.member_id, clock)
        await check_pace(
            store, self.caller, self.member_id, self.community_id, self.settings, clock()
        )

    async def check_lines(self, store: StoryStore, clock: Callable[[], float]) -> None:
        """Raises LinesUsed if one more line of a round is too many."""
        await self.rules.limits.check_lines(store, self.member_id, clock())
        await check_lines(
            store, self.caller, self.member_id, self.community_id, self.settings, clock()
        )


async def admit(caller: Caller, store: StoryStore, rules: Rules, genres: GenreTable) -> Place:
    """Let someone in who may ask for a story here.

    Raises NotInThisChannel, AdultsOnly, BlockedMember.
    """
    member, community = await store.enter(caller)
    if await store.is_blocked(community.id, member.id):
        raise BlockedMember
    settings = await store.community_settings(community.id)
    check_place(caller, settings)
    return Place(caller, member.id, community.id, settings, rules, genres)
