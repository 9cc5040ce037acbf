"""Many at once: all are answered, and Telegram never has to say 429."""

from __future__ import annotations

import asyncio

import pytest

from .conftest import House, Street


@pytest.mark.timeout(180)
@pytest.mark.parametrize("speed", [10.0])
async def test_two_hundred_chats_at_once_are_all_answered_in_order(
    street: Street, house: House
) -> None:
    """Of a chat's three messages the first takes longest, and still is answered first."""
    fake = street.telegram
    members = [fake.add_user(f"Member{n}") for n in range(200)]
    chats = [fake.private_chat(member) for member in members]
    for number, (member, chat) in enumerate(zip(members, chats, strict=True)):
        await fake.say(member, chat, f"/story drama Story number {number}")
        await fake.say(member, chat, "/queue")
        await fake.say(member, chat, "/read 0")
    finished = await asyncio.gather(
        *(chat.wait_for(lambda m: m.has_button("👍"), timeout=50) for chat in chats)
    )
    for number, (chat, message) in enumerate(zip(chats, finished, strict=True)):
        assert f"Story number {number} " in message.text
        first, second, third, *_ = [m for m in chat.messages.values() if m.sender is fake.bot]
        assert f"Story number {number}" in (first.history[0].text if first.history else first.text)
        assert "written" in second.text and third.text == "There is no story #0 here."
    # In private chats stories grow in drafts; what kept their Cancel goes once the end is there.
    await fake.wait_until(
        lambda: not any(m.has_button("Cancel") for chat in chats for m in chat.bot_messages)
    )
    assert fake.floods == []


async def test_a_busy_group_stays_within_twenty_a_minute(street: Street, house: House) -> None:
    fake = street.telegram
    group = fake.add_group("Readers")
    members = [fake.add_user(f"Member{n}") for n in range(8)]
    began = street.clock()
    for number, member in enumerate(members):
        await fake.say(member, group, f"/story action Take {number}.")
    for number in range(len(members)):
        wanted = f"Take {number}."
        await group.wait_for(
            lambda m, wanted=wanted: wanted in m.text and m.has_button("👍"), timeout=30
        )
    counted = [
        request.at - began for request in fake.requests if request.params.get("chat_id") == group.id
    ]
    for start in counted:
        assert sum(start <= at < start + 60 for at in counted) <= 20
    assert fake.floods == []


@pytest.mark.parametrize("speed", [1.0])
async def test_a_group_flooded_with_commands_does_not_hold_up_others(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group is sent 20 messages, and then none for a minute."""
    monkeypatch.setattr("bot.telegram.application.STOP_TIMEOUT_S", 0.1)
    fake = street.telegram
    vandal, ann = fake.add_user("Vandal"), fake.add_user("Ann")
    group, chat = fake.add_group("Noise"), fake.private_chat(ann)
    async with street.house():
        for _ in range(200):
            await fake.say(vandal, group, "/help")
        await fake.say(ann, chat, "/queue")
        await chat.wait_for(lambda m: "Nobody is waiting" in m.text)
        assert len(group.bot_messages) <= 20
