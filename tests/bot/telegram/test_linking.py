"""/link and /unlink in the private chat: a code given out or typed there, and never in a group."""

from __future__ import annotations

import re

from bot.domain import Caller

from .conftest import House, Street

ADA = Caller("discord", "7", "Ada", "8")
"""The same person, by the other door."""


async def test_a_code_from_elsewhere_links_after_a_question(street: Street, house: House) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    code = await house.service.linking.offer(ADA)
    asked = await fake.say(ann, chat, f"/link {code.lower()}")
    question = await chat.wait_for(lambda m: m.has_button("Yes, that is me"), after=asked)
    assert question.text.startswith("Are you Ada on Discord? If somebody sent you this code, stop")
    assert len(await house.service.linking.identities(ADA)) == 1, "nothing is done yet"
    await fake.press(ann, question, "Yes, that is me")
    assert question.text.startswith("Done. You and Ada on Discord are one person here.")
    assert question.buttons == []
    assert [one.name for one in await house.service.linking.identities(ADA)] == ["Ada", "Ann"]
    again = await fake.press_data(ann, question, f"l:{code.replace('-', '')}")
    assert (
        again.text
        == "That code is wrong, used or older than ten minutes. /link gives you a new one."
    )
    asked = await fake.say(ann, chat, "/unlink")
    await chat.wait_for(lambda m: m.text.startswith("Done. This account stands"), after=asked)
    assert [one.name for one in await house.service.linking.identities(ADA)] == ["Ada"]


async def test_a_code_given_out_here_serves_elsewhere(street: Street, house: House) -> None:
    fake = street.telegram
    ann = fake.add_user("Ann")
    chat = fake.private_chat(ann)
    asked = await fake.say(ann, chat, "/link")
    told = await chat.wait_for(lambda m: "Your code is" in m.text, after=asked)
    found = re.search(r"Your code is ([0-9A-Z]{4}-[0-9A-Z]{4})\.", told.text)
    assert found
    owner = await house.service.linking.redeem(ADA, found[1])
    assert (owner.platform, owner.name) == ("telegram", "Ann")
    asked = await fake.say(ann, chat, "/link")
    linked = "You are one person here: Ann on Telegram, Ada on Discord."
    await chat.wait_for(lambda m: m.text.startswith(linked), after=asked)


async def test_codes_are_not_for_groups_nor_wrong_ones_for_ever(
    street: Street, house: House
) -> None:
    fake = street.telegram
    ann, group = fake.add_user("Ann"), fake.add_group("Readers")
    chat = fake.private_chat(ann)
    for command in ("/link", "/link K7QF-2M9X"):
        asked = await fake.say(ann, group, command)
        await group.wait_for(lambda m: "in our private chat" in m.text, after=asked)
    for _ in range(5):
        asked = await fake.say(ann, chat, "/link K7QF-2M9X")
        await chat.wait_for(lambda m: m.text.startswith("That code is wrong"), after=asked)
    asked = await fake.say(ann, chat, "/link K7QF-2M9X")
    await chat.wait_for(lambda m: m.text.startswith("Those were too many wrong"), after=asked)
    asked = await fake.say(ann, chat, "/unlink")
    await chat.wait_for(lambda m: "not linked with any other" in m.text, after=asked)
