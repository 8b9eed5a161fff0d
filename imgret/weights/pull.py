"""Download weights from the model hub's repositories and from ultralytics' releases.

This is the only part of the project that uses the network, and only `imgret models pull` calls it. Files of the hub go
to its own cache, where other programs find them too. The record of weights stores the commit and the size and SHA-256
of each file.

The hub's own library (huggingface_hub 2.4.0) could list and download too. It is not used, because

- over HTTP it restarts an interrupted file at the first byte, since version 1.18
  (https://github.com/huggingface/huggingface_hub/issues/4196), and the largest file has 1.3 GB. Over Xet, resuming
  depends on a second cache, of chunks, and on its settings;
- over HTTP it compares the downloaded file with the announced size, but not with the hash;
- it does not limit the size of a listing or a file that a server sends.

Tests demonstrate the first two, and fail once the library has improved. The cache has the library's layout: tests let
the library find the pulled files. `fetch` implements the HTTP part.
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
from imgret.weights.fetch import Progress, fetch, get
from imgret.weights.sources import Kind, Weights

HUB = "https://huggingface.co"  # or HF_ENDPOINT
RELEASES = "https://github.com/ultralytics/assets/releases/download"  # or IMGRET_RELEASES

# Limits for the listing of a repository, which is untrusted: far above any model in use, but no risk to the machine.
_LONGEST_LISTING = 16 << 20  # bytes
_MOST_FILES = 500
_MOST_BYTES = 100 << 30
_LONGEST_NAME = 200  # characters; file systems take 255 bytes
_REVISION = re.compile(r"(?!.*\.\.)\w[\w./-]{0,200}")

_UNSET = ("", "0", "false", "no", "off")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# The files of a model: in the root, or in the folder of a sentence-transformers module such as `2_Dense`.
_TEXT = re.compile(r"(\d+_\w+/)?\w[\w.-]*\.(json|txt|model|jinja)")
_TENSORS = re.compile(r"(?P<folder>\d+_\w+/)?(pytorch_)?model(-\d+-of-\d+)?\.(?P<format>safetensors|bin)")


class _Large(Struct):
    sha256: str


class _Sibling(Struct):
    """One file of a repository in the hub's listing."""

    path: str = msgspec.field(name="rfilename")
    size: Annotated[int, msgspec.Meta(ge=0)]  # bytes
    git: str = msgspec.field(name="blobId")  # SHA-1 of a header and the content
    large: _Large | None = msgspec.field(name="lfs", default=None)

    @property
    def hash(self) -> str:
        """The name of the content in the hub's cache."""
        return self.large.sha256 if self.large else self.git

    def matches(self, path: str) -> bool:
        """Return whether the file at `path` has this content."""
        if self.large:
            return record.sha256(path) == self.large.sha256
        with open(path, "rb") as file:
            content = file.read()
        return (
            hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == self.git
        )


class _Repository(Struct):
    """The listing of a repository at one commit."""

    commit: str = msgspec.field(name="sha")
    siblings: list[_Sibling]


def pull(
    wanted: Weights,
    places: Places,
    progress: Progress = lambda _file, _done, _total: None,
    environ: Mapping[str, str] = os.environ,
) -> record.Record:
    """Download the weights `wanted`, and return and store their record. Valid files on the disk are kept.

    Raises HubUnreachable if the server does not respond or HF_HUB_OFFLINE is set. Raises WeightsError if the
    repository, revision or file does not exist, the content is not the announced one, or it cannot be saved.
    """
    if wanted.kind not in (Kind.HUB, Kind.RELEASE):
        raise WeightsError(f"{wanted.name} cannot be downloaded", wanted.hint)
    if environ.get("HF_HUB_OFFLINE", "").lower() not in _UNSET:
        raise HubUnreachable(f"{wanted.name} was not downloaded, because HF_HUB_OFFLINE is set")
    if wanted.pinned and not _REVISION.fullmatch(wanted.pinned):
        raise WeightsError(
            f"{wanted.pinned!r} is not a valid revision", "Correct `revision` in the configuration."
        )
    try:
        if wanted.kind is Kind.HUB:
            pulled = _from_hub(wanted, progress, environ)
        else:
            pulled = _from_release(wanted, places, progress, environ)
    except OSError as error:
        raise WeightsError(f"{wanted.name} cannot be saved: {error.strerror or error}") from error
    record.put(os.path.join(places.state, record.PULLED), wanted.key, pulled)
    return pulled


