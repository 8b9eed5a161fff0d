"""Records of weights: the revision of each model, and the size and SHA-256 of its files.

The state folder has two of them, both with mode 0600, both written atomically:

- `weights.lock.toml`: the weights that `models pull` downloaded. A file that differs from it is an error.
- `local-weights.toml`: a cache of the hashes of the user's own files, for a fast start. A file that differs from it
  means another model identity.

A file whose size and mtime are unchanged since its hash was computed is not read again, except with `full=True`.
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

# Loaders may read these files without being named; such a file that is not in the record is refused.
_READ_IMPLICITLY = (".safetensors", ".json", ".txt", ".model", ".jinja")
_KEPT = (*_READ_IMPLICITLY, ".bin", ".pt", ".onnx")


class File(Struct, frozen=True):
    """One file of a model."""

    size: int  # bytes
    sha256: str  # hexadecimal
    mtime_ns: int = 0  # when this hash was last verified


class Record(Struct, frozen=True):
    """One model: its revision, and its files by their path relative to its folder."""

    revision: str
    files: dict[str, File] = field(default_factory=dict)


def read(path: str) -> dict[str, Record]:
    """Return the records by name; an empty dict if the file does not exist. Raises WeightsError if it is damaged."""
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
            "Remove it and run `imgret models pull`: files that are on the disk are not downloaded again.",
        ) from None


def put(path: str, name: str, record: Record) -> None:
    """Store `record` under `name`, and keep the other records. Raises ReadOnly if the file cannot be written."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with _locked(path):
            _replace(path, read(path) | {name: record})
    except OSError as error:
        raise ReadOnly(
            f"the record of weights {path} cannot be written: {error.strerror}",
            "Make that folder writable, or set XDG_STATE_HOME to another folder.",
        ) from error


def sha256(path: str) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def survey(root: str, known: Record | None = None) -> Record:
    """Return the record of the file or folder at `root`; its revision is `sha256:` and a hash of all its files.

    Files with the size and mtime in `known` are not read again. Raises OSError if a file cannot be read.
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


def verify(root: str, record: Record, *, full: bool = False) -> Record:
    """Compare the files at `root` with `record`, and return the record with their current mtimes.

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
            raise _differs(f"{path} is not the file that was downloaded")
        checked[name] = File(file.size, file.sha256, state.st_mtime_ns)
    for name in _names(root):
        if name not in record.files and name.endswith(_READ_IMPLICITLY):
            raise _differs(f"{_inside(root, name)} was not downloaded by imgret, but would be loaded")
    return Record(record.revision, checked)


def _differs(message: str) -> WeightsError:
    return WeightsError(message, "Remove it and run `imgret models pull` again.")


def _names(root: str) -> list[str]:
    """Return the files of a model, as paths relative to `root`; for a single file its name."""
    if os.path.isfile(root):
        return [os.path.basename(root)]
    found = []
    for folder, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        paths = (os.path.join(folder, name) for name in files if name.endswith(_KEPT))
        found += [os.path.relpath(path, root) for path in paths if os.path.isfile(path)]  # a FIFO would block
    return sorted(found)


def _inside(root: str, name: str) -> str:
    return root if os.path.isfile(root) else os.path.join(root, name)


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Hold an exclusive lock: `imgret models pull` and the daemon both write this file."""
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _replace(path: str, records: dict[str, Record]) -> None:
    """Write a temporary file in the same folder and rename it to `path`. mkstemp creates it with mode 0600."""
    import tomlkit

    text = tomlkit.dumps(msgspec.to_builtins(records))
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".weights-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
