"""Lines from a terminal or a pipe, without blocking the event loop. Knows no command."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading

PROMPT = "> "


class LineReader:
    """Reads one line of standard input when asked.

    The reading thread is a daemon: a process that stops need not wait for a line to come.
    """

    def __init__(self) -> None:
        self.is_terminal = sys.stdin is not None and sys.stdin.isatty()
        self._asked: queue.SimpleQueue[asyncio.Future[str | None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def next(self) -> str | None:
        """The next line without its end; None at the end of input."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="stdin", daemon=True)
            self._thread.start()
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked.put(answer)
        return await answer

    def _serve(self) -> None:
        while True:
            answer = self._asked.get()
            line = self._read()
            loop = answer.get_loop()
            if not loop.is_closed():
                loop.call_soon_threadsafe(_set, answer, line)

    def _read(self) -> str | None:
        if sys.stdin is None:  # started with standard input closed
            return None
        if self.is_terminal:
            return _typed()
        # As bytes: a wrong letter in the text layer would take the lines around it along. And
        # past the buffer: its lock, held while waiting for a line, aborts a process that stops.
        line = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer).readline()
        return line.decode("utf-8", "replace").strip("\r\n\ufeff") if line else None


def _typed() -> str | None:
    try:
        return input(PROMPT)
    except EOFError:
        return None
    except UnicodeDecodeError:
        return ""


def _set(answer: asyncio.Future[str | None], line: str | None) -> None:
    if not answer.done():
        answer.set_result(line)
