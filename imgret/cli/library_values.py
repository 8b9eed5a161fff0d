"""Values of the library for completion: from the daemon if there is one, else from the index."""

from __future__ import annotations

import os

from imgret.cli.quick_places import index_path, socket_path
from imgret.client.socket_client import Connection
from imgret.errors import ImgretError

SECONDS = 0.5  # after which nothing is offered rather than the shell kept waiting


def library_values(kind: str, beginning: str) -> list[str]:
    """Return the values of a kind (see `imgret.search.known_values`). Empty without an index: completion shows no errors."""
    try:
        return _of_daemon(kind, beginning)
    except (ImgretError, ValueError):
        pass
    from imgret.search.known_values import known_values
    from imgret.store.factory import open_facets

    try:
        with open_facets(index_path()) as facets:
            return known_values(facets, kind, beginning)
    except ImgretError:
        return []


def _of_daemon(kind: str, beginning: str) -> list[str]:
    path = socket_path()
    if not os.path.exists(path):
        raise ValueError("there is no daemon")
    with Connection(path, SECONDS) as daemon:
        found = daemon.request("values", {"kind": kind, "beginning": beginning, "index": index_path()})
    if not isinstance(found, list):
        raise ValueError("the response is invalid")
    return [str(value) for value in found]
