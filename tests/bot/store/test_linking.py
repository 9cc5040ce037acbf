"""One person on two platforms: codes, what becomes one, what comes apart again, and races."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection

from bot.domain import Caller, Community, Forgotten, Member, NewStory, Provenance, Tally
from bot.errors import (
    NotLinked,
    OwnCode,
    OwnStory,
    PlatformTaken,
    StoreBusy,
    TooManyTries,
    WrongCode,
)
from bot.ranking import wilson_lower_bound
from bot.store import open_store, upgrade
from bot.store.database import parse_url, writing_engine
from bot.store.store import SqlStore

if TYPE_CHECKING:
    from conftest import Clock, House

LIFE_S = 600.0
PROVENANCE = Provenance("m", "r", None, 1, 0.1, "stop")


def tally(ups: int, downs: int) -> Tally:
    return Tally(ups, downs, wilson_lower_bound(ups, downs))


@dataclass
class Doors:
    """The same house by two doors."""

    house: House

    async def enter(self, platform: str, name: str, place: str = "") -> tuple[Member, Community]:
        place = place or f"{platform}-home"
        return await self.house.store.enter(
            Caller(platform, f"{name}@{platform}", f"{name} of {platform}", place, place)
        )

    async def ids(self, name: str) -> tuple[int, int]:
        """A name's members on Discord and on Telegram."""
        discord, telegram = [(await self.enter(one, name))[0].id for one in ("discord", "telegram")]
        return discord, telegram

    async def finished(self, platform: str, author: str) -> int:
        member, community = await self.enter(platform, author)
        story = await self.house.store.add_story(
            NewStory(member.id, community.id, "horror", "", "Once", self.house.sampling)
        )
        assert await self.house.store.finish_story(story.id, "Once.", PROVENANCE)
        return story.id

    async def link(self, name: str, code: str = "code") -> int:
        """Link a name's two members; the id of the one they become."""
        store = self.house.store
        discord, _ = await self.enter("discord", name)
        telegram, _ = await self.enter("telegram", name)
        await store.offer_link(discord, code, LIFE_S)
        owner = await store.redeem_link(telegram.id, code)
        assert owner == (await self.enter("discord", name))[0]
        return owner.id


@pytest.fixture
def doors(house: House) -> Doors:
    return Doors(house)


# -- codes -------------------------------------------------------------------------------------
async def test_a_code_names_its_owner_and_makes_two_members_one(doors: Doors) -> None:
    store = doors.house.store
    telegram, _ = await doors.enter("telegram", "ann")
    discord, _ = await doors.enter("discord", "ann")
    await store.offer_link(discord, "code", LIFE_S)
    for _ in range(2):
        assert await store.linked_by(telegram.id, "code") == discord
    assert (await doors.enter("discord", "ann"))[0] == discord, "asking changes nothing"
    one = await store.redeem_link(telegram.id, "code")
    assert one == Member(telegram.id, "discord", "ann@discord", "ann of discord")
    assert (await doors.enter("discord", "ann"))[0] == one
    assert (await doors.enter("telegram", "ann"))[0] == telegram, "the older one's id is kept"
    assert await store.identities(one.id) == [one, telegram]
    with pytest.raises(WrongCode):
        await store.linked_by((await doors.enter("telegram", "bob"))[0].id, "code")


async def test_a_code_dies_of_age_and_of_a_newer_one(doors: Doors, clock: Clock) -> None:
    store = doors.house.store
    discord, _ = await doors.enter("discord", "ann")
    telegram, _ = await doors.enter("telegram", "ann")
    await store.offer_link(discord, "old", LIFE_S)
    await store.offer_link(discord, "new", LIFE_S)
    with pytest.raises(WrongCode):
        await store.redeem_link(telegram.id, "old")
    clock.now += LIFE_S
    with pytest.raises(WrongCode):
        await store.redeem_link(telegram.id, "new")
    assert (await doors.enter("discord", "ann"))[0] == discord


async def test_guessing_ends_after_five_wrong_codes_an_hour(doors: Doors, clock: Clock) -> None:
    store = doors.house.store
    discord, _ = await doors.enter("discord", "ann")
    mallory, bob = [(await doors.enter("telegram", name))[0] for name in ("mallory", "bob")]

    async def guess(code: str) -> type[Exception] | None:
        try:
            await store.linked_by(mallory.id, code)
        except (WrongCode, TooManyTries) as error:
            return type(error)
        return None

    await store.offer_link(discord, "right", LIFE_S)
    tried = await asyncio.gather(*(guess(f"wrong-{n}") for n in range(8)))
    assert (tried.count(WrongCode), tried.count(TooManyTries)) == (5, 3)
    assert (await store.export_member(mallory.id))["linking"]["wrong_codes"] == 5
    with pytest.raises(TooManyTries) as refused:
        await store.redeem_link(mallory.id, "right")
    assert refused.value.values == {"minutes": 60}
    assert await store.linked_by(bob.id, "right") == discord, "others may"
    clock.now += 3_600
    assert [await guess(f"later-{n}") for n in range(6)] == [WrongCode] * 5 + [TooManyTries]


