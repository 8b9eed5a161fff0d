"""The place of the index in the configuration file, read without importing `imgret.config`: a search by socket needs it."""

from __future__ import annotations

import os

SERVERS = ("postgresql://", "postgres://")
_LARGEST = 4 << 20  # bytes of a configuration file that are looked at; `config.load` refuses larger ones


def index_place(given: str) -> str:
    """Return the place of an index: an absolute path, or the address of a database as it is.

    An address of another kind stays as it is, too: `store.factory` refuses it, instead of making a file of that name.
    """
    return given if "://" in given else os.path.abspath(given)


def configured_index(config: str) -> str | None:
    """Return what the file `config` sets as `index`; None if it sets nothing, or nothing that can be used.

    Errors of the file are not reported here: each command that uses the index also loads the settings, and
    `config.load` names the line.
    """
    try:
        with open(os.open(config, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            raw = file.read(_LARGEST)
    except OSError:
        return None
    if b"index" not in raw:  # so that tomllib is rarely imported
        return None
    import tomllib

    try:
        given = tomllib.loads(raw.decode()).get("index")
    except (ValueError, RecursionError):
        return None
    return usable(given) if isinstance(given, str) else None


def usable(given: str) -> str | None:
    """Return the place that a setting means: an address, or a path that is absolute or begins with `~/`; else None."""
    if given.startswith(SERVERS):
        return given
    path = os.path.expanduser(given)
    return os.path.normpath(path) if os.path.isabs(path) and "\0" not in path else None
