"""Votes of young accounts: their voter is told, counts leave them out, a moderator counts them."""

from __future__ import annotations

import pytest
from fakes.discord import FakeDiscord, Message, User
from fakes.discord_house import Stage, labels
from fakes.discord_state import MANAGE_MESSAGES, MEMBER_PERMISSIONS, snowflake

DAY_S = 86_400.0


@pytest.fixture
def mod(fake: FakeDiscord) -> User:
    return fake.add_user("Mod", permissions=MEMBER_PERMISSIONS | MANAGE_MESSAGES)


async def story_with_held_votes(stage: Stage, n: int) -> Message:
    message = await stage.write(prompt="The lamp")
    for number in range(n):
        young = User(f"Young {number}", id=snowflake(6 * DAY_S))
        press = await stage.fake.press(young, message, "👍")
        told = await press.message("It is kept, but not counted: your account is too young")
        assert told.ephemeral
        assert told.text.startswith("👍 for story \\#1. It has 0 up, 0 down.")
    return message


async def test_a_young_accounts_vote_waits_for_a_moderator(stage: Stage, mod: User) -> None:
    message = await story_with_held_votes(stage, 3)
    await stage.fake.press(stage.bob, message, "👍")
    await stage.fake.until(lambda: labels(message)[0] == "👍 1", "the vote that counts")
    await stage.fake.press(User("Of age", id=snowflake(7.1 * DAY_S)), message, "👎")
    await stage.fake.until(lambda: labels(message)[1] == "👎 1", "and another")

    panel = await stage.do("moderate", mod)
    assert "No story waits" in panel.text
    assert labels(panel)[0] == "⚖️ Votes not counted (1)"
    await stage.fake.press(mod, panel, "Votes not counted")
    await stage.fake.until(lambda: "The lamp" in panel.text, "the story")
    assert panel.embeds[0]["title"] == "Votes not counted: story 1 of 1"
    first = panel.embeds[0]["description"].splitlines()[0]
    assert first.startswith(
        "**3 votes not counted: 3 young accounts, 0 in a burst** · 👍 1 👎 1 · [to the message]("
    )
    await stage.fake.press(mod, panel, "Let them count")
    await stage.fake.until(lambda: labels(message)[0] == "👍 4", "all of them")
    await stage.fake.until(lambda: "No votes are held back here." in panel.text, "the end")
    await stage.fake.press(mod, panel, "Back")
    await stage.fake.until(lambda: "No story waits" in panel.text, "the way back")
    assert labels(panel)[0] == "⚖️ Votes not counted"


async def test_a_reported_storys_case_says_so(stage: Stage, mod: User) -> None:
    message = await story_with_held_votes(stage, 1)
    form = await (await stage.fake.press(stage.bob, message, "Report")).responded()
    await (await stage.fake.modal_submit(form, reason="")).message("Thank you.")
    panel = await stage.do("moderate", mod)
    assert "one vote not counted: one young account, 0 in a burst" in panel.text


async def test_a_manager_lets_all_accounts_vote(stage: Stage) -> None:
    boss = stage.fake.add_user("Boss", permissions=MEMBER_PERMISSIONS | 0x20)
    panel = await stage.do("settings", boss)
    assert "**Account age for votes**: 7 days" in panel.text
    assert "**Against bursts of votes**: yes" in panel.text
    await stage.fake.select(boss, panel, "settings:pick", "min_account_age_days")
    await stage.fake.until(lambda: "Enter a number" in " ".join(labels(panel)), "the way")
    form = await (await stage.fake.press(boss, panel, "Enter a number")).responded()
    await stage.fake.modal_submit(form, value="0")
    await stage.fake.until(lambda: "**Account age for votes**: any" in panel.text, "the change")
    message = await stage.write()
    await stage.fake.press(User("Young", id=snowflake()), message, "👍")
    await stage.fake.until(lambda: labels(message)[0] == "👍 1", "the vote")
