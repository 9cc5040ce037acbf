"""Many at once: all are answered, and Telegram never has to say 429."""

from __future__ import annotations

import asyncio

from .conftest import House, Street


async def test_fifty_chats_at_once_are_all_answered(street: Street, house: House) -> None:
    fake = street.telegram
    members = [fake.add_user(f"Member{n}") for n in range(50)]
    chats = [fake.private_chat(member) for member in members]
    for number, (member, chat) in enumerate(zip(members, chats, strict=True)):
        await fake.say(member, chat, f"/story drama Story number {number}")
    finished = await asyncio.gather(
        *(chat.wait_for(lambda m: m.has_button("👍"), timeout=45) for chat in chats)
    )
    for number, message in enumerate(finished):
        assert f"Story number {number} " in message.text
    # In private chats stories grow in drafts; what kept their Cancel goes once the end is there.
    await fake.wait_until(lambda: [c.bot_messages for c in chats] == [[m] for m in finished])
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


async def test_a_group_flooded_with_commands_does_not_hold_up_others(
    street: Street, house: House
) -> None:
    fake = street.telegram
    vandal, ann = fake.add_user("Vandal"), fake.add_user("Ann")
    group, chat = fake.add_group("Noise"), fake.private_chat(ann)
    for _ in range(200):
        await fake.say(vandal, group, "/help")
    asked = await fake.say(ann, chat, "/queue")
    answer = await chat.wait_for(lambda m: "Nobody is waiting" in m.text)
    assert answer.at - asked.at < 60
    assert len(group.bot_messages) < 60
