"""Download one file over HTTP, completely or not at all, and resume interrupted downloads.

Bytes are written to `TARGET.part`, which replaces the target only when it has the announced size and hash. Never more
than the announced size is written. A partial file is resumed with a range request. If no hash is known beforehand, the
ETag in `TARGET.part.etag` is sent to the server, so that it continues the same version of the file (If-Range). `pull`
explains why the hub's own library is not used.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from typing import Any

from imgret.errors import HubUnreachable, WeightsError

Progress = Callable[[str, int, int], None]  # file, bytes so far, total bytes (0: unknown)
Check = Callable[[str], bool]  # path -> whether the file has the announced content

_CHUNK = 1 << 18
_SECONDS = 30.0  # without a byte
_MOST_UNANNOUNCED = 4 << 30  # bytes of a file whose size is not known beforehand
_ATTEMPTS = 5  # connections per download, as long as each one adds bytes


class _KeepEncrypted(urllib.request.HTTPRedirectHandler):
    """Follow redirects to HTTP or HTTPS, but never from HTTPS to HTTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://" if req.type == "https" else ("https://", "http://")):
            raise HubUnreachable(f"{req.full_url} redirects to {newurl[:200]}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_KeepEncrypted)


def get(url: str, token: str | None = None, headers: dict[str, str] | None = None) -> HTTPResponse:
    """Send a GET request and return the open response.

    Raises WeightsError when the server denies access or has no such file, HubUnreachable for all other failures.
    """
    if not url.startswith(("https://", "http://")):
        raise WeightsError(f"{url} is not an HTTP address", "Correct HF_ENDPOINT.")
    request = urllib.request.Request(url, headers={"User-Agent": "imgret", **(headers or {})})  # noqa: S310
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        return _opener.open(request, timeout=_SECONDS)  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and headers and "Range" in headers:  # nothing follows what is there: all of it
            return get(url, token)
        if error.code in (401, 403):
            raise WeightsError(
                f"access to {url} was denied ({error.code})", "Set HF_TOKEN to a token that may read it."
            ) from None
        if error.code == 404:
            raise WeightsError(
                f"{url} does not exist", "Correct `weights` and `revision` in the configuration."
            ) from None
        raise HubUnreachable(f"{url} responded with status {error.code} {error.reason}") from None
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        raise HubUnreachable(f"{url} cannot be reached: {getattr(error, 'reason', error)}") from None


def fetch(
    url: str,
    target: str,
    progress: Progress,
    *,
    token: str | None = None,
    size: int | None = None,
    check: Check | None = None,
) -> None:
    """Download `url` to the file `target`, and create its folder. `size` is in bytes.

    Raises HubUnreachable if the download was interrupted (the partial file is kept to resume it), WeightsError if the
    content does not have the announced size or hash (the partial file is removed).
    """
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = f"{target}.part"
    total = 0
    for _ in range(_ATTEMPTS):
        before = _length(part)
        if size and before >= size:  # the program ended before it had checked and renamed the file
            break
        whole = _continue(url, part, progress, token, known=check is not None, size=size)
        total = size or whole
        if not total or _length(part) >= total or _length(part) <= before:
            break
    if total and _length(part) < total:
        raise HubUnreachable(f"{url} stopped after {_length(part)} of {total} bytes")
    if (size and _length(part) != size) or (check and not check(part)):
        os.unlink(part)
        raise WeightsError(
            f"the file downloaded from {url} does not have the announced size or hash",
            "Run `imgret models pull` again.",
        )
    os.replace(part, target)
    if os.path.exists(f"{part}.etag"):
        os.unlink(f"{part}.etag")


def _continue(
    url: str, part: str, progress: Progress, token: str | None, *, known: bool, size: int | None
) -> int:
    """Append the missing bytes to `part`. Return the total length in bytes, 0 if the server does not report it.

    `known`: the hash is known beforehand, so any partial file may be resumed. Raises WeightsError and removes the
    partial file if the server sends more than `size` bytes.
    """
    most = _MOST_UNANNOUNCED if size is None else size
    done = _length(part)
    etag = _etag(part)
    headers = {}
    if done and (known or etag):
        headers["Range"] = f"bytes={done}-"
        if etag:
            headers["If-Range"] = etag
    with get(url, token, headers) as response:
        if response.status != 206:  # not a partial response: the file is sent from its beginning
            done = 0
        if not known:
            _remember_etag(part, response.headers.get("ETag"))
        length = response.headers.get("Content-Length") or ""
        left = int(length) if length.isdecimal() else 0
        total = done + left if left else 0
        name = os.path.basename(part).removesuffix(".part")
        with open(part, "r+b" if done else "wb") as file:
            file.seek(done)
            try:
                while chunk := response.read1(_CHUNK):
                    if done + len(chunk) > most:
                        os.unlink(part)
                        raise WeightsError(f"{url} sends more than the announced {most} bytes")
                    file.write(chunk)
                    done += len(chunk)
                    progress(name, done, total)
            except (HTTPException, TimeoutError, ConnectionError):
                return total  # interrupted: the caller sees that the file is too short
    return total


def _etag(part: str) -> str | None:
    try:
        with open(f"{part}.etag", encoding="latin-1") as file:
            return file.read() or None
    except FileNotFoundError:
        return None


def _remember_etag(part: str, etag: str | None) -> None:
    # A weak ETag guarantees equivalent content, not equal bytes.
    with open(f"{part}.etag", "w", encoding="latin-1") as file:
        file.write("" if etag is None or etag.startswith("W/") else etag)


def _length(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0
