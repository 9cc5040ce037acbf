"""The part of the Hugging Face Hub that a push speaks to, on loopback.

Speaks the HTTP of huggingface.co's commit API and of Git LFS's batch API
(https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md). As the real one does, it takes
weights by LFS only, and refuses a commit that names an object it was not given.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_writes_to_stories"
READ_ONLY = "hf_only_reads"
OWNER = "stories"


class FakeHub:
    """Repositories of one owner; `repos` is what was pushed."""

    def __init__(self) -> None:
        self.address = ""
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.down = False
        """Answer every request with 500."""
        self._objects: dict[str, bytes] = {}

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        if self.down:
            return 500, {"error": "out of order"}
        if method == "PUT":  # the storage behind LFS knows the address, not the token
            self._objects[path.removeprefix("/objects/")] = body
            return 200, {}
        if token not in (TOKEN, READ_ONLY):
            return 401, {"error": "Invalid credentials"}
        if path == "/api/whoami-v2":
            return 200, {"type": "user", "name": OWNER, "auth": {"type": "access_token"}}
        if token == READ_ONLY:
            return 403, {"error": "Forbidden"}
        if method == "GET":
            return 404, {"error": "Repository not found"}
        data = body if path.endswith("/commit/main") else json.loads(body)
        if path == "/api/repos/create":
            return self._create(data)
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if found := re.fullmatch(r"/api/models/(.+)/(preupload|commit)/main", path):
            repo, what = found.groups()
            if repo not in self.repos:
                return 404, {"error": "Repository not found"}
            return self._preupload(data) if what == "preupload" else self._commit(repo, data)
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._lfs(data)
        return 404, {"error": f"no such endpoint: {path}"}

    def _create(self, data: dict[str, Any]) -> tuple[int, Any]:
        repo = f"{data['organization'] or OWNER}/{data['name']}"
        if data["organization"] not in (None, OWNER):
            return 403, {"error": "Forbidden"}
        status = 409 if repo in self.repos else 200
        self.repos.setdefault(repo, {})
        self.private.setdefault(repo, data.get("visibility") == "private")
        return status, {"url": f"{self.address}/{repo}", "name": repo}

    def _preupload(self, data: dict[str, Any]) -> tuple[int, Any]:
        return 200, {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in data["files"]
            ]
        }

    def _lfs(self, data: dict[str, Any]) -> tuple[int, Any]:
        objects = [
            {
                "oid": wanted["oid"],
                "size": wanted["size"],
                "actions": {"upload": {"href": f"{self.address}/objects/{wanted['oid']}"}},
            }
            for wanted in data["objects"]
        ]
        return 200, {"transfer": "basic", "objects": objects}

    def _commit(self, repo: str, body: bytes) -> tuple[int, Any]:
        files = {}
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                content = self._objects.get(value["oid"], b"")
                if hashlib.sha256(content).hexdigest() != value["oid"]:
                    return 400, {"error": f"{value['path']} was not uploaded"}
                files[value["path"]] = content
        self.repos[repo] |= files
        oid = hashlib.sha1(body, usedforsecurity=False).hexdigest()
        url = f"{self.address}/{repo}/commit/{oid}"
        return 200, {"success": True, "commitUrl": url, "commitOid": oid}


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    """A FakeHub that answers at `address` until the block ends."""
    hub = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            path = self.path.partition("?")[0]
            status, answer = hub.answer(self.command, path, token, body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _handle

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
