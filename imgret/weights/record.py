"""The record of weights: for each name its revision, and the size and SHA-256 of every file.

Two of them lie in the state folder, both 0600, both replaced in one step:

- `weights.lock.toml`: what `models pull` got. Files are *held* to it: a difference is an error.
- `local-weights.toml`: hashes of the user's own files, kept so that starting stays fast. Files are
  merely *looked up* in it: a difference makes another identity.

A hash is computed once. As long as a file's size and mtime are those of the last time it was found right,
it is not read again; `full=True` reads it all the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from msgspec import Struct, field

from imgret.errors import ReadOnly, WeightsError

PULLED = "weights.lock.toml"
LOCAL = "local-weights.toml"

# What a loader may read from a folder without being told to; one that is not in the record is refused.
_READ_UNASKED = (".safetensors", ".json", ".txt", ".model")
_KEPT = (*_READ_UNASKED, ".bin", ".pt", ".onnx")


class File(Struct, frozen=True):
    """One file of a model."""

    size: int  # bytes
    sha256: str  # hexadecimal
    mtime_ns: int = 0  # of the file when it was last found to have this hash


class Record(Struct, frozen=True):
    """One model: which revision it is, and its files by their path inside its folder."""

    revision: str
    files: dict[str, File] = field(default_factory=dict)


def read(path: str) -> dict[str, Record]:
    """Name -> record; empty where there is no such file. Raises WeightsError when it cannot be understood."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return msgspec.convert(tomllib.loads(file.read()), dict[str, Record])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise WeightsError(f"the record of weights {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise WeightsError(
            f"the record of weights {path} is damaged: {error}",
            "Remove it and run `imgret models pull`: what is on the disk is not fetched again.",
        ) from None


def put(path: str, name: str, record: Record) -> None:
    """Write `record` under `name`, leaving the others as they are. Raises ReadOnly."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with _alone(path):
            _replace(path, read(path) | {name: record})
    except OSError as error:
        raise ReadOnly(
            f"the record of weights {path} cannot be written: {error.strerror}",
            "Make that folder writable, or name another with XDG_STATE_HOME.",
        ) from error


def sha256(path: str) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def survey(root: str, known: Record | None = None) -> Record:
    """The record of the file or folder at `root`; its revision is `sha256:` of all of it.

    Files whose size and mtime are those in `known` are not read again.
    """
    files = {}
    for name in _names(root):
        path = _inside(root, name)
        state = os.stat(path)
        before = known.files.get(name) if known else None
        if before and (before.size, before.mtime_ns) == (state.st_size, state.st_mtime_ns):
            files[name] = before
        else:
            files[name] = File(state.st_size, sha256(path), state.st_mtime_ns)
    if os.path.isfile(root):
        return Record(f"sha256:{next(iter(files.values())).sha256}", files)
    listing = "".join(f"{name}\0{file.sha256}\n" for name, file in sorted(files.items()))
    digest = hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()
    return Record(f"sha256:{digest}", files)


def hold(root: str, record: Record, *, full: bool = False) -> Record:
    """Hold the files at `root` to `record` -> the record with today's mtimes.

    Raises WeightsError naming the file that is missing, differs, or is not in the record.
    """
    checked = {}
    for name, file in record.files.items():
        path = _inside(root, name)
        try:
            state = os.stat(path)
            unchanged = (file.size, file.mtime_ns) == (state.st_size, state.st_mtime_ns)
            right = state.st_size == file.size and ((unchanged and not full) or sha256(path) == file.sha256)
        except OSError as error:
            raise _differs(f"{path} cannot be read: {error.strerror}") from None
        if not right:
            raise _differs(f"{path} is not the file that was pulled")
        checked[name] = File(file.size, file.sha256, state.st_mtime_ns)
    for name in _names(root):
        if name not in record.files and name.endswith(_READ_UNASKED):
            raise _differs(f"{_inside(root, name)} was not pulled, but would be loaded")
    return Record(record.revision, checked)


def _differs(message: str) -> WeightsError:
    return WeightsError(message, "Remove it and run `imgret models pull` again.")


def _names(root: str) -> list[str]:
    """The files that make a model, as paths inside `root`; for a single file its own name."""
    if os.path.isfile(root):
        return [os.path.basename(root)]
    found = []
    for folder, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        paths = (os.path.join(folder, name) for name in files if name.endswith(_KEPT))
        found += [os.path.relpath(path, root) for path in paths if os.path.isfile(path)]  # no FIFO: no end
    return sorted(found)


def _inside(root: str, name: str) -> str:
    return root if os.path.isfile(root) else os.path.join(root, name)


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """One process at a time: `imgret models pull` and the daemon both write here."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: str, records: dict[str, Record]) -> None:
    """Write a new file beside the old one and put it in its place; it is 0600, as mkstemp makes it."""
    import tomlkit

    text = tomlkit.dumps(msgspec.to_builtins(records))
    descriptor, fresh = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".weights-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise
