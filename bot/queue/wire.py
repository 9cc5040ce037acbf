"""What goes through Redis between a bot and its workers, checked where it is written and read.

Neither side believes the other: every message is bounded in size and validated field by field, so
that a worker of another version, or somebody else's program on the same Redis, does no harm.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from bot.queue import Job, JobUpdate
from model.engine import EngineInfo

MAX_BYTES = 512 * 1024
"""Of one message: a story of 100,000 words is no story."""
MAX_REASON_CHARS = 500
MAX_SLOTS = 4096
"""Of one worker."""

Message = TypeVar("Message")


class BadMessage(Exception):
    """Too large, or not what it should be. The text quotes nothing of it: it may hold a prompt."""


@dataclass(frozen=True, slots=True)
class Order:
    """A job on its way to whichever worker takes it."""

    front: str
    """The bot process that wants it, and listens for reports."""
    job: Job


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's word on one delivery."""

    delivery: str
    worker: str
    kind: Literal["update", "failed", "handed back"]
    update: JobUpdate | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A worker's word on itself, said again and again."""

    name: str
    slots: Annotated[int, Field(ge=0, le=MAX_SLOTS)]
    engine: EngineInfo
    beat: int
    """Another one each time."""
    is_gone: bool = False


_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Order, Report, Announcement)
}


def encode(message: Order | Report | Announcement) -> str:
    """JSON. Raises BadMessage where it is too large."""
    data = _ADAPTERS[type(message)].dump_json(message)
    _check_size(data)
    return data.decode()


def decode(kind: type[Message], data: Any) -> Message:
    """What `encode` made. Raises BadMessage."""
    if not isinstance(data, str | bytes):
        raise BadMessage(f"an {kind.__name__} should be text, not {type(data).__name__}")
    _check_size(data)
    try:
        message: Message = _ADAPTERS[kind].validate_json(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadMessage(f"not a valid {kind.__name__}: {where}: {first['type']}") from None
    return message


def load_record(data: str | bytes) -> Any:
    """A record of SAQ's own. Raises BadMessage."""
    _check_size(data, limit=4 * MAX_BYTES)  # it holds a message, escaped, and perhaps a result
    try:
        return json.loads(data)
    except ValueError:
        raise BadMessage("a record that is not JSON") from None


def _check_size(data: str | bytes, limit: int = MAX_BYTES) -> None:
    if len(data) > limit:
        raise BadMessage(f"a message of {len(data)}, where at most {limit} are taken")
