"""Weights from outside onto this disk: the model hub's repositories and ultralytics' releases.

The one place of the project that uses the network, and only `imgret models pull` calls it. Files go where
other programs look for them (the hub's own cache). What was got is written to the record: the commit that
the hub named, and each file's size and SHA-256.

The hub's own library (huggingface_hub 2.4.0) could list and download too. It is not used, because

- over HTTP it starts an interrupted file again at the first byte, since version 1.18
  (https://github.com/huggingface/huggingface_hub/issues/4196), and the largest here has 1.3 GB. Over Xet that
  depends on a second cache, of chunks, and its settings;
- over HTTP it compares what came with the announced size and not with the hash;
- it sets no bound to what a server sends, be it a listing or a file.

Tests show the first two, and fail once the library does better. The layout of the cache is the library's: tests
have it find what was pulled. `fetch` does the HTTP.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import urllib.parse
from collections.abc import Mapping
from http.client import HTTPException
from typing import Annotated

import msgspec
from msgspec import Struct

from imgret.errors import HubUnreachable, WeightsError
from imgret.places import Places
from imgret.weights import record, sources, vetting
from imgret.weights.fetch import Progress, answer, fetch
from imgret.weights.sources import Kind, Weights

HUB = "https://huggingface.co"  # or HF_ENDPOINT
RELEASES = "https://github.com/ultralytics/assets/releases/download"  # or IMGRET_RELEASES

# What a listing may ask of this disk and this memory: far above any model in use, far below what fills a machine.
_LONGEST_LISTING = 16 << 20  # bytes
_MOST_FILES = 500
_MOST_BYTES = 100 << 30
_LONGEST_NAME = 200  # characters; file systems take 255 bytes
_REVISION = re.compile(r"(?!.*\.\.)\w[\w./-]{0,200}")

_UNSET = ("", "0", "false", "no", "off")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# A model's own files: in the root, or in the folder of a sentence-transformers module such as `2_Dense`.
_TEXT = re.compile(r"(\d+_\w+/)?\w[\w.-]*\.(json|txt|model)")
_TENSORS = re.compile(r"(?P<folder>\d+_\w+/)?(pytorch_)?model(-\d+-of-\d+)?\.(?P<format>safetensors|bin)")


class _Large(Struct):
    sha256: str


class _Sibling(Struct):
    """One file of a repository, as the hub lists it."""

    path: str = msgspec.field(name="rfilename")
    size: Annotated[int, msgspec.Meta(ge=0)]  # bytes
    git: str = msgspec.field(name="blobId")  # SHA-1 of a header and the content
    large: _Large | None = msgspec.field(name="lfs", default=None)

    @property
    def hash(self) -> str:
        """What the hub's cache calls the content."""
        return self.large.sha256 if self.large else self.git

    def matches(self, path: str) -> bool:
        """Whether the file at `path` has this content."""
        if self.large:
            return record.sha256(path) == self.large.sha256
        with open(path, "rb") as file:
            content = file.read()
        return (
            hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == self.git
        )


class _Repository(Struct):
    """A repository at one commit."""

    commit: str = msgspec.field(name="sha")
    siblings: list[_Sibling]


def pull(
    wanted: Weights,
    places: Places,
    progress: Progress = lambda _file, _done, _total: None,
    environ: Mapping[str, str] = os.environ,
) -> record.Record:
    """Get `wanted` and record what came. What is there already, and right, is not fetched again.

    Raises HubUnreachable where nothing answers or HF_HUB_OFFLINE is set, WeightsError where there is no such
    repository, revision or file, what came is not what was announced, or it cannot be saved.
    """
    if wanted.kind not in (Kind.HUB, Kind.RELEASE):
        raise WeightsError(f"{wanted.name} is not something to pull", wanted.hint)
    if environ.get("HF_HUB_OFFLINE", "").lower() not in _UNSET:
        raise HubUnreachable(f"{wanted.name} was not asked for, because HF_HUB_OFFLINE is set")
    if wanted.pinned and not _REVISION.fullmatch(wanted.pinned):
        raise WeightsError(
            f"{wanted.pinned!r} is no name of a revision", "Correct `revision` in the configuration."
        )
    try:
        if wanted.kind is Kind.HUB:
            got = _from_hub(wanted, progress, environ)
        else:
            got = _from_release(wanted, places, progress, environ)
    except OSError as error:
        raise WeightsError(f"{wanted.name} cannot be saved: {error.strerror or error}") from error
    record.put(os.path.join(places.state, record.PULLED), wanted.key, got)
    return got


