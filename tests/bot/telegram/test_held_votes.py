"""Votes not counted in a group: their voter is told, a moderator counts them in private."""

from __future__ import annotations

import time

from bot.store.store import SqlStore

from .conftest import House, Street
from .test_moderation import Court, court  # noqa: F401  (a fixture)

MONTH_S = 30 * 86_400.0


async def test_a_burst_of_newcomers_waits_for_a_moderator(
    court: Court,  # noqa: F811
    street: Street,
    house: House,
) -> None:
    fake, group = court.fake, court.group
    assert isinstance(house.store, SqlStore)
    house.store._clock = lambda: time.time() - MONTH_S  # the group is an old acquaintance
    story = await court.story("The lamp")
    house.store._clock = time.time
    crowd = [fake.add_user(f"Newcomer {number}") for number in range(6)]
    for reader in crowd[:4]:
        answer = await fake.press(reader, story, "👍")
    assert answer.text == "👍 for story #1. It has 4 up, 0 down."
    for reader in crowd[4:]:
        answer = await fake.press(reader, story, "👍")
        assert answer.text == (
            "👍 for story #1. It has 0 up, 0 down. It is kept, but not counted for now: many "
            "newcomers vote alike on this story. A moderator can count it."
        )
    await group.wait_for(lambda m: m is story and m.has_button("👍 0"))

    panel = await court.queue()
    await fake.press(court.mod, panel, "Votes not counted (1)")
    assert panel.text.startswith(
        "Votes not counted: story 1 of 1\n"
        "6 votes not counted: 0 young accounts, 6 in a burst · 👍 0 👎 0 · to the message\n"
    )
    assert "The lamp" in panel.text
    refused = await fake.press(court.ann, panel, "Let them count")
    assert refused.text == "Only moderators can do that."
    await fake.press(court.mod, panel, "Let them count")
    assert panel.text == "No votes are held back here."
    await group.wait_for(lambda m: m is story and m.has_button("👍 6"))
    await fake.press(court.mod, panel, "Back")
    assert panel.text == "No story waits for a moderator."


async def test_an_administrator_switches_the_protection_off(
    court: Court,  # noqa: F811
    house: House,
) -> None:
    fake, group, boss = court.fake, court.group, court.fake.add_user("Boss")
    fake.promote(boss, group, "can_change_info")
    chat = fake.private_chat(boss)
    asked = await fake.say(boss, chat, f"/start settings_{group.id}_burst_protection")
    panel = await chat.wait_for(lambda m: m.buttons, after=asked)
    assert panel.text.startswith("Against bursts of votes: yes")
    await fake.press(boss, panel, "no")
    assert panel.text.startswith("Against bursts of votes: no")
    await fake.press(boss, panel, "Back")
    assert "Account age for votes: any\nAgainst bursts of votes: no" in panel.text
