"""Any sequence of presses, deletions and departures: tallies equal the votes, and a plain model."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from contextlib import closing
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

from bot.domain import Caller, Forgotten, NewStory, Provenance, Status, Tally, VoteValue
from bot.errors import OwnStory, StoryNotFound
from bot.ranking import wilson_lower_bound
from bot.store import upgrade
from bot.store.store import SqlStore
from model.engine import SamplingParams

PROVENANCE = Provenance("m", "r", None, 1, 0.1, "stop")
VALUES = st.sampled_from([-1, 0, 1])


class VotesMachine(RuleBasedStateMachine):
    """The model: who wrote which story, and what each member pressed last on it."""

    members = Bundle("members")
    stories = Bundle("stories")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "stories.db"
        self.runner = asyncio.Runner()
        self.authors: dict[int, int | None] = {}  # None: deleted
        self.votes: dict[tuple[int, int], int] = {}  # (story, member) → ±1
        self.n_members = 0
        url = f"sqlite:///{self.path}"
        self.runner.run(upgrade(url))
        self.store = self.runner.run(SqlStore(url).__aenter__())

    def teardown(self) -> None:
        self.runner.run(self.store.__aexit__())
        self.runner.close()
        self.folder.cleanup()

    def tally(self, story: int) -> Tally:
        values = [value for (voted, _), value in self.votes.items() if voted == story]
        ups, downs = values.count(1), values.count(-1)
        return Tally(ups, downs, wilson_lower_bound(ups, downs))

    @initialize(target=members)
    def some_members(self):  # type: ignore[no-untyped-def]
        return multiple(*(self.new_member() for _ in range(3)))

    @rule(target=members)
    def a_member_comes(self) -> int:
        return self.new_member()

    def new_member(self) -> int:
        self.n_members += 1
        caller = Caller("console", str(self.n_members), f"member {self.n_members}", "home")
        return self.runner.run(self.store.enter(caller))[0].id

    @rule(target=stories, author=members)
    def a_story_is_told(self, author: int) -> int:
        new = NewStory(author, 1, "horror", "", "Once", SamplingParams())
        story = self.runner.run(self.store.add_story(new)).id
        assert self.runner.run(self.store.finish_story(story, "Once.", PROVENANCE))
        self.authors[story] = author
        return story

    @rule(member=members, story=stories, value=VALUES)
    def a_member_votes(self, member: int, story: int, value: VoteValue) -> None:
        try:
            tally = self.runner.run(self.store.cast_vote(member, story, value))
        except OwnStory:
            assert self.authors[story] == member
        except StoryNotFound:
            assert self.authors[story] is None
        else:
            assert self.authors[story] not in (None, member)
            self.votes.pop((story, member), None)
            if value:
                self.votes[story, member] = value
            assert tally == self.tally(story)

    @rule(members=st.lists(members, unique=True), story=stories, values=st.data())
    def members_vote_at_once(self, members: list[int], story: int, values: st.DataObject) -> None:
        voters = [member for member in members if self.authors[story] not in (None, member)]
        ballots = [(member, values.draw(VALUES)) for member in voters]

        async def all_at_once() -> None:
            await asyncio.gather(
                *(self.store.cast_vote(member, story, value) for member, value in ballots)
            )

        self.runner.run(all_at_once())
        for member, value in ballots:
            self.votes.pop((story, member), None)
            if value:
                self.votes[story, member] = value

    @rule(story=stories)
    def a_story_is_deleted(self, story: int) -> None:
        was_there = self.authors[story] is not None
        assert self.runner.run(self.store.delete_story(story)) is was_there
        self.remove(story)

    def remove(self, story: int) -> None:
        self.authors[story] = None
        self.votes = {key: value for key, value in self.votes.items() if key[0] != story}

    @rule(member=consumes(members))
    def a_member_is_forgotten(self, member: int) -> None:
        theirs = [story for story, author in self.authors.items() if author == member]
        cast = [key for key in self.votes if key[1] == member]
        forgotten = self.runner.run(self.store.forget_member(member))
        assert forgotten == Forgotten(stories=len(theirs), votes=len(cast))
        for key in cast:
            del self.votes[key]
        for story in theirs:
            self.remove(story)

    @invariant()
    def the_file_agrees_with_the_model(self) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            votes = connection.execute("SELECT story_id, member_id, value FROM votes").fetchall()
            stories = connection.execute("SELECT id, status, ups, downs, rank FROM stories")
            assert {(story, member): value for story, member, value in votes} == self.votes
            for story, status, ups, downs, rank in stories:
                is_deleted = self.authors[story] is None
                assert status == (Status.DELETED if is_deleted else Status.FINISHED)
                assert Tally(ups, downs, rank) == self.tally(story)
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


VotesMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestVotes = VotesMachine.TestCase