async def test_a_code_serves_neither_its_owner_nor_a_second_account_of_a_platform(
    doors: Doors,
) -> None:
    store = doors.house.store
    ann = await doors.link("ann")
    discord, _ = await doors.enter("discord", "ann")
    await store.offer_link(discord, "own", LIFE_S)
    for member_id in (ann, discord.id):
        with pytest.raises(OwnCode):
            await store.redeem_link(member_id, "own")
    for platform in ("discord", "telegram"):
        second, _ = await doors.enter(platform, "second")
        with pytest.raises(PlatformTaken) as refused:
            await store.redeem_link(second.id, "own")
        assert refused.value.values == {"platform": platform}
    console, _ = await doors.enter("console", "ann")
    assert (await store.redeem_link(console.id, "own")).id == ann, "it was not used up"
    assert [one.platform for one in await store.identities(ann)] == [
        "console", "discord", "telegram",
    ]  # fmt: skip


# -- what becomes one --------------------------------------------------------------------------
async def test_votes_become_one_and_the_later_counts(doors: Doors, clock: Clock) -> None:
    store = doors.house.store
    by_bob = [await doors.finished("discord", "bob") for _ in range(4)]
    own = await doors.finished("discord", "ann"), await doors.finished("telegram", "ann")
    discord, telegram = await doors.ids("ann")
    cid, _ = await doors.ids("cid")
    for story in (*by_bob, *own):
        await store.cast_vote(cid, story, 1)
    await store.cast_vote(discord, by_bob[0], 1)
    await store.cast_vote(telegram, by_bob[1], 1)
    clock.now += 1
    await store.cast_vote(telegram, by_bob[0], -1)
    await store.cast_vote(discord, by_bob[1], -1)
    await store.cast_vote(discord, by_bob[2], 1)
    await store.cast_vote(telegram, by_bob[3], -1)
    await store.cast_vote(discord, own[1], 1)
    await store.cast_vote(telegram, own[0], 1)
    assert (await doors.house.the_story(by_bob[0])).tally == tally(2, 1)

    one = await doors.link("ann")

    assert [await store.vote_of(one, story) for story in by_bob] == [-1, -1, 1, -1]
    tallies = [(await doors.house.the_story(story)).tally for story in (*by_bob, *own)]
    assert tallies == [tally(1, 1), tally(1, 1), tally(2, 0), tally(1, 1), tally(1, 0), tally(1, 0)]
    for story in own:
        with pytest.raises(OwnStory):
            await store.cast_vote(one, story, 1)
    [top, *_] = await store.top_stories((await doors.enter("discord", "bob"))[1].id)
    assert top.id == by_bob[2]


async def test_stories_counts_reports_and_actions_become_one(doors: Doors) -> None:
    store = doors.house.store
    of_bob = await doors.finished("discord", "bob")
    here, there = await doors.finished("discord", "ann"), await doors.finished("telegram", "ann")
    discord, telegram = await doors.ids("ann")
    for member_id, story in ((discord, of_bob), (telegram, of_bob), (telegram, here)):
        await store.report_story(member_id, story, "", 0)
    place = (await doors.enter("telegram", "ann"))[1].id
    await store.note_action(place, telegram, "keep", {"story": 1})

    one = await doors.link("ann")

    assert [story.id for story in await store.stories_by(one)] == [there, here]
    assert await store.count_stories(one) == 2
    assert await store.count_stories(one, since=0.0) == 2, "one quota"
    exported = await store.export_member(one)
    assert [story["id"] for story in exported["stories"]] == [here, there]
    assert [report["story_id"] for report in exported["reports"]] == [of_bob]
    assert [action["action"] for action in exported["actions"]] == ["keep"]
    names = [one["name"] for one in exported["identities"]]
    assert names == ["ann of discord", "ann of telegram"]
    ann, home = await doors.enter("discord", "ann")
    everywhere, here_only = [await store.profile(ann, one) for one in (None, home.id)]
    assert everywhere and here_only
    assert (everywhere.n_stories, here_only.n_stories) == (2, 1)


