"""Telegram's answers, and their absence, are counted where PTB asks."""

from __future__ import annotations

import pytest
from fakes.counts import Counts
from fakes.telegram import FakeTelegram
from telegram.error import NetworkError

from bot.telegram.requests import CountedRequest

NOBODY = "http://127.0.0.1:9"  # the discard port, on which nothing listens here


async def test_answers_are_counted_and_silence_is_noticed() -> None:
    counts = Counts()
    async with FakeTelegram() as fake, CountedRequest() as request:
        status, _ = await request.do_request(f"{fake.url}/bot{fake.token}/getMe", "POST")
        assert (status, request.is_answered) == (200, True)
        with pytest.raises(NetworkError):
            await request.do_request(f"{NOBODY}/bot{fake.token}/getMe", "POST")
        assert not request.is_answered
        await request.do_request(f"{fake.url}/bot{fake.token}/getMe", "POST")
        assert request.is_answered
    assert counts("platform_requests_total", platform="telegram", status="200") == 2
    assert counts("platform_requests_total", platform="telegram", status="error") == 1
