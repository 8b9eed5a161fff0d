"""`imgret tag` and `imgret rate`: the user's own keywords and rating of one photo."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated

import typer

from imgret.cli import console
from imgret.cli.session import absolute, session
from imgret.errors import Exit, UsageError
from imgret.terminal.clean import clean


def tag(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An indexed photo.")],
    keywords: Annotated[
        list[str] | None, typer.Argument(metavar="KEYWORD", help="Without one, your keywords are shown.")
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove these keywords instead.")] = False,
) -> None:
    """Give a photo keywords of your own, or show them.

    The index keeps them beside those of the file, which stays as it is. `imgret query keyword:NAME` finds the photo.
    """
    from imgret.cli.note_command import photo_content
    from imgret.own_tags import change_keywords, own_keywords, own_tags

    if remove and not keywords:
        raise UsageError("name the keywords to remove", f"`imgret tag {file}` shows them.")
    here = session()
    with here.index() as store:
        content = photo_content(store, here.settings, absolute(file))
        if keywords:
            add, drop = ([], keywords) if remove else (keywords, [])
            missing = change_keywords(store, content, add, drop)
            there = own_tags(store, content)
            for label in missing:
                console.message(_why_not_removed(label, there.keywords, there.file_keywords))
            if missing and len(missing) == len(drop):
                raise typer.Exit(Exit.NO_HITS)
            return
        found = own_keywords(store, content)
    for keyword in found:
        console.out_line(clean(keyword))
    if not found:
        console.message("no keywords of yours")
        raise typer.Exit(Exit.NO_HITS)


def _why_not_removed(label: str, own: Collection[str], of_file: Collection[str]) -> str:
    """Return why a keyword was not removed. A search takes `ete` for `Été`; they are two keywords, so removal does not."""
    from imgret.store.fold import fold

    if label.casefold() in {each.casefold() for each in of_file}:
        return f"{label} is a keyword of the file, which stays as it is"
    alike = [each for each in own if fold(each) == fold(label)]
    return f"{label} is no keyword of yours" + (
        f", but {', '.join(alike)} is: write its accents" if alike else ""
    )


def rate(
    file: Annotated[str, typer.Argument(metavar="FILE", help="An indexed photo.")],
    stars: Annotated[
        int | None,
        typer.Argument(metavar="STARS", help="1 to 5; 0 removes your rating. Without it, it is shown."),
    ] = None,
) -> None:
    """Give a photo a rating of your own, or show it.

    The index keeps it; it counts before that of the file, which stays as it is. `imgret query 'rating>=4'` finds the photo.
    """
    from imgret.cli.note_command import photo_content
    from imgret.own_tags import own_stars, rate

    here = session()
    with here.index() as store:
        content = photo_content(store, here.settings, absolute(file))
        if stars is not None:
            rate(store, content, stars)
            return
        found = own_stars(store, content)
    if found is None:
        console.message("no rating of yours")
        raise typer.Exit(Exit.NO_HITS)
    console.out_line(str(found))