def _from_hub(wanted: Weights, progress: Progress, environ: Mapping[str, str]) -> record.Record:
    """Into the hub's cache, as the hub's library lays it out: blobs by hash, links to them by commit."""
    endpoint = (environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    token = environ.get("HF_TOKEN")
    asked = wanted.pinned or sources.BRANCH
    repository = _listing(endpoint, wanted.name, asked, token)
    folder = sources.hub_folder(wanted.name, environ)
    snapshot = os.path.join(folder, "snapshots", repository.commit)
    chosen = _chosen(repository, wanted.name)
    lacking = (each for each in chosen if not os.path.isfile(os.path.join(folder, "blobs", each.hash)))
    _check_room(folder, sum(sibling.size for sibling in lacking), wanted.name)
    for sibling in chosen:
        blob = os.path.join(folder, "blobs", sibling.hash)
        if not (os.path.isfile(blob) and sibling.matches(blob)):
            url = f"{endpoint}/{wanted.name}/resolve/{repository.commit}/{urllib.parse.quote(sibling.path)}"

            def told(_blob: str, done: int, _total: int, sibling: _Sibling = sibling) -> None:
                progress(sibling.path, done, sibling.size)

            fetch(url, blob, told, token=token, size=sibling.size, check=sibling.matches)
        _link(blob, os.path.join(snapshot, sibling.path))
    if asked != repository.commit:
        reference = os.path.join(folder, "refs", asked)
        os.makedirs(os.path.dirname(reference), exist_ok=True)
        with open(reference, "w", encoding="ascii") as file:
            file.write(repository.commit)
    kept = {sibling.path for sibling in chosen}
    seen = record.survey(snapshot)
    return record.Record(repository.commit, {name: file for name, file in seen.files.items() if name in kept})


def _listing(endpoint: str, name: str, revision: str, token: str | None) -> _Repository:
    url = f"{endpoint}/api/models/{name}/revision/{urllib.parse.quote(revision, safe='')}?blobs=true"
    with answer(url, token, {"Accept": "application/json"}) as response:
        try:
            listing = response.read(_LONGEST_LISTING + 1)
            if len(listing) > _LONGEST_LISTING:
                raise WeightsError(f"the listing of {name} is longer than {_LONGEST_LISTING >> 20} MB")
            repository = msgspec.json.decode(listing, type=_Repository)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HubUnreachable(f"{url} gave no listing of files: {error}") from None
        except (HTTPException, TimeoutError, ConnectionError) as error:
            raise HubUnreachable(f"{url} stopped within its listing of files: {error}") from None
    if not _COMMIT.fullmatch(repository.commit):
        raise HubUnreachable(f"{url} named no commit")
    return repository


def _chosen(repository: _Repository, name: str) -> list[_Sibling]:
    """The files to get, the largest last. A folder's `.bin` only where it has no safetensors."""
    tensors = [(match, s) for s in repository.siblings if (match := _TENSORS.fullmatch(s.path))]
    safe = {match["folder"] for match, _ in tensors if match["format"] == "safetensors"}
    chosen = [s for match, s in tensors if match["format"] == "safetensors" or match["folder"] not in safe]
    if not any(not match["folder"] for match, _ in tensors):
        raise WeightsError(
            f"{name} holds no weights that can be loaded (model.safetensors or pytorch_model.bin)",
            "Name another repository in the configuration.",
        )
    chosen += [s for s in repository.siblings if _TEXT.fullmatch(s.path)]
    if not all(_HASH.fullmatch(sibling.hash) for sibling in chosen):
        raise HubUnreachable(f"the listing of {name} names files without a hash")
    total = sum(sibling.size for sibling in chosen)
    if len(chosen) > _MOST_FILES or total > _MOST_BYTES:
        raise WeightsError(f"{name} lists {len(chosen)} files of {total >> 30} GB, more than any model has")
    for sibling in chosen:
        if len(sibling.path) > _LONGEST_NAME:
            raise WeightsError(f"{name} lists a file whose name has {len(sibling.path)} characters")
        if not _TENSORS.fullmatch(sibling.path) and sibling.size > vetting.MOST_JSON:
            raise WeightsError(
                f"{name} lists {sibling.path} with {sibling.size >> 20} MB, too many for a text"
            )
    return sorted(chosen, key=lambda sibling: sibling.size)


def _check_room(folder: str, wanted: int, name: str) -> None:
    """Raises WeightsError where `wanted` bytes do not fit on the disk of `folder`."""
    os.makedirs(folder, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise WeightsError(
            f"{name} needs {wanted / 1e9:.1f} GB, and the disk of {folder} has {free / 1e9:.1f} GB left",
            "Make room there, or name another place with HF_HOME.",
        )


def _link(blob: str, path: str) -> None:
    """Make `path` a relative link to `blob`, as the hub's library does."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    target = os.path.relpath(blob, os.path.dirname(path))
    if os.path.lexists(path):
        if os.path.islink(path) and os.readlink(path) == target:
            return
        os.unlink(path)
    os.symlink(target, path)


def _from_release(
    wanted: Weights, places: Places, progress: Progress, environ: Mapping[str, str]
) -> record.Record:
    base = (environ.get("IMGRET_RELEASES") or RELEASES).rstrip("/")
    path = sources.release_path(wanted, places)
    known = record.read(os.path.join(places.state, record.PULLED)).get(wanted.key)
    if known and os.path.isfile(path):
        try:
            return record.hold(path, known, full=True)
        except WeightsError:
            os.unlink(path)  # not what was pulled: get it again
    fetch(f"{base}/{wanted.pinned or sources.RELEASE}/{wanted.name}", path, progress)
    return record.survey(path)
