"""The values that filters can have in this library, for completion."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing takes 3 ms
if TYPE_CHECKING:
    from imgret.store.interface.overview import Facets

MOST = 500  # few enough to read, and for a line of the socket protocol
CAMERA, FORMAT, KIND = "camera", "format", "kind"  # beside the kinds of tags


def known_values(facets: Facets, kind: str, beginning: str = "") -> list[str]:
    """Return at most MOST values of a kind that begin with a text, whatever its case: `object`, `topic`, `camera`, ...

    `_` stands for the space in a tag, as in queries.
    """
    if kind == CAMERA:
        found = facets.cameras(MOST)
    elif kind == FORMAT:
        found = facets.formats()
    else:
        found = facets.kinds() if kind == KIND else facets.labels(kind)
    wanted = beginning.casefold().replace("_", " ")
    return [value for value in found if value.casefold().replace("_", " ").startswith(wanted)][:MOST]
