"""Edit the configuration file in place: comments, order, file mode and symbolic links are kept."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from imgret.config import parse
from imgret.errors import ConfigError

if TYPE_CHECKING:
    from tomlkit import TOMLDocument


def change_folders(path: str, add: Sequence[str] = (), remove: Sequence[str] = ()) -> None:
    """Add entries to `folders` in the file at `path`, and remove others. The file is created if it is missing.

    A symbolic link is followed and stays a link. Of two commands at once, both take effect. Raises ConfigError.
    """
    if not add and not remove:
        return
    target = os.path.realpath(path)
    try:
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        with _locked(os.path.dirname(target)):
            document = _document(target)
            text = _changed(document, add, remove)
            parse(text, path)
            # The user manages a file behind a link, so its mode is kept; a file in our own folder is made private.
            _replace(target, text, modes=0o7777 if os.path.islink(path) else 0o700)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _document(path: str) -> TOMLDocument:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        with open(path, encoding="utf-8", newline="") as file:
            return tomlkit.parse(file.read())
    except FileNotFoundError:
        return tomlkit.document()
    except (OSError, TOMLKitError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None


def _changed(document: TOMLDocument, add: Sequence[str], remove: Sequence[str]) -> str:
    """Return the text with changed `folders`. The array is edited in place because it may contain comments."""
    import tomlkit
    from tomlkit.items import Array

    if "folders" not in document:  # a top-level key must come before the first table
        array = tomlkit.array()
        array.extend(dict.fromkeys(add))
        return tomlkit.dumps({"folders": array}) + tomlkit.dumps(document)
    array = document["folders"]
    if not isinstance(array, Array):
        raise ConfigError("folders in the configuration is not a list")
    for position in reversed(range(len(array))):
        if array[position] in remove:
            del array[position]
    for folder in add:
        if folder not in array:
            array.append(folder)
    return tomlkit.dumps(document)


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Hold an exclusive lock on `folder`, so that only one process changes files in it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _replace(path: str, text: str, modes: int) -> None:
    """Replace the file atomically. Of the mode of an existing file, the bits in `modes` are kept."""
    with tempfile.NamedTemporaryFile(
        "w", dir=os.path.dirname(path), prefix=".config-", encoding="utf-8", newline="", delete=False
    ) as new:
        try:
            new.write(text)
            new.flush()
            with contextlib.suppress(FileNotFoundError):
                before = os.stat(path)
                os.fchmod(new.fileno(), before.st_mode & modes)
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    with contextlib.suppress(PermissionError):
                        os.fchown(new.fileno(), before.st_uid, before.st_gid)
            os.fsync(new.fileno())
            os.replace(new.name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(new.name)
            raise
