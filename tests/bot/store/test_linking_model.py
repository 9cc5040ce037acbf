"""Any sequence of votes, links and partings: one vote a person, none for oneself, true tallies."""

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

from bot.domain import Caller, Member, NewStory, Provenance, Tally, VoteValue
from bot.errors import NotLinked, OwnCode, OwnStory, PlatformTaken, StoryNotFound
from bot.ranking import wilson_lower_bound
from bot.store import upgrade
from bot.store.store import SqlStore
from model.engine import SamplingParams

PROVENANCE = Provenance("m", "r", None, 1, 0.1, "stop")
PLATFORMS = ("discord", "telegram", "console")
Identity = tuple[str, str]
"""Platform, and id there."""


class LinkingMachine(RuleBasedStateMachine):
    """The model: which identities are one person, who wrote a story where, and the newest vote of
    each person on it."""

    people = Bundle("people")
    stories = Bundle("stories")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "stories.db"
        self.runner = asyncio.Runner()
        self.now = 0.0
        self.persons: dict[Identity, object] = {}
        self.authors: dict[int, Identity | None] = {}  # None: forgotten
        self.votes: dict[tuple[int, object], tuple[float, int]] = {}  # (story, person) → at, value
        url = f"sqlite:///{self.path}"
        self.runner.run(upgrade(url))
        self.store = self.runner.run(SqlStore(url, lambda: self.now).__aenter__())

    def teardown(self) -> None:
        self.runner.run(self.store.__aexit__())
        self.runner.close()
        self.folder.cleanup()

    def member(self, who: Identity) -> Member:
        caller = Caller(who[0], who[1], "", "home")
        return self.runner.run(self.store.enter(caller))[0]

    def author(self, story: int) -> object:
        author = self.authors[story]
        return None if author is None else self.persons[author]

    # -- people and stories --------------------------------------------------------------------
    @initialize(target=people)
    def a_few(self):  # type: ignore[no-untyped-def]
        return multiple(*(self.comes(platform) for platform in PLATFORMS[:2] * 2))

    @rule(target=people, platform=st.sampled_from(PLATFORMS))
    def comes(self, platform: str) -> Identity:
        who = (platform, str(len(self.persons)))
        self.persons[who] = object()
        self.member(who)
        return who

    @rule(target=stories, author=people)
    def a_story_is_told(self, author: Identity) -> int:
        member = self.member(author)
        _, home = self.runner.run(self.store.enter(Caller(*author, "", "home")))
        new = NewStory(member.id, home.id, "horror", "", "Once", SamplingParams())
        story = self.runner.run(self.store.add_story(new)).id
        assert self.runner.run(self.store.finish_story(story, "Once.", PROVENANCE))
        self.authors[story] = author
        return story

    @rule(who=people, story=stories, value=st.sampled_from([-1, 0, 1]))
    def votes_on(self, who: Identity, story: int, value: VoteValue) -> None:
        self.now += 1
        key = (story, self.persons[who])
        try:
            self.runner.run(self.store.cast_vote(self.member(who).id, story, value))
        except OwnStory:
            assert self.author(story) is self.persons[who]
        except StoryNotFound:
            assert self.authors[story] is None
        else:
            assert self.author(story) not in (None, self.persons[who])
            if not value:
                self.votes.pop(key, None)
            elif self.votes.get(key, (0.0, 0))[1] != value:
                self.votes[key] = (self.now, value)

    # -- together and apart --------------------------------------------------------------------
    def all_of(self, person: object) -> list[Identity]:
        return [who for who, one in self.persons.items() if one is person]

    @rule(owner=people, other=people)
    def link(self, owner: Identity, other: Identity) -> None:
        one, gone = self.persons[owner], self.persons[other]
        platforms = [{platform for platform, _ in self.all_of(who)} for who in (one, gone)]
        self.now += 1
        code = str(self.now)
        self.runner.run(self.store.offer_link(self.member(owner), code, 60.0))
        try:
            self.runner.run(self.store.redeem_link(self.member(other).id, code))
        except OwnCode:
            assert one is gone
        except PlatformTaken:
            assert one is not gone
            assert platforms[0] & platforms[1]
        else:
            assert not platforms[0] & platforms[1]
            self.join(one, gone)

    def join(self, one: object, gone: object) -> None:
        for who in self.all_of(gone):
            self.persons[who] = one
        for story in self.authors:
            cast = [self.votes.pop((story, person), (0.0, 0)) for person in (one, gone)]
            at, value = max(cast)
            if value and self.author(story) is not one:
                self.votes[story, one] = (at, value)

    @rule(who=people)
    def unlink(self, who: Identity) -> None:
        was, apart = self.persons[who], object()
        try:
            self.runner.run(self.store.unlink(self.member(who)))
        except NotLinked:
            assert len(self.all_of(was)) == 1
            return
        assert len(self.all_of(was)) > 1
        self.persons[who] = apart
        for story, author in self.authors.items():
            if author is not None and author[0] == who[0] and (story, was) in self.votes:
                self.votes[story, apart] = self.votes.pop((story, was))

    @rule(who=consumes(people))
    def is_forgotten(self, who: Identity) -> None:
        gone = self.persons[who]
        self.runner.run(self.store.forget_member(self.member(who).id))
        self.authors = {
            story: None if author and self.persons[author] is gone else author
            for story, author in self.authors.items()
        }
        for one in self.all_of(gone):  # whoever comes again is somebody new
            self.persons[one] = object()
        self.votes = {
            (story, person): vote
            for (story, person), vote in self.votes.items()
            if person is not gone and self.authors[story] is not None
        }

    # -- what must hold ------------------------------------------------------------------------
    @invariant()
    def the_file_agrees_with_the_model(self) -> None:
        with closing(sqlite3.connect(self.path)) as connection:
            run = connection.execute
            persons = {
                member: self.persons[platform, number]
                for platform, number, member in run(
                    "SELECT platform, platform_id, member_id FROM identities"
                )
            }
            kept = {
                (story, persons[member]): (at, value)
                for story, member, value, at in run(
                    "SELECT story_id, member_id, value, updated_at FROM votes"
                )
            }
            assert kept == self.votes
            for story, ups, downs, rank in run("SELECT id, ups, downs, rank FROM stories"):
                values = [value for (voted, _), (_, value) in self.votes.items() if voted == story]
                counted = values.count(1), values.count(-1)
                assert Tally(ups, downs, rank) == Tally(*counted, wilson_lower_bound(*counted))
            assert run("PRAGMA foreign_key_check").fetchall() == []
            assert run("SELECT count(*) FROM members").fetchone() == (len({*persons}),)


LinkingMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestLinking = LinkingMachine.TestCase
