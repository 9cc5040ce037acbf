"""Any sequence of votes, waits and releases: held is what the rule says, tallies are recounts."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from bot.domain import Caller, Hold, NewStory, Provenance, Tally, VoteGuard, VoteValue
from bot.ranking import wilson_lower_bound
from bot.store import upgrade
from bot.store.store import SqlStore
from model.engine import SamplingParams

PROVENANCE = Provenance("m", "r", None, 1, 0.1, "stop")
DAY_S = 86_400.0
STORIES = 2


@dataclass
class Vote:
    value: int
    at: float
    held: Hold | None
    released: bool = False


class HeldVotesMachine(RuleBasedStateMachine):
    """The model: who came when, and each vote with why it is held."""

    members = Bundle("members")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "stories.db"
        self.runner = asyncio.Runner()
        self.now = 0.0
        self.seen: dict[int, float] = {}
        self.votes: dict[tuple[int, int], Vote] = {}  # (story, member)
        url = f"sqlite:///{self.path}"
        self.runner.run(upgrade(url))
        self.store = self.runner.run(SqlStore(url, lambda: self.now).__aenter__())
        author, home = self.runner.run(self.store.enter(Caller("console", "author", "", "home")))
        new = NewStory(author.id, home.id, "horror", "", "Once", SamplingParams())
        for _ in range(STORIES):
            story = self.runner.run(self.store.add_story(new)).id
            assert self.runner.run(self.store.finish_story(story, "Once.", PROVENANCE))
        self.author = author.id

    def teardown(self) -> None:
        self.runner.run(self.store.__aexit__())
        self.runner.close()
        self.folder.cleanup()

    @initialize(target=members, regulars=st.integers(0, 4), newcomers=st.integers(3, 7))
    def a_crowd(self, regulars: int, newcomers: int):  # type: ignore[no-untyped-def]
        old = [self.comes() for _ in range(regulars)]
        self.now += 20 * DAY_S
        return multiple(*old, *(self.comes() for _ in range(newcomers)))

    @rule(target=members)
    def comes(self) -> int:
        caller = Caller("console", str(len(self.seen)), "", "home")
        member = self.runner.run(self.store.enter(caller))[0].id
        self.seen[member] = self.now
        return member

    @rule(seconds=st.sampled_from([1.0, 120.0, 599.0, 600.0, 3 * DAY_S, 7 * DAY_S]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        member=members,
        story=st.integers(1, STORIES),
        value=st.sampled_from([1, 1, 1, -1, 0]),
        bursts=st.sampled_from([True, True, False]),
        days=st.sampled_from([0, 0, 3]),
    )
    def votes_on(self, member: int, story: int, value: VoteValue, bursts: bool, days: int) -> None:
        self.cast(member, story, value, VoteGuard(days * DAY_S, bursts))

    def cast(self, member: int, story: int, value: VoteValue, guard: VoteGuard) -> None:
        tally = self.runner.run(self.store.cast_vote(member, story, value, guard))
        self.vote(member, story, value, guard)
        vote = self.votes.get((story, member))
        expected = self.tally(story)
        held = vote.held if vote else None
        assert tally == Tally(expected.ups, expected.downs, expected.rank, held)

    @rule(crowd=st.lists(members, min_size=4, unique=True), story=st.integers(1, STORIES))
    def many_vote_alike(self, crowd: list[int], story: int) -> None:
        for member in crowd:
            self.cast(member, story, 1, VoteGuard(against_bursts=True))

    def vote(self, member: int, story: int, value: int, guard: VoteGuard) -> None:
        old = self.votes.get((story, member))
        if value == (old.value if old else 0) and not (old and old.held is Hold.YOUNG):
            return
        if not value:
            del self.votes[story, member]
            return
        released = old is not None and old.released
        held = None
        if not released:
            young = self.now - self.seen[member] < guard.min_age_s <= self.now
            held = Hold.YOUNG if young else None
        self.votes[story, member] = Vote(value, self.now, held, released)
        if held or released or not guard.against_bursts or not self.is_new(member):
            return
        alike = [
            (who, vote)
            for (voted, who), vote in self.votes.items()
            if voted == story and vote.value == value and vote.at > self.now - 600
        ]
        new = [vote for who, vote in alike if self.is_new(who)]
        if len(new) >= 5 and len(new) > len(alike) - len(new):
            for vote in new:
                if not vote.held and not vote.released:
                    vote.held = Hold.BURST

    def is_new(self, member: int) -> bool:
        return self.now - self.seen[member] < 7 * DAY_S <= self.now

    def tally(self, story: int) -> Tally:
        values = [
            vote.value
            for (voted, _), vote in self.votes.items()
            if voted == story and vote.held is None
        ]
        counts = values.count(1), values.count(-1)
        return Tally(*counts, wilson_lower_bound(*counts))

    @rule(story=st.integers(1, STORIES))
    def a_moderator_releases(self, story: int) -> None:
        held = [vote for (voted, _), vote in self.votes.items() if voted == story and vote.held]
        assert self.runner.run(self.store.release_votes(story, self.author)) == len(held)
        for vote in held:
            vote.held, vote.released = None, True

    @rule(member=consumes(members))
    def is_forgotten(self, member: int) -> None:
        self.runner.run(self.store.forget_member(member))
        self.votes = {key: vote for key, vote in self.votes.items() if key[1] != member}

    @invariant()
    def the_file_agrees_with_the_model(self) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            run = connection.execute
            kept = {
                (story, member): Vote(value, at, Hold(held) if held else None, bool(released))
                for story, member, value, at, held, released in run(
                    "SELECT story_id, member_id, value, updated_at, held, released FROM votes"
                )
            }
            assert kept == self.votes
            for story, ups, downs, rank in run("SELECT id, ups, downs, rank FROM stories"):
                assert Tally(ups, downs, rank) == self.tally(story)


HeldVotesMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=40, deadline=None
)
TestHeldVotes = HeldVotesMachine.TestCase
