"""`imgret report`: the hits of a query as one HTML file that can be sent."""

from __future__ import annotations

import io
import json
import os
import stat
import tempfile
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from imgret import inputs
from imgret.cli import console
from imgret.cli.hit_output import LIMIT, hit_path
from imgret.cli.quick_query import folder
from imgret.cli.session import session
from imgret.errors import Exit, ImgretError, PhotoError, UsageError

if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels

MOST = 500  # pictures of a page: some 15 MB
SIDE, QUALITY = 512, 82  # of the inlined pictures: the longer side in pixels, JPEG quality


def report(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The page to write: album.html.")],
    words: Annotated[list[str], typer.Argument(metavar="QUERY", help="As for `imgret query`.")],
    limit: Annotated[
        int, typer.Option("--limit", "-k", help="At most that many photos.", min=1, max=MOST)
    ] = LIMIT,
    min_strength: Annotated[
        str, typer.Option("--min-strength", help="Leave out hits below: weak, fair, strong.")
    ] = "fair",
    with_stats: Annotated[
        bool, typer.Option("--stats", help="Add how many photos the library has by year, place, camera, ...")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is no report.")] = False,
) -> None:
    """Write what queries find to one HTML page.

    It has small pictures, captions and reasons. The page needs no other file and no network, and can be sent to somebody.
    It has the names of the files, but not their folders, and no metadata of the pictures.
    """
    from imgret.cli.library_stats import library_stats
    from imgret.cli.query_session import search
    from imgret.cli.report_page import page

    query = " ".join(words)
    if not query.strip():
        raise UsageError("what are you looking for?", 'imgret report giraffes.html "two giraffes"')
    target = os.path.realpath(inputs.path_bytes(file))  # a link stays
    _check_target(target, file, overwrite=overwrite)
    here = session()
    output = search(
        {
            "text": query,
            "k": limit,
            "format": "json",
            "minimum": min_strength,
            "folder": folder(),
        }
    )
    console.messages(output.notes)
    hits = [json.loads(line) for line in output.output.splitlines()]
    if not hits:
        raise typer.Exit(output.exit)
    images = _images([hit_path(hit) for hit in hits])
    stats = {}
    if with_stats:
        with here.index() as store:
            stats = library_stats(store)
    names = [os.path.basename(hit_path(hit)) for hit in hits]
    _write(target, page(query, hits, images, names, date.today().isoformat(), stats).encode(), file)
    console.message(f"{console.counted(len(hits), 'photo')} in {console.shown(target)}")
    if None in images:
        raise typer.Exit(Exit.NO_HITS)


def _check_target(target: bytes, file: str, *, overwrite: bool) -> None:
    """Raise UsageError for a file that is no report: the name of a photo is easily written in its place."""
    from imgret.cli.report_page import MARK

    if not target.lower().endswith((b".html", b".htm")):
        raise UsageError(f"{file} is no name of a page", "The first argument is the file: album.html.")
    try:
        with open(os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as existing:
            if not stat.S_ISREG(os.fstat(existing.fileno()).st_mode):  # a FIFO would block
                raise UsageError(f"{file} is no file", "Name another file.")
            ours = MARK.encode() in existing.read(2000)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(file, error) from None
    if not (ours or overwrite):
        raise UsageError(f"{file} is there and was not made by imgret", "Name another file, or --overwrite.")


def _images(paths: list[bytes]) -> list[bytes | None]:
    """Return a small JPEG of each photo, without metadata; None, after a message, for one that cannot be decoded."""
    from imgret.cli.small_images import small_images

    found: list[bytes | None] = []
    for image in small_images(paths, SIDE):
        if isinstance(image, PhotoError):
            console.message(str(image))
        found.append(None if isinstance(image, PhotoError) else _jpeg(image))
    return found


def _jpeg(pixels: Pixels) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "JPEG", quality=QUALITY, optimize=True)
    return data.getvalue()


def _write(target: bytes, data: bytes, file: str) -> None:
    """Write the page under another name and move it into place: a report that is there is whole. Its mode is 0600."""
    temporary = b""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=b".imgret-")
        with open(descriptor, "wb") as page:
            page.write(data)
        os.replace(temporary, target)
    except BaseException as error:  # an interrupt, too: nothing is left behind
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)
        if isinstance(error, OSError):
            raise _unwritable(file, error) from None
        raise


def _unwritable(file: str, error: OSError) -> ImgretError:
    """Return the error for a page that cannot be written: a wrong name, or a problem of the disk."""
    kind = (
        UsageError
        if isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError))
        else ImgretError
    )
    return kind(f"{file} cannot be written: {error.strerror}")
