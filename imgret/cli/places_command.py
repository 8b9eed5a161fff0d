"""`imgret places`: the places at which photos were taken, with how many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from imgret.cli import console
from imgret.cli.library_stats import counted_places, place_text
from imgret.cli.session import Session, session
from imgret.errors import Exit
from imgret.terminal.clean import clean

if TYPE_CHECKING:
    from imgret.geography.gazetteer import Place
    from imgret.store.interface import Store


def places(
    within: Annotated[
        str | None, typer.Argument(metavar="PLACE", help="Only places in this city, region or country.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each place.")] = False,
) -> None:
    """List the places where photos were taken, with their numbers.

    `imgret query place:NAME` finds the photos. Copies are counted once. Exits with 1 if there are no places.
    """
    here = session()
    with here.index() as store:
        every = counted_places(store)
        found = [(place, photos) for place, photos in every if within is None or _is_in(place, within)]
        if not found:
            console.message(_reason(here, store, within if every else None))
            raise typer.Exit(Exit.NO_HITS)
    for place, photos in found:
        if as_json:
            keys = {"v": 1, "photos": photos, **msgspec.structs.asdict(place)}
            console.out_json(msgspec.json.encode(keys))
        else:
            console.out_line(f"{photos:7}  {clean(place_text(place))}")
    console.flush()


def _is_in(place: Place, name: str) -> bool:
    from imgret.geography.local_names import folded
    from imgret.stages.place import names

    return folded(name) in {folded(each) for each in (*names(place), place.country_code)}


def _reason(here: Session, store: Store, within: str | None) -> str:
    """Return why there are no places; `within` if there are some, but none there."""
    from imgret.store.clauses import Clause, Has

    if within is not None:
        return f"no photo was taken in a place that is called {within}; `imgret places` lists all"
    if not here.settings.wants("place"):
        return 'names of places are switched off (weights = "none" in [place] of the configuration)'
    located = len(store.filters.matching([Clause(Has("gps"))]))
    if not located:
        return "no photo has coordinates"
    return (
        f"{console.counted(located, 'photo')} with coordinates, and no town is near, or they were not looked up yet:"
        " `imgret index` does it"
    )
