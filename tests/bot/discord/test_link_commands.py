"""/link and /unlink: whose code it is, the question before it is done, and who sees the answers."""

from __future__ import annotations

import re

from fakes.discord_house import Stage

from bot.domain import Caller

ANN = Caller("telegram", "7", "*Ann*", "7", is_private=True)
"""The same person, by the other door."""


async def test_a_code_from_elsewhere_links_after_a_question(stage: Stage) -> None:
    linking = stage.house.service.linking
    code = await linking.offer(ANN)
    answer = await stage.fake.slash(stage.ada, stage.channel, "link", code=f" {code.lower()}")
    question = await answer.message("Are you \\*Ann\\* on Telegram?")
    assert question.ephemeral
    assert len(await linking.identities(ANN)) == 1, "nothing is done yet"
    await stage.fake.press(stage.ada, question, "Yes, that is me")
    await stage.fake.until(lambda: "are one person here" in question.text, "it is done")
    assert question.buttons == []
    assert [one.platform for one in await linking.identities(ANN)] == ["telegram", "discord"]
    told = await stage.do("link")
    assert told.ephemeral
    assert "You are one person here: \\*Ann\\* on Telegram, Ada on Discord." in told.text
    undone = await stage.do("unlink")
    assert undone.ephemeral
    assert len(await linking.identities(ANN)) == 1


async def test_a_code_given_out_here_serves_elsewhere_once(stage: Stage) -> None:
    linking = stage.house.service.linking
    told = await stage.do("link")
    found = re.search(r"Your code is ([0-9A-Z]{4}-[0-9A-Z]{4})\.", told.text)
    assert found
    await linking.redeem(ANN, found[1])
    answer = await stage.fake.slash(stage.bob, stage.channel, "link", code=found[1])
    assert (await answer.message("That code is wrong, used or older")).ephemeral


async def test_two_accounts_of_one_platform_are_refused(stage: Stage) -> None:
    linking = stage.house.service.linking
    code = await linking.offer(Caller("discord", str(stage.bob.id), "Bob", "1"))
    answer = await stage.fake.slash(stage.ada, stage.channel, "link", code=code)
    await answer.message("Both of you have an account on Discord already")
    answer = await stage.fake.slash(stage.bob, stage.channel, "link", code=code)
    await answer.message("That is your own code.")
