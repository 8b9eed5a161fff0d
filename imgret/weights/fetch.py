"""One file over HTTP onto this disk: whole or not at all, and resumed where it was cut off.

Bytes go to `TARGET.part`, which replaces the target only once it has the announced size and hash. No more than the
announced bytes are written, however much a server sends. A part is resumed by a range request. Where no hash is
known beforehand, only the server can say whether the file is still the same: `TARGET.part.etag` holds the ETag
that it must still have. `pull` says why the hub's own library does not do this.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from typing import Any

from imgret.errors import HubUnreachable, WeightsError

Progress = Callable[[str, int, int], None]  # file, bytes so far, bytes in all (0: not known)
Check = Callable[[str], bool]  # whether the file at this path is what was announced

_CHUNK = 1 << 18
_SECONDS = 30.0  # without a byte
_MOST_UNANNOUNCED = 4 << 30  # bytes of a file whose size is not known beforehand
_CUT_OFF = 5  # times in a row that a connection may break, as long as each brought something


class _KeepEncrypted(urllib.request.HTTPRedirectHandler):
    """Follows redirections over the web, but from https to nothing less."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://" if req.type == "https" else ("https://", "http://")):
            raise HubUnreachable(f"{req.full_url} leads to {newurl[:200]}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_KeepEncrypted)


def answer(url: str, token: str | None = None, headers: dict[str, str] | None = None) -> HTTPResponse:
    """The open response to a GET. Raises HubUnreachable, or WeightsError where the answer is no."""
    if not url.startswith(("https://", "http://")):
        raise WeightsError(f"{url} is not an address of the web", "Correct HF_ENDPOINT.")
    request = urllib.request.Request(url, headers={"User-Agent": "imgret", **(headers or {})})  # noqa: S310
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    try:
        return _opener.open(request, timeout=_SECONDS)  # type: ignore[no-any-return]
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (401, 403):
            raise WeightsError(
                f"{url} is not open to everyone ({error.code})", "Set HF_TOKEN to a token that may read it."
            ) from None
        if error.code == 404:
            raise WeightsError(
                f"{url} does not exist", "Correct `weights` and `revision` in the configuration."
            ) from None
        raise HubUnreachable(f"{url} answered {error.code} {error.reason}") from None
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
    """Get `url` into the file `target`; its folder is made.

    Raises HubUnreachable where it stopped half way (what came is kept for the next time), WeightsError where
    the content is not what was announced (what came is removed).
    """
    os.makedirs(os.path.dirname(target), exist_ok=True)
    part = f"{target}.part"
    for _ in range(_CUT_OFF):
        before = _length(part)
        whole = _continue(url, part, progress, token, known=check is not None, size=size)
        total = size or whole
        if not total or _length(part) >= total or _length(part) <= before:
            break
    if total and _length(part) < total:
        raise HubUnreachable(f"{url} stopped after {_length(part)} of {total} bytes")
    if (size and _length(part) != size) or (check and not check(part)):
        os.unlink(part)
        raise WeightsError(
            f"{url} came with other bytes than were announced", "Run `imgret models pull` again."
        )
    os.replace(part, target)
    if os.path.exists(f"{part}.etag"):
        os.unlink(f"{part}.etag")


def _continue(
    url: str, part: str, progress: Progress, token: str | None, *, known: bool, size: int | None
) -> int:
    """Append what is missing of `part` -> how long it should be, 0 when the server does not say.

    `known`: the content is known by its hash, so any part of it may be continued. Raises WeightsError where more
    comes than `size`, and removes what came.
    """
    most = _MOST_UNANNOUNCED if size is None else size
    done = _length(part)
    same = _etag(part)
    headers = {}
    if done and (known or same):
        headers["Range"] = f"bytes={done}-"
        if same:
            headers["If-Range"] = same
    with answer(url, token, headers) as response:
        if response.status != 206:
            done = 0
        if not known:
            _remember_etag(part, response.headers.get("ETag"))
        left = int(response.headers.get("Content-Length") or 0)
        total = done + left if left else 0
        name = os.path.basename(part).removesuffix(".part")
        with open(part, "r+b" if done else "wb") as file:
            file.seek(done)
            try:
                while chunk := response.read1(_CHUNK):
                    if done + len(chunk) > most:
                        os.unlink(part)
                        raise WeightsError(f"{url} sends more than the {most} bytes that were announced")
                    file.write(chunk)
                    done += len(chunk)
                    progress(name, done, total)
            except (HTTPException, TimeoutError, ConnectionError):
                return total  # cut off: the caller sees that it is too short
    return total


def _etag(part: str) -> str | None:
    try:
        with open(f"{part}.etag", encoding="latin-1") as file:
            return file.read() or None
    except FileNotFoundError:
        return None


def _remember_etag(part: str, etag: str | None) -> None:
    # a weak one promises the same meaning, not the same bytes
    with open(f"{part}.etag", "w", encoding="latin-1") as file:
        file.write("" if etag is None or etag.startswith("W/") else etag)


def _length(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0