async def test_each_platform_reads_the_name_used_there(doors: Doors) -> None:
    store = doors.house.store
    here, there = await doors.finished("discord", "ann"), await doors.finished("telegram", "ann")
    one = await doors.link("ann")
    names = [(await doors.house.the_story(story)).author_name for story in (here, there)]
    assert names == ["ann of discord", "ann of telegram"]
    place = (await doors.enter("telegram", "ann"))[1].id
    await store.note_action(place, one, "keep", {"story": 1})
    assert [entry.actor for entry in await store.audit_log(place)] == ["ann of telegram"]
    author = await store.author_of(there)
    assert author == Member(one, "telegram", "ann@telegram", "ann of telegram")


async def test_a_block_holds_for_the_person_and_does_not_travel(doors: Doors) -> None:
    store = doors.house.store
    mod, home = await doors.enter("discord", "mod")
    await store.block(home.id, "ann@discord", mod.id)
    one = await doors.link("ann")
    _, elsewhere = await doors.enter("telegram", "ann")
    assert await store.is_blocked(home.id, one)
    assert not await store.is_blocked(elsewhere.id, one)
    assert [one.name for one in await store.blocked(home.id, limit=9, offset=0)] == [
        "ann of discord"
    ]
    assert [entry["community"] for entry in (await store.export_member(one))["blocked_in"]] == [
        "discord-home"
    ]
    await store.unlink((await doors.enter("telegram", "ann"))[0])
    blocked = [await store.is_blocked(home.id, one) for one in await doors.ids("ann")]
    assert blocked == [True, False]


# -- apart again, and gone ---------------------------------------------------------------------
async def test_apart_again_each_has_what_was_done_on_its_platform(doors: Doors) -> None:
    store = doors.house.store
    here, there = await doors.finished("discord", "ann"), await doors.finished("telegram", "ann")
    bobs = await doors.finished("discord", "bob"), await doors.finished("telegram", "bob")
    one = await doors.link("ann")
    later = await doors.finished("telegram", "ann")
    for story in bobs:
        await store.cast_vote(one, story, 1)
        await store.report_story(one, story, "", 0)
    telegram, place = await doors.enter("telegram", "ann")
    await store.note_action(place.id, one, "keep", {"story": 1})
    await store.offer_link(telegram, "open", LIFE_S)

    await store.unlink(telegram)

    discord_id, telegram_id = await doors.ids("ann")
    assert discord_id != telegram_id
    exported = [await store.export_member(number) for number in (discord_id, telegram_id)]
    told = [[story["id"] for story in one["stories"]] for one in exported]
    assert told == [[here], [there, later]]
    assert [[vote["story_id"] for vote in one["votes"]] for one in exported] == [
        [bobs[0]], [bobs[1]],
    ]  # fmt: skip
    assert [[one["story_id"] for one in side["reports"]] for side in exported] == [
        [bobs[0]], [bobs[1]],
    ]  # fmt: skip
    assert [len(one["actions"]) for one in exported] == [0, 1]
    assert [len(one["identities"]) for one in exported] == [1, 1]
    for story in bobs:
        assert (await doors.house.the_story(story)).tally == tally(1, 0)
    with pytest.raises(WrongCode):
        await store.redeem_link(telegram_id, "open")
    for platform in ("discord", "telegram"):
        with pytest.raises(NotLinked):
            await store.unlink((await doors.enter(platform, "ann"))[0])
    assert await doors.link("ann", "again") == min(discord_id, telegram_id)


async def test_forgetting_a_linked_member_forgets_the_person(doors: Doors) -> None:
    store = doors.house.store
    stories = await doors.finished("discord", "ann"), await doors.finished("telegram", "ann")
    of_bob = await doors.finished("discord", "bob")
    one = await doors.link("ann")
    await store.cast_vote(one, of_bob, 1)
    chat = Caller("telegram", "ann@telegram", "Ann", "ann@telegram", is_private=True)
    _, private = await store.enter(chat)
    await store.offer_link((await doors.enter("discord", "ann"))[0], "open", LIFE_S)
    with pytest.raises(WrongCode):
        await store.redeem_link(one, "wrong")

    assert await store.forget_member(one) == Forgotten(stories=2, votes=1)

    for story in stories:
        assert (await doors.house.the_story(story)).text == ""
    assert (await doors.house.the_story(of_bob)).tally == Tally()
    assert await store.identities(one) == []
    assert (await store.enter(chat))[1].id != private.id
    assert one not in await doors.ids("ann")
    assert (await store.export_member(one))["linking"] == {"code_until": None, "wrong_codes": 0}


