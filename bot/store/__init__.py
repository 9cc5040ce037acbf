"""What must survive: members, communities, stories, votes, settings.

`StoryStore` is the whole surface the rest of the house sees; `open_store(url)` is the only way to
get one. Every method that returns has its effect on disk. Knows SQL and nothing of platforms,
queues or models.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Self

from bot.community_settings import CommunitySettings
from bot.domain import (
    AuditEntry,
    Blocked,
    Caller,
    Case,
    Community,
    Forgotten,
    Member,
    NewStory,
    Post,
    Profile,
    Provenance,
    Round,
    Stats,
    Story,
    Tally,
    VoteGuard,
    VoteValue,
)
from bot.store.share import EVERYTHING, Share


class StoryStore(Protocol):
    """Open with `async with`. Raises DatabaseError (operator) at opening, StoreBusy after it."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    # -- people and places ---------------------------------------------------------------------
    async def enter(self, caller: Caller) -> tuple[Member, Community]:
        """The caller's rows, made on first sight, names kept up to date. Writes only on change."""
        ...

    async def community_settings(self, community_id: int) -> CommunitySettings: ...

    async def change_setting(
        self,
        community_id: int,
        member_id: int,
        name: str,
        value: Any,
        before: CommunitySettings | None = None,
    ) -> None:
        """Keep a setting (its value ready for JSON) and, in the trail, who changed it. With
        `before`, raises ChangedMeanwhile where its value is not the one in there."""
        ...

    async def note_action(
        self, community_id: int, member_id: int, action: str, details: dict[str, Any]
    ) -> None:
        """Add to the trail what changed nothing else in the store."""
        ...

    async def audit_log(
        self, community_id: int, *, limit: int = 10, offset: int = 0
    ) -> list[AuditEntry]:
        """What was done in running a community, newest first."""
        ...

    async def stats(self, community_id: int, now: float) -> Stats:
        """A community in figures: its genres, and the 30 days up to now."""
        ...

    # -- what is posted by itself --------------------------------------------------------------
    async def communities_with(
        self, platform: str, setting: str
    ) -> list[tuple[Community, CommunitySettings]]:
        """Communities of a platform, served by this process, that ever changed a setting, with
        all of theirs."""
        ...

    async def claim_famous(self, community_id: int, votes: int, *, since: float) -> Story | None:
        """A story finished since then, with so many more up than down votes; each once, ever,
        unless it is released."""
        ...

    async def release_famous(self, story_id: int) -> None: ...

    # -- reports and blocks --------------------------------------------------------------------
    async def report_story(
        self, member_id: int, story_id: int, reason: str, threshold: int
    ) -> bool:
        """Keep a report; True if, as the `threshold`-th, it hid the story. Raises StoryNotFound,
        NotFinished, OwnReport, AlreadyReported."""
        ...

    async def count_cases(self, community_id: int) -> int: ...

    async def cases(self, community_id: int, *, limit: int, offset: int) -> list[Case]:
        """Stories that wait for a moderator: hidden first, then most reported, then oldest."""
        ...

    async def keep_story(self, story_id: int, moderator_id: int) -> None:
        """Show a story again for good, its reports taken as looked at; noted in the trail. Raises
        StoryNotFound."""
        ...

    async def count_held(self, community_id: int) -> int:
        """Of how many stories votes are kept but not counted."""
        ...

    async def held(self, community_id: int, *, limit: int, offset: int) -> list[Case]:
        """Those stories: most such votes first, then the newest."""
        ...

    async def release_votes(self, story_id: int, moderator_id: int) -> int:
        """Count all votes on a story from now on that were not; how many they were. Noted in the
        trail."""
        ...

    async def author_of(self, story_id: int) -> Member | None: ...

    async def block(self, community_id: int, platform_id: str, moderator_id: int) -> None:
        """Keep who is blocked, by their id on the platform; noted in the trail, as `unblock`."""
        ...

    async def unblock(self, community_id: int, platform_id: str, moderator_id: int) -> None: ...

    async def is_blocked(self, community_id: int, member_id: int) -> bool:
        """Whether the member is, by any of their identities."""
        ...

    async def blocked(self, community_id: int, *, limit: int, offset: int) -> list[Blocked]:
        """Newest first."""
        ...

    async def move_community(self, platform: str, old_id: str, new_id: str) -> None:
        """The platform calls a community by another id from now on; all it has goes along."""
        ...

    # -- a story's life ------------------------------------------------------------------------
    async def add_story(self, new: NewStory) -> Story:
        """Record a story as queued."""
        ...

    async def discard_story(self, story_id: int) -> None:
        """Remove a queued story that was never acknowledged (the queue refused it)."""
        ...

    async def begin_attempt(self, story_id: int) -> int | None:
        """queued|writing → writing, one more attempt; the new count, None if it is closed."""
        ...

    async def hand_back_story(self, story_id: int) -> None:
        """writing → queued, one attempt less: it was stopped by us, through no fault of its own."""
        ...

    async def finish_story(self, story_id: int, text: str, provenance: Provenance) -> bool:
        """queued|writing → finished, once: False if the story was closed before."""
        ...

    async def fail_story(self, story_id: int, failure: str) -> bool:
        """queued|writing → failed. `failure` is a key of bot.texts."""
        ...

    async def cancel_story(self, story_id: int, text: str = "") -> bool:
        """queued|writing → cancelled, keeping the text so far."""
        ...

    async def delete_story(self, story_id: int, moderator_id: int | None = None) -> bool:
        """Any status → deleted: words and votes removed, the row stays for its continuations.
        Where a moderator did it, it is noted in the trail."""
        ...

    # -- rounds, which members and the model write in turn -------------------------------------
    async def add_line(
        self, member_id: int, story_id: int, text: str, *, others_first_s: float
    ) -> None:
        """A member's line; then it is the model's turn, and the story queued. Of two at once one
        is taken. Where others write along, nobody adds two in a row within `others_first_s`.
        Raises StoryNotFound, AlreadyEnded, ModelsTurn, OthersFirst."""
        ...

    async def take_line_back(self, member_id: int, story_id: int) -> None:
        """Undo `add_line`: the queue refused the story."""
        ...

    async def end_turn(
        self, story_id: int, text: str, provenance: Provenance | None, most: int
    ) -> bool:
        """The model's line (provenance None: none came), and members' turn, or, at `most` lines,
        the story's end. False if the round was over before."""
        ...

    async def end_round(self, story_id: int, idle_since: float | None = None) -> bool:
        """Finish a round, or cancel it where members or the model wrote nothing. False if it was
        over before or, with `idle_since`, is not idle."""
        ...

    async def round(self, story_id: int, most: int) -> Round | None:
        """How far a round is that ends at `most` lines; None for any other story."""
        ...

    async def open_rounds(self, community_id: int) -> list[Story]:
        """Newest first."""
        ...

    async def idle_rounds(self, since: float) -> list[int]:
        """Those that wait for members, who wrote nothing since then, and that this process
        serves."""
        ...

    async def count_lines(
        self, member_id: int, *, since: float, community_id: int | None = None
    ) -> int:
        """Lines that a member wrote in rounds since then, in a community or (None) anywhere."""
        ...

    # -- reading -------------------------------------------------------------------------------
    async def story(self, story_id: int) -> Story | None: ...

    async def versions(self, story_id: int) -> list[Story]:
        """A story and its other versions, oldest first; finished ones that are not hidden."""
        ...

    async def unfinished_stories(self) -> list[Story]:
        """queued and writing, oldest first; of communities that this process serves."""
        ...

    async def shared_story(self, story_id: int) -> Story | None:
        """A finished story of a community that shares its best with others."""
        ...

    async def member(self, platform: str, platform_id: str) -> Member | None: ...

    async def identities(self, member_id: int) -> list[Member]:
        """A member as each of their platforms knows them, the oldest first."""
        ...

    async def profile(self, member: Member, community_id: int | None) -> Profile | None:
        """A member's finished stories in figures, in a community or (None) everywhere; None
        without any."""
        ...

    async def top_stories(
        self,
        community_id: int | None,
        *,
        genre: str | None = None,
        since: float | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[Story]:
        """Finished stories by rank, then score, then newest; None: of all communities that share
        theirs. `since` bounds finished_at."""
        ...

    async def stories_by(
        self,
        member_id: int,
        *,
        community_id: int | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[Story]:
        """A member's own stories, newest first, deleted ones left out; None: everywhere."""
        ...

    async def random_story(self, community_id: int, genre: str | None = None) -> Story | None: ...

    async def count_stories(
        self,
        member_id: int,
        *,
        since: float | None = None,
        open_only: bool = False,
        community_id: int | None = None,
    ) -> int:
        """How many stories a member asked for: since a time, only those still to be written, in
        one community (None: everywhere)."""
        ...

    async def open_stories_of(self, member_id: int) -> list[int]:
        """A member's stories still to be written, oldest first."""
        ...

    async def last_story_at(self, member_id: int, community_id: int | None = None) -> float | None:
        """When the member last asked for a story, in one community or (None) anywhere."""
        ...

    # -- votes ---------------------------------------------------------------------------------
    async def cast_vote(
        self,
        member_id: int,
        story_id: int,
        value: VoteValue,
        guard: VoteGuard = ...,
        account_made_at: float | None = None,
    ) -> Tally:
        """Set, change or (0) remove a vote; the story's tally and rank change in the same
        transaction. What `guard` keeps out is kept, but not in them: the tally says so of this
        vote, and earlier ones may leave with it, as parts of a burst. A vote is judged when it is
        given or changed, and given again when it was too young. Without a guard all votes count.
        Raises StoryNotFound, NotFinished, StoryHidden, OwnStory."""
        ...

    async def vote_of(self, member_id: int, story_id: int) -> VoteValue: ...

    # -- where a story is shown ----------------------------------------------------------------
    async def add_post(self, post: Post) -> None: ...

    async def open_posts(self, platform: str) -> list[Post]:
        """Posts that do not show their story's end yet, oldest first, pages in order; of
        communities that this process serves."""
        ...

    async def end_posts(self, story_id: int, platform: str) -> None:
        """A closed story's end is shown, or cannot be: its posts need nothing more. Those of a
        story still open stay."""
        ...

    async def posts(self, story_id: int) -> list[Post]: ...

    # -- one person on several platforms -------------------------------------------------------
    async def offer_link(self, member: Member, code_hash: str, life_s: float) -> None:
        """Keep the hash of a member's code for so long; one they had before is void."""
        ...

    async def linked_by(self, member_id: int, code_hash: str) -> Member:
        """Whose code it is, changing nothing but the count of wrong ones. Raises WrongCode,
        TooManyTries, OwnCode, PlatformTaken."""
        ...

    async def redeem_link(self, member_id: int, code_hash: str) -> Member:
        """Make the code's owner and the member one: each story, vote, report and action of both is
        the one's, a vote cast twice counts once (the later), one for themselves not at all, and
        the tallies follow. Whoever's id is not kept is found by `enter` under the other. The
        owner; raises as `linked_by` does, and uses the code up."""
        ...

    async def unlink(self, member: Member) -> None:
        """Make this identity a member of its own, with what was done on its platform. Raises
        NotLinked."""
        ...

    # -- a member's own data -------------------------------------------------------------------
    async def export_member(self, member_id: int) -> dict[str, Any]:
        """Everything kept about a member, ready for JSON."""
        ...

    async def forget_member(self, member_id: int) -> Forgotten:
        """Delete the member with all identities, their votes (tallies follow) and their stories'
        words."""
        ...

    # -- the house's own notes -----------------------------------------------------------------
    async def note(self, key: str) -> str | None:
        """A value kept across restarts, such as the hash of the synced command tree."""
        ...

    async def save_note(self, key: str, value: str) -> None: ...


def open_store(url: str, share: Share = EVERYTHING) -> StoryStore:
    """The store at `url`, such as `sqlite:///cliffhanger.db` or `postgresql://…`, for a process
    that serves `share`.

    Opens nothing yet. Raises SettingsError for a URL that names no known database.
    """
    from bot.store.store import SqlStore

    return SqlStore(url, share=share)


async def upgrade(url: str) -> list[str]:
    """Bring the database at `url` to the newest schema; the migrations that were run."""
    from bot.store.migrate import upgrade_database

    return await upgrade_database(url)


async def backup(url: str, target: Path) -> Path:
    """Copy the database at `url` to the new file `target` while it is in use."""
    from bot.store.backup import backup_database

    return await backup_database(url, target)


async def restore(url: str, source: Path, *, replace: bool) -> Path | None:
    """Make the database at `url` what a backup holds; the name under which a file that was there
    is kept."""
    from bot.store.backup import restore_database

    return await restore_database(url, source, replace=replace)


async def copy(source_url: str, target_url: str) -> tuple[dict[str, int], bool]:
    """Copy a store into an empty database: how many rows each table has, and whether a bot served
    from the source meanwhile, so that the copy lacks what it wrote since."""
    from bot.store.transfer import copy_and_say_if_served

    return await copy_and_say_if_served(source_url, target_url)
