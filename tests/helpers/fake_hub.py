"""A server on this machine that stores models as the Hugging Face hub does."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from huggingface_hub import constants

COMMIT = "0123456789abcdef0123456789abcdef01234567"
API = re.compile(r"/api/models/([^/]+/[^/]+)(/.*)?")
REVISIONS = ("/revision/main", f"/revision/{COMMIT}")
FILE = re.compile(rf"/([^/]+/[^/]+)/resolve/{COMMIT}/(.+)")


class FakeHub(ThreadingHTTPServer):
    """The repositories by name, each with the content of its files."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, dict[str, bytes]] = {}
        self.tokens: set[str | None] = set()  # of uploads
        self.is_open = True  # to uploads

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """The requests of create_repo, upload_folder, snapshot_download and hf_hub_download."""

    server: FakeHub

    def log_message(self, *arguments: Any) -> None:
        """Be silent."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(self.headers["Authorization"])
        path, match = self.path, API.fullmatch(self.path)
        if not self.server.is_open:
            self.refuse(401, "")
        elif path == "/api/repos/create":
            request = json.loads(body)
            name = f"{request['organization']}/{request['name']}"
            self.server.files.setdefault(name, {})
            self.answer({"url": f"{self.server.address}/{name}"})
        elif path == "/api/validate-yaml":  # of the model card
            self.answer({"errors": [], "warnings": []})
        elif match and match[2] == "/preupload/main":
            names = [each["path"] for each in json.loads(body)["files"]]
            mode = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer({"files": [{"path": name} | mode for name in names]})
        elif match and match[2] == "/commit/main":
            for each in map(json.loads, body.splitlines()):
                if each["key"] == "file":
                    content = base64.b64decode(each["value"]["content"])
                    self.server.files[match[1]][each["value"]["path"]] = content
            url = f"{self.server.address}/{match[1]}/commit/{COMMIT}"
            self.answer({"commitUrl": url, "commitOid": COMMIT, "success": True})
        else:
            self.send_error(404)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        api, file = API.fullmatch(path), FILE.fullmatch(path)
        files = self.server.files.get((api or file or [""] * 2)[1])
        if files is None:
            self.refuse(404, "RepoNotFound")
        elif file and file[2] in files:
            self.send_file(files[file[2]])
        elif api and (api[2] or "").startswith("/tree/"):
            sizes = {name: len(content) for name, content in files.items()}
            entries = [{"path": name, "size": size} for name, size in sizes.items()]
            self.answer([{"type": "file", "oid": COMMIT} | entry for entry in entries])
        elif api and (api[2] or "/revision/main") not in REVISIONS:
            self.refuse(404, "RevisionNotFound")
        elif api:
            siblings = [{"rfilename": name} for name in files]
            self.answer({"id": api[1], "sha": COMMIT, "siblings": siblings})
        else:
            self.refuse(404, "EntryNotFound")

    do_HEAD = do_GET

    def refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def answer(self, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextlib.contextmanager
def fake_hub(monkeypatch: pytest.MonkeyPatch, cache: object) -> Iterator[FakeHub]:
    """Start a hub, which huggingface_hub takes for the real one, with a cache of its own."""
    hub = FakeHub()
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        hub.address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    thread = threading.Thread(target=hub.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