def _from_hub(wanted: Weights, progress: Progress, environ: Mapping[str, str]) -> record.Record:
    """Download to the hub's cache, in the layout of the hub's library: blobs by hash, links to them by commit."""
    endpoint = (environ.get("HF_ENDPOINT") or HUB).rstrip("/")
    token = environ.get("HF_TOKEN")
    revision = wanted.pinned or sources.BRANCH
    repository = _listing(endpoint, wanted.name, revision, token)
    folder = sources.hub_folder(wanted.name, environ)
    snapshot = os.path.join(folder, "snapshots", repository.commit)
    chosen = _chosen(repository, wanted.name)
    missing = (each for each in chosen if not os.path.isfile(os.path.join(folder, "blobs", each.hash)))
    _check_free_space(folder, sum(sibling.size for sibling in missing), wanted.name)
    for sibling in chosen:
        blob = os.path.join(folder, "blobs", sibling.hash)
        if not (os.path.isfile(blob) and sibling.matches(blob)):
            url = f"{endpoint}/{wanted.name}/resolve/{repository.commit}/{urllib.parse.quote(sibling.path)}"

            def report(_blob: str, done: int, _total: int, sibling: _Sibling = sibling) -> None:
                progress(sibling.path, done, sibling.size)

            fetch(url, blob, report, token=token, size=sibling.size, check=sibling.matches)
        _link(blob, os.path.join(snapshot, sibling.path))
    if revision != repository.commit:
        reference = os.path.join(folder, "refs", revision)
        os.makedirs(os.path.dirname(reference), exist_ok=True)
        with open(reference, "w", encoding="ascii") as file:
            file.write(repository.commit)
    kept = {sibling.path for sibling in chosen}
    seen = record.survey(snapshot)
    return record.Record(repository.commit, {name: file for name, file in seen.files.items() if name in kept})


def _listing(endpoint: str, name: str, revision: str, token: str | None) -> _Repository:
    url = f"{endpoint}/api/models/{name}/revision/{urllib.parse.quote(revision, safe='')}?blobs=true"
    with get(url, token, {"Accept": "application/json"}) as response:
        try:
            listing = response.read(_LONGEST_LISTING + 1)
            if len(listing) > _LONGEST_LISTING:
                raise WeightsError(f"the list of files of {name} is longer than {_LONGEST_LISTING >> 20} MB")
            repository = msgspec.json.decode(listing, type=_Repository)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HubUnreachable(f"{url} did not return a valid list of files: {error}") from None
        except (HTTPException, TimeoutError, ConnectionError) as error:
            raise HubUnreachable(f"the list of files from {url} was interrupted: {error}") from None
    if not _COMMIT.fullmatch(repository.commit):
        raise HubUnreachable(f"the list of files from {url} has no commit id")
    return repository


def _chosen(repository: _Repository, name: str) -> list[_Sibling]:
    """Return the files to download, the largest last. `.bin` files only from folders without safetensors."""
    tensors = [(match, s) for s in repository.siblings if (match := _TENSORS.fullmatch(s.path))]
    safe = {match["folder"] for match, _ in tensors if match["format"] == "safetensors"}
    chosen = [s for match, s in tensors if match["format"] == "safetensors" or match["folder"] not in safe]
    if not any(not match["folder"] or match["folder"].startswith("0_") for match, _ in tensors):
        raise WeightsError(
            f"{name} contains no weights that imgret can load (model.safetensors or pytorch_model.bin)",
            "Name another repository in the configuration.",
        )
    chosen += [s for s in repository.siblings if _TEXT.fullmatch(s.path)]
    if not all(_HASH.fullmatch(sibling.hash) for sibling in chosen):
        raise HubUnreachable(f"the list of files of {name} has files without a hash")
    total = sum(sibling.size for sibling in chosen)
    if len(chosen) > _MOST_FILES or total > _MOST_BYTES:
        raise WeightsError(f"{name} lists {len(chosen)} files of {total >> 30} GB, more than any model has")
    for sibling in chosen:
        if len(sibling.path) > _LONGEST_NAME:
            raise WeightsError(f"{name} lists a file whose name has {len(sibling.path)} characters")
        if not _TENSORS.fullmatch(sibling.path) and sibling.size > vetting.MOST_JSON:
            raise WeightsError(
                f"{name} lists {sibling.path} with {sibling.size >> 20} MB, too large for a text file"
            )
    return sorted(chosen, key=lambda sibling: sibling.size)


def _check_free_space(folder: str, wanted: int, name: str) -> None:
    """Raise WeightsError if the disk of `folder` has less than `wanted` bytes left."""
    os.makedirs(folder, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise WeightsError(
            f"{name} needs {wanted / 1e9:.1f} GB, and the disk of {folder} has {free / 1e9:.1f} GB left",
            "Free some space there, or set HF_HOME to a folder on another disk.",
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
            return record.verify(path, known, full=True)
        except WeightsError:
            os.unlink(path)  # the file was changed since it was downloaded: download it again
    fetch(f"{base}/{wanted.pinned or sources.RELEASE}/{wanted.name}", path, progress)
    return record.survey(path)
