"""`imgret demo`: index and search generated images with the bundled models, offline."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import ExitStack
from importlib import resources
from typing import Annotated

import typer

from imgret.cli import console, quick_query
from imgret.cli.hit_output import hit_path
from imgret.cli.hit_text import hit_lines, style_of
from imgret.cli.index_command import describe, scan_folders
from imgret.cli.session import Session
from imgret.errors import UsageError

QUERIES = ("a red circle", "a black background square>=2", "a yellow triangle on black")


def demo(
    keep: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Keep the pictures and the index in this new folder."),
    ] = None,
) -> None:
    """Try imgret out on generated pictures.

    Draws pictures, describes them with the five tiny models that ship with imgret, and runs some searches.
    """
    from imgret.demo.draw import demo_folder
    from imgret.search.request import SearchRequest
    from imgret.search.service import SearchService
    from imgret.store.factory import writer_lock

    with ExitStack() as stack:
        if keep is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="imgret-demo-"))
        else:
            folder = os.path.abspath(os.path.expanduser(keep))
            if os.path.lexists(folder):
                raise UsageError(f"{keep} already exists", "Name a new folder.")
            os.makedirs(folder, mode=0o700)
        pictures = os.path.join(folder, "pictures")
        os.mkdir(pictures, mode=0o700)
        drawn = demo_folder(pictures)
        console.message(f"drew {len(drawn)} pictures in {pictures}")
        models = stack.enter_context(resources.as_file(resources.files("imgret.demo").joinpath("models")))
        here = demo_session(folder, str(models))
        with writer_lock(here.places.index), here.index(create=True) as store:
            scan_folders(here, store, [os.fsencode(pictures)])
            describe(here, store)
            service = SearchService(store, here.settings, here.places)
            for_people = sys.stdout.isatty()
            for query in QUERIES:
                console.out_line(f'\nimgret query {"" if for_people else "--json "}-k 3 "{query}"')
                found = service.search(SearchRequest(text=query, limit=3, format="json"))
                console.messages(found.notes)
                console.out(_readable(found.output, query) if for_people else found.output)
                console.flush()
    if keep is not None:
        console.message(
            f"to search further: IMGRET_CONFIG={here.places.config} IMGRET_INDEX={here.places.index} imgret query ..."
        )


def _readable(hits: bytes, query: str) -> bytes:
    """Return JSON lines of hits as `imgret query` prints them in a terminal."""
    style = style_of(os.environ, quick_query.folder(), query)
    lines = (hit_lines(hit, hit_path(hit), style) for hit in map(json.loads, hits.splitlines()))
    return "".join(lines).encode()


def demo_session(folder: str, models: str) -> Session:
    """Return a session with its files below `folder` and the tiny models. The user's own files are not used."""
    from imgret.config import Places
    from imgret.demo.bundled import demo_settings

    settings = demo_settings(models=models)
    places = Places(
        config=os.path.join(folder, "config.toml"),
        index=os.path.join(folder, "index.db"),
        state=os.path.join(folder, "state"),
        models=os.path.join(folder, "models"),
        socket=os.path.join(folder, "imgretd.sock"),
    )
    text = 'device = "cpu"\n' + "".join(
        f'[{stage}]\nweights = "{table.weights}"\n' for stage, table in settings.tables.items()
    )
    with open(places.config, "w", encoding="utf-8") as file:
        file.write(text)
    return Session(settings, places)
