"""The values that filters can select, in PostgreSQL."""

from __future__ import annotations

from imgret.store.facet_queries import FacetQueries


class Facets(FacetQueries):
    """Implements `imgret.store.interface.overview.Facets`."""

    mark = "%s"
    year = "extract(year FROM to_timestamp(date) AT TIME ZONE 'UTC')::int"
