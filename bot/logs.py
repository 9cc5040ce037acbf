"""How the house logs: to standard error, as text for people or as JSON for machines.

Each line that concerns a story names it, in whatever process it is written, so that one search
finds a story's way through all of them. What is secret is taken out of every line, whoever logs
it; what members write stays out above DEBUG, by what is logged and by keeping libraries quiet.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from bot.metrics import LogCounter

if TYPE_CHECKING:
    from rich.console import Console

LogFormat = Literal["text", "json"]
Redact = Callable[[str], str]

QUIET = {
    "PIL": logging.WARNING,
    "aiohttp": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "alembic": logging.WARNING,
    "asyncpg": logging.WARNING,
    "discord": logging.WARNING,
    "filelock": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
    "matplotlib": logging.WARNING,
    "redis": logging.WARNING,
    "saq": logging.WARNING,
    "sqlalchemy": logging.WARNING,
    "telegram": logging.WARNING,
    # Logs a whole answer of the server that is not JSON, and raises, which we log.
    "telegram.request.BaseRequest": logging.CRITICAL,
}
"""Libraries that log from here on only, at DEBUG too: what else they say holds tokens, members'
words, or nothing new."""

SHORTEST_SECRET = 6
"""Taking out shorter ones would make the log unreadable. A password in a URL goes at any length."""
REDACTED = "***"
_SECRET_PARTS = (
    r"(?<=://)[^\s/@'\"]+(?=@)",  # user and password in a URL
    r"(?<!\d)\d{6,}:[\w-]{30,}",  # a Telegram bot's token, also in its URLs
    r"(?<=/webhooks/)\d+/[\w.-]{30,}",  # a Discord interaction's token, good for 15 minutes
    r"(?<=/interactions/)\d+/[\w.-]{30,}",
)

_NAMED = re.compile(r"\bstory (\d+)\b")

_story: ContextVar[int | None] = ContextVar("story", default=None)


def about_story(story_id: int) -> None:
    """Whatever this task, and those it starts, log from now on concerns this story."""
    _story.set(story_id)


def set_up(
    level: str,
    form: LogFormat = "text",
    secrets: Sequence[str] = (),
    console: Console | None = None,
) -> None:
    """Log to standard error; in colour, by way of `console`, where that is a person's terminal.

    `secrets` never get out.
    """
    redact = _redactor(secrets)
    handler: logging.Handler = logging.StreamHandler()
    formatter: logging.Formatter
    if form == "json":
        formatter = JsonFormatter(redact)
    elif console is not None and console.is_terminal:
        from rich.logging import RichHandler

        handler = RichHandler(console=console, show_path=False)
        formatter = TextFormatter("%(name)s: %(message)s", redact)
    else:
        formatter = TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s", redact)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler, LogCounter()], force=True)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(least, logging.root.level))


def fatal(sentence: str) -> bool:
    """Log what ends the process, where the log is JSON; else False: it is to be printed."""
    is_json = any(isinstance(one.formatter, JsonFormatter) for one in logging.root.handlers)
    if is_json:
        logging.getLogger("bot").critical("%s", sentence)
    return is_json


def _redactor(secrets: Sequence[str]) -> Redact:
    known = sorted((one for one in secrets if len(one) >= SHORTEST_SECRET), key=len, reverse=True)
    pattern = re.compile("|".join([*map(re.escape, known), *_SECRET_PARTS]))
    return partial(pattern.sub, REDACTED)


def _story_of(message: str) -> int | None:
    """The story that the message names, or the task's."""
    named = _NAMED.search(message)
    return int(named[1]) if named else _story.get()


class TextFormatter(logging.Formatter):
    """Lines for people; in each that concerns story 12, "story 12" can be read."""

    def __init__(self, form: str, redact: Redact) -> None:
        super().__init__(form)
        self._redact = redact

    def formatMessage(self, record: logging.LogRecord) -> str:
        story = _story_of(record.message)
        if story is not None and not _NAMED.search(record.message):
            record.message = f"story {story}: {record.message}"
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and, where there are, story
    (its number) and error (the traceback)."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._redact(message),
        }
        if (story := _story_of(message)) is not None:
            line["story"] = story
        if record.exc_info:
            line["error"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)
