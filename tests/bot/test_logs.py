"""How log lines look, which story they name, and what never gets into them."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from bot.logs import REDACTED, about_story, fatal, set_up

TELEGRAM_TOKEN = "123456789:AAExampleExampleExampleExampleExampl"
INTERACTION_TOKEN = "aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OTA"
log = logging.getLogger("bot.somewhere")


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What `set_up` sets ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


async def told_in_a_task(story_id: int) -> None:
    about_story(story_id)
    await asyncio.sleep(0)
    log.info("it goes on")


def test_a_json_line_has_what_a_machine_looks_for(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO", "json")
    log.info("a %s was lit", "lämp")
    (line,) = lines(capsys)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "INFO", "logger": "bot.somewhere", "message": "a lämp was lit"}


def test_an_error_is_one_json_line_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO", "json")
    try:
        raise RuntimeError("the lamp\nis out")
    except RuntimeError:
        log.exception("no light")
    (line,) = lines(capsys)
    assert line["message"] == "no light"
    assert line["error"].startswith("Traceback")
    assert line["error"].endswith("RuntimeError: the lamp\nis out")


async def test_each_line_names_the_story_of_its_task(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO", "json")
    await asyncio.gather(
        asyncio.create_task(told_in_a_task(7)), asyncio.create_task(told_in_a_task(8))
    )
    log.info("of no story")
    log.info("the end of story %d is shown", 9)
    assert [line.get("story") for line in lines(capsys)] == [7, 8, None, 9]


async def test_a_person_reads_the_story_once(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("INFO", "text")

    async def tell() -> None:
        about_story(7)
        log.info("it goes on")
        log.info("story 7 is finished")
        log.info("story 71 is another")

    await asyncio.create_task(tell())
    said = [line.split("bot.somewhere: ")[1] for line in capsys.readouterr().err.splitlines()]
    assert said == ["story 7: it goes on", "story 7 is finished", "story 71 is another"]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            f"GET https://api.telegram.org/bot{TELEGRAM_TOKEN}/getMe",
            f"GET https://api.telegram.org/bot{REDACTED}/getMe",
        ),
        ("postgresql://bot:x@db/stories is away", f"postgresql://{REDACTED}@db/stories is away"),
        ("redis://:x@queue:6379/0", f"redis://{REDACTED}@queue:6379/0"),
        (
            f"PATCH https://discord.com/api/v10/webhooks/81384788765712384/{INTERACTION_TOKEN}/messages",
            f"PATCH https://discord.com/api/v10/webhooks/{REDACTED}/messages",
        ),
        (
            f"https://discord.com/api/v10/interactions/81384788765712384/{INTERACTION_TOKEN}/callback",
            f"https://discord.com/api/v10/interactions/{REDACTED}/callback",
        ),
        ("the key is sk-hushhush, they say", f"the key is {REDACTED}, they say"),
        ("a URL without one: https://me.example/a@b", "a URL without one: https://me.example/a@b"),
        ("at 12:30 story 123456789 began", "at 12:30 story 123456789 began"),
    ],
)
def test_secrets_are_taken_out_whoever_logs_them(
    capsys: pytest.CaptureFixture[str], form: Any, text: str, left: str
) -> None:
    set_up("INFO", form, ["sk-hushhush", "", "short"])
    logging.getLogger("some.library").warning(text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        log.exception("%s", "it failed")
    err = capsys.readouterr().err
    assert err.count(left) == 2
    if text != left:
        assert text not in err
    assert "hushhush" not in err


def test_a_person_at_a_terminal_reads_no_secret_either() -> None:
    screen = io.StringIO()
    set_up("INFO", "text", ["sk-hushhush"], Console(file=screen, force_terminal=True, width=200))
    log.warning("the key is sk-hushhush")
    assert f"bot.somewhere: the key is {REDACTED}" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()  # in colour


def test_what_ends_the_process_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("ERROR", "text")
    assert not fatal("no database")
    set_up("ERROR", "json", ["sk-hushhush"])
    assert fatal("no database, with sk-hushhush")
    (line,) = lines(capsys)
    assert (line["level"], line["message"]) == ("CRITICAL", f"no database, with {REDACTED}")


def test_libraries_stay_quiet_at_debug_too(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("DEBUG", "json")
    for name in ("httpx", "discord.http", "telegram.ext.Application", "sqlalchemy.engine", "saq"):
        logging.getLogger(name).info("a request with a member's words")
    logging.getLogger("telegram.request.BaseRequest").error("an answer with a member's words")
    logging.getLogger("telegram.ext.Application").warning("a fault")
    log.debug("ours")
    assert [line["message"] for line in lines(capsys)] == ["a fault", "ours"]
