"""What is said in a chat is taken up in order; other chats and presses wait for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from telegram import Update
from telegram.ext import BaseUpdateProcessor

from bot.telegram.in_order import InOrder, answer_is_in_line


def said(chat_id: int) -> Update:
    message = {"message_id": 1, "date": 0, "chat": {"id": chat_id, "type": "private"}}
    update = Update.de_json({"update_id": 1, "message": message})
    assert update is not None
    return update


class Chat:
    """Handlers that note when they begin, and wait until they are let go."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.go_on = asyncio.Event()

    async def handle(self, name: str, *, answers: bool = False, fails: bool = False) -> None:
        self.began.append(name)
        if answers:
            answer_is_in_line()
        if fails:
            raise ZeroDivisionError
        await self.go_on.wait()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def take(processor: BaseUpdateProcessor, update: Update, handler: Any) -> asyncio.Task[None]:
    return asyncio.create_task(processor.process_update(update, handler))


async def test_a_message_waits_for_the_answer_to_the_one_before() -> None:
    processor, chat = InOrder(9), Chat()
    tasks = [
        take(processor, said(1), chat.handle("first")),
        take(processor, said(1), chat.handle("second")),
        take(processor, said(2), chat.handle("elsewhere")),
        take(processor, Update(7), chat.handle("press")),
    ]
    await settle()
    assert chat.began == ["first", "elsewhere", "press"]
    chat.go_on.set()
    await asyncio.gather(*tasks)
    assert chat.began[3:] == ["second"]
    assert not processor._last, "nothing is kept of a chat that is silent"


async def test_an_answer_in_line_lets_the_next_begin() -> None:
    processor, chat = InOrder(9), Chat()
    names = ("a", "b", "c")
    tasks = [take(processor, said(1), chat.handle(name, answers=True)) for name in names]
    await settle()
    assert chat.began == ["a", "b", "c"]
    chat.go_on.set()
    await asyncio.gather(*tasks)
    assert not processor._last


async def test_one_that_fails_or_is_cancelled_holds_nobody_up() -> None:
    processor, chat = InOrder(9), Chat()
    failing = take(processor, said(1), chat.handle("failing", fails=True))
    first = take(processor, said(1), chat.handle("first"))
    waiting = take(processor, said(1), chat.handle("never"))
    last = take(processor, said(1), chat.handle("last"))
    await settle()
    waiting.cancel()
    chat.go_on.set()
    await asyncio.gather(first, last)
    for task, error in ((failing, ZeroDivisionError), (waiting, asyncio.CancelledError)):
        with pytest.raises(error):
            await task
    assert chat.began == ["failing", "first", "last"] and not processor._last


async def test_outside_a_handler_there_is_nothing_to_tell() -> None:
    answer_is_in_line()
