"""A real redis-server on a free loopback port, which a test may stop, pause and fill."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

PATIENCE_S = 10.0
WHY_SKIPPED = "redis-server is not installed (Debian: apt-get install redis-server)"


def is_installed() -> bool:
    return shutil.which("redis-server") is not None


class RedisServer:
    """Lives in `folder`; its data survive a restart if asked to."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options: Sequence[str] = options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, *, is_durable: bool = False) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        is_tls = "--tls-cert-file" in self._options
        ports = ["--port", "0", "--tls-port"] if is_tls else ["--port"]
        self._process = subprocess.Popen(
            ["redis-server", *ports, str(self.port), "--bind", "127.0.0.1",
             "--dir", str(self._folder), "--save", "",
             "--appendonly", "yes" if is_durable else "no", "--appendfsync", "always",
             *self._options],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        limit = time.monotonic() + PATIENCE_S
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as there:
                    if is_tls:
                        return self
                    there.sendall(b"PING\r\n")
                    if there.recv(64).startswith((b"+PONG", b"-NOAUTH")):
                        return self
            except OSError:
                pass
            assert self._process.poll() is None, "redis-server has ended"
            assert time.monotonic() < limit, "redis-server does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Like a machine that hangs: connections stay, nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.stop()
