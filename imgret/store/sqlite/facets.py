"""The values that filters can select, in SQLite."""

from __future__ import annotations

from imgret.store.facet_queries import FacetQueries


class Facets(FacetQueries):
    """Implements `imgret.store.interface.overview.Facets`."""

    mark = "?"
    year = "CAST(strftime('%Y', date, 'unixepoch') AS INTEGER)"