# -- races -------------------------------------------------------------------------------------
async def test_of_many_who_redeem_one_code_at_once_one_is_linked(doors: Doors, url: str) -> None:
    store = doors.house.store
    discord, _ = await doors.enter("discord", "ann")
    rivals = [(await doors.enter("telegram", f"rival-{n}"))[0] for n in range(6)]
    await store.offer_link(discord, "code", LIFE_S)
    async with SqlStore(url, doors.house.clock) as other:
        outcomes = await asyncio.gather(
            *((store, other)[n % 2].redeem_link(one.id, "code") for n, one in enumerate(rivals)),
            return_exceptions=True,
        )
    linked = [one for one in outcomes if isinstance(one, Member)]
    assert len(linked) == 1
    assert all(isinstance(one, WrongCode | StoreBusy) for one in outcomes if one not in linked)
    assert len(await store.identities(linked[0].id)) == 2


async def test_two_who_redeem_each_others_codes_at_once_are_one(doors: Doors, url: str) -> None:
    store = doors.house.store
    discord, _ = await doors.enter("discord", "ann")
    telegram, _ = await doors.enter("telegram", "ann")
    await store.offer_link(discord, "of discord", LIFE_S)
    await store.offer_link(telegram, "of telegram", LIFE_S)
    async with SqlStore(url, doors.house.clock) as other:
        outcomes = await asyncio.gather(
            store.redeem_link(telegram.id, "of discord"),
            other.redeem_link(discord.id, "of telegram"),
            return_exceptions=True,
        )
    assert sum(isinstance(one, Member) for one in outcomes) == 1, outcomes
    assert len({*await doors.ids("ann")}) == 1


async def test_linking_while_voting_leaves_one_vote_and_true_tallies(
    doors: Doors, url: str
) -> None:
    store = doors.house.store
    stories = [await doors.finished("discord", "bob") for _ in range(6)]
    own = await doors.finished("discord", "ann")
    discord, telegram = await doors.ids("ann")
    cid, _ = await doors.ids("cid")
    voters = (discord, telegram, cid)

    async def press(at: SqlStore, member_id: int, story: int) -> None:
        try:
            await at.cast_vote(member_id, story, 1)
        except StoreBusy:
            assert member_id == max(discord, telegram), "only who is no more"
        except OwnStory:
            assert story == own and member_id in (discord, telegram)

    async with SqlStore(url, doors.house.clock) as other:
        presses = [
            press((store, other)[n % 2], member_id, story)
            for n, story in enumerate((*stories, own))
            for member_id in voters
        ]
        await asyncio.gather(*presses[:9], doors.link("ann"), *presses[9:])
    one, same = await doors.ids("ann")
    assert one == same
    for story in (*stories, own):
        ups = sum([await store.vote_of(number, story) for number in (one, cid)])
        assert (await doors.house.the_story(story)).tally == tally(ups, 0)
    assert await store.vote_of(one, own) == 0


# -- older databases ---------------------------------------------------------------------------
async def test_an_older_databases_members_become_identities(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from bot.store.migrate import MIGRATIONS

    path = tmp_path / "stories.db"

    def run(connection: Connection, how: str) -> None:
        attributes = {"connection": connection, "on_version_apply": lambda **step: None}
        config = Config(attributes=attributes)
        config.set_main_option("script_location", str(MIGRATIONS))
        {"up": command.upgrade, "down": command.downgrade}[how](config, "0004")

    async def migrate(how: str) -> None:
        engine = writing_engine(parse_url(f"sqlite:///{path}"), foreign_keys=False)
        async with engine.begin() as connection:
            await connection.run_sync(run, how)
        await engine.dispose()

    await migrate("up")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO members VALUES (3, 'discord', '7', 'Ann', 5.0)")
        connection.execute("INSERT INTO members VALUES (9, 'discord', '8', 'Gone', 6.0)")
        connection.execute("DELETE FROM members WHERE id = 9")
    await upgrade(f"sqlite:///{path}")
    async with open_store(f"sqlite:///{path}") as store:
        assert await store.identities(3) == [Member(3, "discord", "7", "Ann")]
        newcomer, _ = await store.enter(Caller("discord", "9", "Bob", "home"))
        assert newcomer.id == 10, "no number is given twice"
    await migrate("down")
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT id, platform, platform_id, name FROM members").fetchall()
    assert rows == [(3, "discord", "7", "Ann"), (10, "discord", "9", "Bob")]
