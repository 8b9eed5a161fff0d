"""A model hub on loopback that implements the part of the protocol that a pull uses, and can simulate faults."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 5000  # bytes; files of at least this size are listed with a SHA-256, like LFS files on the real hub


@dataclass
class Hub:
    """The files to serve, the faults to simulate, and the requests that were received."""

    files: dict[str, bytes]
    repository: str = "someone/model"
    commit: str = COMMIT
    cut: dict[str, list[int]] = field(
        default_factory=dict
    )  # file -> number of bytes after which each next response is cut off
    altered: set[str] = field(default_factory=set)  # files served with other bytes than listed
    endless: set[str] = field(default_factory=set)  # files served without a length and without an end
    listed: dict[str, dict[str, object]] = field(
        default_factory=dict
    )  # file -> changes to its entry in the listing
    padding: int = 0  # bytes of white space after the listing
    once: set[str] = field(default_factory=set)  # files that no longer exist after they were cut off
    redirects_to: str = ""  # all files are redirected to this address
    busy: bool = False
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range
    url: str = ""

    def listing(self) -> bytes:
        """Return the response to `/api/models/NAME/revision/REVISION?blobs=true`."""
        siblings = []
        for name, content in self.files.items():
            sibling: dict[str, object] = {"rfilename": name, "size": len(content)}
            header = b"blob %d\0" % len(content)
            sibling["blobId"] = hashlib.sha1(header + content).hexdigest()
            if len(content) >= LARGE:
                sibling["lfs"] = {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size": len(content),
                    "pointerSize": 134,
                }
            siblings.append(sibling | self.listed.get(name, {}))
        return (
            json.dumps({"id": self.repository, "sha": self.commit, "siblings": siblings}).encode()
            + b" " * self.padding
        )


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve `hub` on a free port while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            range_header = self.headers.get("Range")
            hub.requests.append((path, range_header))
            if hub.busy:
                self.respond(503, b"busy")
            elif path.startswith("/api/models/"):
                known = path in {
                    f"/api/models/{hub.repository}/revision/{revision}"
                    for revision in ("main", "v1", hub.commit)
                }
                self.respond(
                    200 if known and query == "blobs=true" else 404, hub.listing() if known else b"{}"
                )
            else:
                name = path.removeprefix("/v8.4.0/")
                for revision in ("main", hub.commit):
                    name = name.removeprefix(f"/{hub.repository}/resolve/{revision}/")
                if hub.redirects_to:
                    self.send_response(302)
                    self.send_header("Location", hub.redirects_to)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif name in hub.endless:
                    self.pour()
                elif name in hub.files:
                    self.file(name, range_header)
                else:
                    self.respond(404, b"no such file")

        def do_HEAD(self) -> None:
            """What the hub's own library requests before it downloads."""
            name = self.path.removeprefix(f"/{hub.repository}/resolve/").partition("/")[2]
            content = hub.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", hub.commit)
            self.end_headers()

        def pour(self) -> None:
            self.close_connection = True
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):  # the client closes the connection
                while True:
                    self.wfile.write(bytes(1 << 16))

        def file(self, name: str, range_header: str | None) -> None:
            content = hub.files[name]
            if name in hub.altered:
                content = content[::-1]
            etag = f'"{hashlib.md5(content).hexdigest()}"'
            start, status = 0, 200
            if range_header and self.headers.get("If-Range") in (None, etag):
                match = re.fullmatch(r"bytes=(\d+)-", range_header)
                assert match
                start, status = int(match[1]), 206
                if start >= len(content):
                    self.respond(416, b"nothing follows")
                    return
            cuts = hub.cut.get(name)
            if cuts and name in hub.once:
                del hub.files[name]
            self.respond(status, content[start:], etag, cuts.pop(0) if cuts else None)

        def respond(self, status: int, body: bytes, etag: str = "", cut: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if etag:
                self.send_header("ETag", etag)
            self.end_headers()
            self.wfile.write(body if cut is None else body[:cut])
            if cut is not None:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Write nothing to stderr."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
