"""`imgret query`: a query in plain words."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from imgret import inputs
from imgret.cli import console
from imgret.cli.hit_output import MOST, HitOutput
from imgret.cli.quick_query import folder, search_by_daemon
from imgret.errors import UsageError

_KEYS = ("after", "before", "on", "in", "name", "topic", "camera", "place", "near", "text", "has", "format")


def query(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="QUERY", help="Plain words, and filters.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    nul: Annotated[bool, typer.Option("--print0", "-0", help="Paths ended by NUL, for xargs -0.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", "-k", help="At most that many hits; 20, and all for --count.", min=1, max=MOST
        ),
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="The best hit only.")] = False,
    count: Annotated[
        bool,
        typer.Option(
            "--count",
            help="The number of hits that are fair or strong; without words, of all different files that pass the filters.",
        ),
    ] = False,
    sort: Annotated[
        str,
        typer.Option(
            help="score; date, the newest first; path: of the best hits, or without words of all that pass the filters.",
        ),
    ] = "score",
    template: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="FIELDS", help=r"Form of a hit: '{path}\t{caption}', any key of the JSON."
        ),
    ] = None,
    rank: Annotated[
        str,
        typer.Option(
            help="hybrid; image: the image alone; vector: the text's cosine alone; words: BM25 alone.",
        ),
    ] = "hybrid",
    min_strength: Annotated[
        str | None,
        typer.Option(
            "--min-strength",
            help="Leave out hits below: weak, fair, strong. Paths into a pipe, --count: fair, all else: weak.",
        ),
    ] = None,
    all_copies: Annotated[
        bool, typer.Option("--all-copies", help="Show copies and near-duplicates, too.")
    ] = False,
    old_min: Annotated[
        str | None, typer.Option("--min", hidden=True, help="Old name of --min-strength.")
    ] = None,
    old_all: Annotated[bool, typer.Option("--all", hidden=True, help="Old name of --all-copies.")] = False,
    like: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Find photos that look like this picture.")
    ] = None,
    negatives: Annotated[
        list[str] | None,
        typer.Option("--not", metavar="TEXT", help="Rank photos that match this text lower."),
    ] = None,
    after: Annotated[str | None, typer.Option(help="Taken then or later: 2019, 'last week'.")] = None,
    before: Annotated[str | None, typer.Option(help="Taken before then.")] = None,
    on: Annotated[str | None, typer.Option(help="Taken then: 2019-07, yesterday.")] = None,
    inside: Annotated[str | None, typer.Option("--in", metavar="FOLDER", help="In or below it.")] = None,
    name: Annotated[str | None, typer.Option(help="Part of the file name, or a pattern.")] = None,
    topic: Annotated[str | None, typer.Option(help="A topic.")] = None,
    camera: Annotated[str | None, typer.Option(help="Part of the camera's name.")] = None,
    place: Annotated[str | None, typer.Option(help="Part of a town's, region's or country's name.")] = None,
    near: Annotated[
        str | None, typer.Option(help="Around a town or a point: rome,10km or 44.13,9.71,5km.")
    ] = None,
    text_in: Annotated[
        str | None, typer.Option("--text", help="Part of the text in the photo; spaces do not matter.")
    ] = None,
    has: Annotated[
        str | None,
        typer.Option(help="note, caption, gps, objects, topics, date, text."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--file-format",
            help="JPEG, PNG, HEIF, ...",
        ),
    ] = None,
    batch: Annotated[
        str | None, typer.Option(metavar="FILE", help="One query per line; - reads standard input.")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Show the pictures in the terminal.")] = False,
) -> None:
    """Find photos. Prints them best first, in a pipe their paths; exits with 1 when nothing is found.

    Uses the daemon if one is running, otherwise searches in this process. In a query, `after:2019 in:FOLDER name:x
    topic:x keyword:x person:x rating>=4 label:red camera:x place:x near:x text:x has:note is:offline format:png dog>=2
    dogs!=2 animal: -word -key:value "these words" 2:beach` are filters and weights; case and accents do not matter.
    """
    wanted = {"json": as_json, "null": nul, "count": count, "preview": preview}
    form = HitOutput([name for name in wanted if wanted[name]], template=template, first=first, limit=limit)
    if preview and not sys.stdout.isatty():
        raise UsageError("--preview shows pictures in a terminal, and the output is none")
    given = (after, before, on, inside, name, topic, camera, place, near, text_in, has, format_)
    filters = [(key, value) for key, value in zip(_KEYS, given, strict=True) if value is not None]
    for word in words or ():
        if word.startswith("--"):  # one dash leaves a word out; two are an option that is not there
            raise UsageError(f"there is no option {word}", "`imgret query --help` lists them.")
    text = " ".join(words or ())
    if batch is not None and (text.strip() or preview):
        raise UsageError("--batch reads the queries from a file: leave out the query and --preview")
    listed = (sort != "score" or count) and not words  # an empty word is a variable that is not set
    if batch is None and not (text.strip() or filters or like or negatives or listed):
        raise UsageError("what are you looking for?", 'imgret query "two giraffes"')
    params: dict[str, object] = {
        "text": text,
        "k": form.limit,
        "rank": rank,
        "format": form.request_format,
        "folder": folder(),
        "minimum": next(
            (given for given in (min_strength, old_min) if given is not None),
            form.min_strength,
        ),
        "apart": all_copies or old_all,
        "away": negatives or [],
        "filters": filters,
    }
    if sort != "score":
        params["sort"] = sort
    if like is not None:
        params["like"] = os.fsdecode(os.path.abspath(inputs.path_bytes(like)))
    code = _search(params, batch, form)
    if code:
        raise typer.Exit(code)


def _search(params: dict[str, object], batch: str | None, form: HitOutput) -> int:
    if batch is not None:
        from imgret.cli.query_session import read_queries, search_all

        found = read_queries(batch)
        if not found:
            console.message(f"{batch} contains no query")
        return search_all(params, found, form)
    if form.form == "preview":
        from imgret.cli.query_preview import preview_hits

        return preview_hits(params, form)
    code = search_by_daemon(params, form)
    if code is None:
        from imgret.cli.query_session import search_here

        code = search_here(params, form)
    return code
