"""The kitty graphics protocol: images are sent once and then shown by placeholder characters.

An image is transmitted with an id and a *virtual* placement of a number of cells. A cell that contains `PLACEHOLDER`
with two combining marks (its row and its column), in a foreground colour equal to the id, shows its part of the image.
Scrolling and redrawing then only send text. The protocol is described at
https://sw.kovidgoyal.net/kitty/graphics-protocol/#unicode-placeholders; the marks are from kitty's table
`gen/rowcolumn-diacritics.txt`.
"""

from __future__ import annotations

import contextlib
import io
import os
from base64 import b64encode
from functools import lru_cache

TYPE_CHECKING = False  # importing typing takes 3 ms, and tempfile 12: `clean` needs neither
if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels

PLACEHOLDER = "\U0010eeee"
CHUNK = 4096  # bytes of base64 in one sequence: the protocol's limit
_FILE_MARK = "tty-graphics-protocol"  # the terminal deletes only files whose name contains this

_MARKS = """
305 30d-30e 310 312 33d-33f 346 34a-34c 350-352 357 35b 363-36f 483-487 592-595 597-599 59c-5a1
5a8-5a9 5ab-5ac 5af 5c4 610-617 657-65b 65d-65e 6d6-6dc 6df-6e2 6e4 6e7-6e8 6eb-6ec 730 732-733
735-736 73a 73d 73f-741 743 745 747 749-74a 7eb-7f1 7f3 816-819 81b-823 825-827 829-82d 951
953-954 f82-f83 f86-f87 135d-135f 17dd 193a 1a17 1a75-1a7c 1b6b 1b6d-1b73 1cd0-1cd2 1cda-1cdb
1ce0 1dc0-1dc1 1dc3-1dc9 1dcb-1dcc 1dd1-1de6 1dfe 20d0-20d1 20d4-20d7 20db-20dc 20e1 20e7 20e9
20f0
"""


def _expanded(ranges: str) -> str:
    spans = (span.partition("-") for span in ranges.split())
    return "".join(
        chr(code) for first, _, last in spans for code in range(int(first, 16), int(last or first, 16) + 1)
    )


MARKS = _expanded(_MARKS)
MAX_CELLS = len(MARKS)  # the maximum width and height of an image, in columns and rows


@lru_cache(maxsize=2048)
def placeholders(row: int, columns: int) -> str:
    """Return the text of one row of an image, `columns` cells wide; its colour must be the image's id."""
    return "".join(f"{PLACEHOLDER}{MARKS[row]}{MARKS[column]}" for column in range(columns))


def transmit(image_id: int, pixels: Pixels, columns: int, rows: int, *, folder: str | None = None) -> str:
    """Return the sequences that send `pixels` (height, width, 3) and place them virtually on the given cells.

    `image_id` is 1..2**24-1, because it is also a colour. With `folder`, which the terminal must be able to read,
    the pixels are passed in a file there that the terminal deletes, and the text is short. If no file can be written
    there, the pixels are in the text.
    """
    return _transmission(f"a=T,U=1,q=2,i={image_id},c={columns},r={rows}", pixels, folder)


def store(image_id: int, pixels: Pixels, *, folder: str | None = None) -> str:
    """Return the sequences that send `pixels` without showing them, for `place`."""
    return _transmission(f"a=t,q=2,i={image_id}", pixels, folder)


def place(image_id: int, columns: int, rows: int) -> str:
    """Return the sequence that shows a stored image at the cursor, above the background and below the text of cells.

    The cursor does not move. No placeholders are needed, so an unchanged image sends no text. The image does not
    scroll, and tmux cannot pass the sequence on.
    """
    return f"\x1b_Ga=p,q=2,i={image_id},p=1,c={columns},r={rows},C=1,z=-1\x1b\\"


def hide(image_id: int) -> str:
    """Return the sequence that hides a placed image and keeps it stored."""
    return f"\x1b_Ga=d,d=i,q=2,i={image_id}\x1b\\"


def delete(image_id: int) -> str:
    """Return the sequence that removes an image's placements and frees its memory in the terminal."""
    return f"\x1b_Ga=d,d=I,q=2,i={image_id}\x1b\\"


def file_query(image_id: int, folder: str) -> tuple[str, str]:
    """Return the sequence that queries whether the terminal reads files in `folder`, and the file to remove later.

    Raises OSError if no file can be written there.
    """
    path = _write_file(b"\0\0\0", folder)
    name = b64encode(os.fsencode(path)).decode()
    return f"\x1b_Ga=q,t=t,f=24,s=1,v=1,i={image_id};{name}\x1b\\", path


def through_tmux(sequences: str) -> str:
    """Wrap graphics sequences for tmux, which passes them to its terminal if `allow-passthrough` is on."""
    return "".join(
        "\x1bPtmux;" + (part + "\x1b\\").replace("\x1b", "\x1b\x1b") + "\x1b\\"
        for part in sequences.split("\x1b\\")
        if part
    )


def hex_colour(image_id: int) -> str:
    """Return the foreground colour that identifies the image: `#rrggbb`."""
    return f"#{image_id:06x}"


def _transmission(control: str, pixels: Pixels, folder: str | None) -> str:
    if folder is not None:
        height, width = pixels.shape[:2]
        with contextlib.suppress(OSError):  # the memory for such files may be full: a container has 64 MB
            name = b64encode(os.fsencode(_write_file(pixels.tobytes(), folder))).decode()
            return f"\x1b_G{control},f=24,s={width},v={height},t=t;{name}\x1b\\"
    data = b64encode(_png(pixels)).decode()
    parts = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    last = len(parts) - 1
    return "".join(
        f"\x1b_G{f'{control},f=100,' if n == 0 else ''}m={int(n < last)};{part}\x1b\\"
        for n, part in enumerate(parts)
    )


def _png(pixels: Pixels) -> bytes:
    # PNG's filters make a photo a quarter smaller than zlib alone. Higher levels are much slower and gain little.
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=1)
    return file.getvalue()


def remove_files(folder: str) -> None:
    """Remove the files of this process that no terminal has deleted."""
    for name in os.listdir(folder):
        if name.startswith(_prefix()):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))


def _prefix() -> str:
    return f"imgret-{_FILE_MARK}-{os.getpid()}-"


def _write_file(raw: bytes, folder: str) -> str:
    import tempfile

    handle, path = tempfile.mkstemp(prefix=_prefix(), dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
    except OSError:
        os.unlink(path)
        raise
    return path
