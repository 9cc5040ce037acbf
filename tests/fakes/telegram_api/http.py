"""Requests and answers of the Bot API as they travel: form, JSON or multipart in, JSON out."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from fakes.telegram_api.methods import ApiError
from fakes.telegram_api.world import FakeDocument

# Form fields that are text even when they look like a number or JSON.
_TEXT_FIELDS = {
    "action",
    "callback_query_id",
    "inline_message_id",
    "inline_query_id",
    "caption",
    "language_code",
    "parse_mode",
    "secret_token",
    "text",
    "url",
}


def failed(error: ApiError) -> web.Response:
    """An error as the Bot API words it."""
    body: dict[str, Any] = {
        "ok": False,
        "error_code": error.code,
        "description": error.description,
    }
    if error.parameters:
        body["parameters"] = error.parameters
    return web.json_response(body, status=error.code)


def cut(http: web.Request) -> None:
    """Drop the connection without an answer."""
    if http.transport:
        http.transport.abort()


async def decode(http: web.Request) -> tuple[dict[str, Any], dict[str, FakeDocument]]:
    """Values and uploads of a request, from its query, form, JSON or multipart body."""
    params: dict[str, Any] = {name: _value(name, raw) for name, raw in http.query.items()}
    files: dict[str, FakeDocument] = {}
    if http.content_type == "application/json":
        return params | await http.json(), files
    for name, part in (await http.post()).items():
        if isinstance(part, web.FileField):
            files[name] = FakeDocument(part.filename, part.file.read())
        else:
            params[name] = _value(name, str(part))
    return params, files


def _value(name: str, raw: str) -> Any:
    """A form value; numbers, booleans, arrays and objects are JSON, the rest is text."""
    if name in _TEXT_FIELDS:
        return raw
    try:
        return json.loads(raw)
    except ValueError:
        return raw
