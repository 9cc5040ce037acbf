"""The fake's HTTP side: receives requests, checks, limits and answers them.

Every request is checked against the spec (where present); what is wrong is refused as Discord
refuses it and noted in `violations`. A route that `Routes` has not is a violation too. Knows rate
limits and ordered faults, not what a route does, and no gateway.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from fakes.discord_routes import ApiError, Call, Refused, Route, Routes
from fakes.discord_state import Changes
from fakes.openapi import ApiSpec

PREFIX = "/api/v10"


@dataclass
class Fault:
    """Trouble ordered by a test for the next matching requests."""

    method: str
    path: re.Pattern[str]
    times: int
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass
class Bucket:
    """A rate limit: `limit` requests in `window_s`."""

    limit: int
    window_s: float
    used: int = 0
    ends_at: float = 0.0


class HttpApi:
    """Everything between the socket and `Routes`."""

    def __init__(self, token: str, routes: Routes, changes: Changes, spec: ApiSpec | None) -> None:
        self.token = token
        self.routes = routes
        self.changes = changes
        self.violations = routes.violations
        self.spec = spec
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.rate_limited = 0
        """429s answered because the bot really was too fast."""
        self.limits = {"message": (5, 5.0), "webhook": (5, 2.0), "": (50, 1.0)}
        """Requests per window (s): per channel and verb, per interaction token, else per route."""
        self._buckets: dict[tuple[str, str], Bucket] = {}

    async def serve(self, request: web.Request) -> web.Response:
        """Record, hold back, refuse or answer."""
        body, files = await _read(request)
        path = request.path.removeprefix(PREFIX)
        now = asyncio.get_running_loop().time()
        authorization = request.headers.get("Authorization")
        call = Call(request.method, path, dict(request.query), body, files, authorization, now)
        self.calls.append(call)
        status, answer, headers = await self._answer(call)
        call.status = status
        self.changes.notify()
        headers = {"Via": "1.1 fake", **headers}
        if status == 204 or answer is None:
            return web.Response(status=status, headers=headers)
        # Discord names no charset, and discord.py compares the whole header.
        headers["Content-Type"] = "application/json"
        return web.Response(body=json.dumps(answer).encode(), status=status, headers=headers)

    async def _answer(self, call: Call) -> tuple[int, Any, dict[str, str]]:
        fault = self._fault(call)
        if fault is not None:
            await asyncio.sleep(fault.delay_s)
            if fault.status is not None:
                return fault.status, fault.body, fault.headers
        for route in self.routes.table:
            found = route.path.fullmatch(call.path)
            if found is None or route.method != call.method:
                continue
            if route.needs_token and call.authorization != f"Bot {self.token}":
                return 401, {"message": "401: Unauthorized", "code": 0}, {}
            slow, headers = self._limit(route, found.groupdict())
            if slow is not None:
                return 429, slow, headers
            return *self._run(route, call, found.groupdict()), headers
        self.violations.append(f"{call.method} {call.path}: no such route in the fake")
        return 404, {"message": "404: Not Found", "code": 0}, {}

    def _run(self, route: Route, call: Call, ids: dict[str, str]) -> tuple[int, Any]:
        problems = (
            self.spec.request_problems(call.method, call.path, call.body) if self.spec else []
        )
        if problems:
            return self._refused(call, problems)
        try:
            status, answer = route.handler(call, **ids)
        except ApiError as error:
            return error.status, error.body
        except Refused as error:
            return self._refused(call, error.problems)
        if self.spec:
            wrong = self.spec.answer_problems(call.method, call.path, status, answer)
            self.violations += [f"the fake's own answer: {one}" for one in wrong]
        return status, answer

    def _refused(self, call: Call, problems: list[str]) -> tuple[int, Any]:
        self.violations += [f"{call.method} {call.path}: {problem}" for problem in problems]
        empty = any("50006" in problem for problem in problems)
        code, message = (
            (50006, "Cannot send an empty message") if empty else (50035, "Invalid Form Body")
        )
        return 400, {"code": code, "message": message, "errors": {"_errors": problems}}

    def _fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if fault.method == call.method and fault.path.search(call.path):
                fault.times -= 1
                if fault.times == 0:
                    self.faults.remove(fault)
                return fault
        return None

    def _limit(
        self, route: Route, ids: dict[str, str]
    ) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """Count the request against its bucket (docs: topics/rate-limits)."""
        if route.limit == "none":
            return None, {}
        name = "webhook" if route.limit == "webhook" else f"{route.method} {route.path.pattern}"
        major = ids.get("channel") or ids.get("token") or ""
        bucket = self._buckets.setdefault((name, major), Bucket(*self.limits[route.limit]))
        now = time.monotonic()
        if now >= bucket.ends_at:
            bucket.used, bucket.ends_at = 0, now + bucket.window_s
        bucket.used += 1
        left = bucket.ends_at - now
        headers = {
            "X-RateLimit-Limit": str(bucket.limit),
            "X-RateLimit-Remaining": str(max(0, bucket.limit - bucket.used)),
            "X-RateLimit-Reset": f"{time.time() + left:.3f}",
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Bucket": f"{abs(hash(name)):032x}"[:32],
        }
        if bucket.used <= bucket.limit:
            return None, headers
        self.rate_limited += 1
        body = {"message": "You are being rate limited.", "retry_after": left, "global": False}
        return body, headers | {"Retry-After": str(int(left) + 1), "X-RateLimit-Scope": "user"}


async def _read(request: web.Request) -> tuple[Any, dict[str, bytes]]:
    """The JSON body, and uploaded files by name."""
    if not request.can_read_body:
        return None, {}
    if not request.content_type.startswith("multipart/"):
        return json.loads(await request.text() or "null"), {}
    body: Any = None
    files: dict[str, bytes] = {}
    async for part in await request.multipart():
        data = await part.read()
        if part.name == "payload_json":
            body = json.loads(data)
        else:
            files[part.filename or part.name] = bytes(data)
    return body, files
