"""The fake's gateway: hello, heartbeats, identify, resume, dispatch; trouble on demand.

Speaks JSON, plain or as one zlib stream per connection, as the client asks. Knows sessions and
shards, not what the events mean. After docs: events/gateway.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from fakes.discord_state import Changes

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME, RECONNECT = 0, 1, 2, 3, 6, 7
REQUEST_MEMBERS, INVALID_SESSION, HELLO, ACK = 8, 9, 10, 11
PRIVILEGED = 1 << 1 | 1 << 8 | 1 << 15
"""Members, presences, message content."""
_MAX_SENT = 4_096  # bytes a client may send at once
_NOT_RESUMABLE = {1000, 1001, 4004, 4007, 4009, 4010, 4011, 4012, 4013, 4014}


@dataclass(eq=False)
class Session:
    """What a bot may resume: its shard and the events since it began."""

    shard: tuple[int, int]
    intents: int
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    events: list[dict[str, Any]] = field(default_factory=list)
    connection: Connection | None = None

    async def dispatch(self, name: str, data: dict[str, Any]) -> None:
        event = {"op": DISPATCH, "t": name, "s": len(self.events) + 1, "d": data}
        self.events.append(event)
        if self.connection is not None:
            await self.connection.send(event)


class Connection:
    """One websocket with its own compression stream."""

    def __init__(self, socket: web.WebSocketResponse, *, zlib_stream: bool) -> None:
        self.socket = socket
        self._deflate = zlib.compressobj() if zlib_stream else None

    async def send(self, payload: dict[str, Any]) -> None:
        text = json.dumps(payload)
        if self.socket.closed:
            return
        try:
            if self._deflate is None:
                await self.socket.send_str(text)
            else:
                packed = self._deflate.compress(text.encode())
                await self.socket.send_bytes(packed + self._deflate.flush(zlib.Z_SYNC_FLUSH))
        except ConnectionResetError:
            pass  # the client left; a resume replays what it missed


class Gateway:
    """Serves `/gateway` for any number of shards."""

    def __init__(
        self,
        token: str,
        changes: Changes,
        violations: list[str],
        ready: Callable[[tuple[int, int]], dict[str, Any]],
        guilds: Callable[[tuple[int, int]], list[dict[str, Any]]],
    ) -> None:
        self.token = token
        self.heartbeat_interval_s = 41.25
        self.zombie = False
        """True: heartbeats are no longer acknowledged."""
        self.identifies: list[dict[str, Any]] = []
        self.resumes = 0
        self.heartbeats = 0
        self.sessions: dict[str, Session] = {}
        self._changes = changes
        self._violations = violations
        self._ready = ready
        self._guilds = guilds
        self.url = ""

    @property
    def live(self) -> list[Session]:
        """Sessions that have a socket now."""
        return [session for session in self.sessions.values() if session.connection]

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One connection, from hello to close."""
        query = dict(request.query)
        packing = query.get("compress")
        if query.get("v") != "10" or query.get("encoding") != "json":
            self._violations.append(f"gateway asked for {query}")
        if packing not in (None, "zlib-stream"):
            self._violations.append(f"gateway compression {packing!r} is unknown to the fake")
        socket = web.WebSocketResponse(max_msg_size=_MAX_SENT)
        await socket.prepare(request)
        connection = Connection(socket, zlib_stream=packing == "zlib-stream")
        interval = int(self.heartbeat_interval_s * 1000)
        await connection.send({"op": HELLO, "d": {"heartbeat_interval": interval}})
        session: Session | None = None
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    session = await self._received(connection, json.loads(message.data), session)
        finally:
            if session is not None and session.connection is connection:
                session.connection = None
            self._changes.notify()
        return socket

    async def _received(
        self, connection: Connection, message: dict[str, Any], session: Session | None
    ) -> Session | None:
        code = message["op"]
        if code == IDENTIFY:
            return await self._identify(connection, message["d"])
        if code == RESUME:
            return await self._resume(connection, message["d"])
        if code == HEARTBEAT:
            self.heartbeats += 1
            if not self.zombie:
                await connection.send({"op": ACK})
        elif code not in (PRESENCE, REQUEST_MEMBERS):
            self._violations.append(f"gateway: opcode {code}")
            await connection.socket.close(code=4001)
        self._changes.notify()
        return session

    async def _identify(self, connection: Connection, data: dict[str, Any]) -> Session | None:
        self.identifies.append(data)
        if data["token"] != self.token:
            await connection.socket.close(code=4004)
            return None
        if data["intents"] & PRIVILEGED:
            self._violations.append(f"privileged intents asked for: {data['intents']:#x}")
            await connection.socket.close(code=4014)
            return None
        shard = tuple(data.get("shard", (0, 1)))
        session = Session(shard, data["intents"], connection=connection)
        self.sessions = {k: s for k, s in self.sessions.items() if s.shard != shard}
        self.sessions[session.id] = session
        about = {"session_id": session.id, "resume_gateway_url": self.url, "shard": list(shard)}
        await session.dispatch("READY", self._ready(shard) | about)
        if session.intents & 1:
            for guild in self._guilds(shard):
                await session.dispatch("GUILD_CREATE", guild)
        self._changes.notify()
        return session

    async def _resume(self, connection: Connection, data: dict[str, Any]) -> Session | None:
        session = self.sessions.get(data["session_id"])
        if session is None or data["token"] != self.token:
            await connection.send({"op": INVALID_SESSION, "d": False})
            return None
        self.resumes += 1
        session.connection = connection
        for event in session.events[data["seq"] :]:
            await connection.send(event)
        await session.dispatch("RESUMED", {})
        self._changes.notify()
        return session

    async def dispatch(self, name: str, data: dict[str, Any], guild_id: int | None) -> None:
        """Send an event to the shard it belongs to, or keep it for that shard's resume."""
        for session in list(self.sessions.values()):
            shard, count = session.shard
            if shard == ((guild_id or 0) >> 22) % count:
                await session.dispatch(name, data)
                return
        raise AssertionError(f"no bot is connected to hear {name}")

    async def drop(self, code: int) -> None:
        """Close every connection with `code`; sessions die where Discord's would."""
        for session in self.live:
            connection, session.connection = session.connection, None
            if code in _NOT_RESUMABLE:
                del self.sessions[session.id]
            if connection is not None:
                await connection.socket.close(code=code)

    async def ask_reconnect(self) -> None:
        """Opcode 7: come again and resume."""
        for session in self.live:
            if session.connection is not None:
                await session.connection.send({"op": RECONNECT, "d": None})

    async def invalidate(self, *, resumable: bool = False) -> None:
        """Opcode 9: the session is gone, or may be resumed."""
        for session in self.live:
            if session.connection is not None:
                await session.connection.send({"op": INVALID_SESSION, "d": resumable})
            if not resumable:
                del self.sessions[session.id]

    async def stop(self) -> None:
        closing = [s.connection.socket.close(code=1001) for s in self.live if s.connection]
        await asyncio.gather(*closing)
