"""The paths of imgret's files, by the XDG base directory specification.

- `$XDG_CONFIG_HOME/imgret/config.toml` (or `$IMGRET_CONFIG`): the settings;
- `$XDG_DATA_HOME/imgret/index.db` (or `$IMGRET_INDEX`, or `index` in the settings; also the address of a PostgreSQL
  database): the index;
- `$XDG_STATE_HOME/imgret/`: data that can be recreated (records of downloads, other programs' settings);
- `$XDG_RUNTIME_DIR/imgretd.sock` (or `$IMGRET_SOCKET`): the daemon's socket.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from msgspec import Struct

from imgret.configured_index import SERVERS, configured_index, index_place

__all__ = ["Places", "index_place", "is_server", "places"]


class Places(Struct, frozen=True):
    """Absolute paths of imgret's files and folders. The index may be the address of a database, too."""

    config: str
    index: str
    state: str  # folder
    models: str  # folder of weights that are not in the cache of the Hugging Face hub
    socket: str


def places(environ: Mapping[str, str] = os.environ) -> Places:
    """Return the paths. A relative path in an XDG variable is ignored, as the XDG rules require."""

    def base(variable: str, fallback: str) -> str:
        given = environ.get(variable, "")
        return given if os.path.isabs(given) else os.path.join(home, fallback)

    home = environ.get("HOME", "")
    if not os.path.isabs(home):
        home = _home_of_user()
    data = os.path.join(base("XDG_DATA_HOME", ".local/share"), "imgret")
    state = os.path.join(base("XDG_STATE_HOME", ".local/state"), "imgret")
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    socket = os.path.join(runtime if os.path.isabs(runtime) else state, "imgretd.sock")
    config = os.path.join(base("XDG_CONFIG_HOME", ".config"), "imgret", "config.toml")
    config = os.path.abspath(environ.get("IMGRET_CONFIG") or config)
    index = environ.get("IMGRET_INDEX") or configured_index(config) or os.path.join(data, "index.db")
    return Places(
        config=config,
        index=index_place(index),
        state=state,
        models=os.path.join(data, "models"),
        socket=os.path.abspath(environ.get("IMGRET_SOCKET") or socket),
    )


def is_server(place: str) -> bool:
    """Return whether the place of an index is the address of a PostgreSQL database."""
    return place.startswith(SERVERS)


def _home_of_user() -> str:
    """Return the home folder from the user database, for processes without a usable $HOME."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"
