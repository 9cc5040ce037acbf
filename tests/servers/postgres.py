"""A real PostgreSQL on a free loopback port, from the programs on this machine.

Its data lies in a folder of its own and goes with it. PostgreSQL refuses to run as root: there it
runs as `postgres`, else as `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

_START_S = 30.0
DEBIAN = Path("/usr/lib/postgresql")
USER = "cliffhanger"


def programs() -> Path | None:
    """The folder with `postgres` and `initdb`, on the path or where Debian keeps them."""
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    versions = [path.parent for path in DEBIAN.glob("*/bin/postgres")]
    return max(versions, key=lambda folder: float(folder.parent.name), default=None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _other_user() -> dict[str, Any]:
    """Arguments that let a process run as somebody else than root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@dataclass
class PostgresServer:
    """One server; `stop` and `start` again keep its data and its port."""

    bin: Path
    folder: Path
    options: tuple[str, ...]
    port: int = field(default_factory=_free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's own database, in which others can be made."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def make(self) -> None:
        """Make the data folder's content."""
        user = _other_user()
        if user:
            os.chown(self.folder, user["user"], user["group"])
        subprocess.run(
            [
                *(self.bin / "initdb", "-D", self.folder / "data", "-U", USER, "-A", "trust"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **user,
        )

    def start(self) -> None:
        """Start, and wait until it answers."""
        settings = (f"port={self.port}", "listen_addresses=127.0.0.1", *self.options)
        arguments = [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.folder / "data", "-k", "", *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **_other_user(),
            )
        deadline = time.monotonic() + _START_S
        ask = [self.bin / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        while subprocess.run(ask, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log}")
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGINT disconnects everybody and shuts down; SIGQUIT is as a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._process = None


@contextmanager
def running_postgres(*options: str) -> Iterator[PostgresServer]:
    """A server with nothing in it, and such options as `fsync=off`."""
    found = programs()
    if found is None:
        raise FileNotFoundError("PostgreSQL's programs are not installed")
    folder = Path(tempfile.mkdtemp(prefix="cliffhanger-postgres-"))
    server = PostgresServer(found, folder, options)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def new_database(server: str, template: str = "template1") -> AsyncIterator[str]:
    """The URL of a new database on the server at a URL, dropped afterwards."""
    url = make_url(server).set(drivername="postgresql+asyncpg")
    name = f"cliffhanger_test_{uuid4().hex}"
    admin = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await admin.dispose()
