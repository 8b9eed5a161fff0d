"""Paths of the socket, the index and the state folder, computed without the import of `imgret.config`."""

from __future__ import annotations

import os

from imgret.configured_index import configured_index
from imgret.configured_index import index_place as at


def state_folder() -> str:
    """Return the folder for this user's state."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def socket_path() -> str:
    """Return the path of the daemon's socket."""
    given = os.environ.get("IMGRET_SOCKET")
    if given:
        return os.path.abspath(given)
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    return os.path.join(runtime if os.path.isabs(runtime) else state_folder(), "imgretd.sock")


def index_path() -> str:
    """Return the path of the index."""
    given = os.environ.get("IMGRET_INDEX") or configured_index(_config_path())
    return at(given or os.path.join(_xdg("XDG_DATA_HOME", ".local/share"), "index.db"))


def _config_path() -> str:
    given = os.environ.get("IMGRET_CONFIG")
    return os.path.abspath(given or os.path.join(_xdg("XDG_CONFIG_HOME", ".config"), "config.toml"))


def _xdg(variable: str, fallback: str) -> str:
    """Return the same folder as `imgret.places.places`; a test compares the two."""
    given = os.environ.get(variable, "")
    home = os.environ.get("HOME", "")
    if not os.path.isabs(home):
        import pwd

        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a user without an entry
            home = "/"
    return os.path.join(given if os.path.isabs(given) else os.path.join(home, fallback), "imgret")
