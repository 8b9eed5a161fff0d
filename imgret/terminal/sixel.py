"""Encode images as sixels, for xterm, foot, mlterm, WezTerm, Konsole and tmux >= 3.4.

A sixel is a column of six pixels of one colour. Each band of six lines is written once for each of its colours. The
format: https://vt100.net/docs/vt3xx-gp/chapter14.html. The caller must make sure that an image does not reach the last
row of the screen: the terminal would scroll.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imgret.terminal.fit import Pixels

BAND = 6  # lines of pixels written at once
_RUN = re.compile(rb"(.)\1{3,}", re.DOTALL)  # `!n` saves nothing for shorter runs
_HOLE = 255  # in place of a colour


def encode(pixels: Pixels, colours: int = 256, holes: NDArray[np.bool_] | None = None) -> str:
    """Return the image (height, width, 3) in at most `colours` colours, 2..256, as one DCS sequence.

    `holes` (height, width): pixels that stay as they are on the screen; with them there are at most 255 colours. If the
    height is not a multiple of six, the rest of the last band is a hole.
    """
    import numpy as np
    from PIL import Image

    most = 256 if holes is None else _HOLE
    image = Image.fromarray(pixels).quantize(max(2, min(most, colours)), Image.Quantize.FASTOCTREE)
    indices = np.asarray(image)
    height, width = indices.shape
    palette = image.getpalette() or []
    used = np.unique(indices if holes is None else indices[~holes]).tolist()
    if holes is not None:
        indices = np.where(holes, np.uint8(_HOLE), indices)
    has_holes = holes is not None
    registers = "".join(
        f"#{n};2;" + ";".join(str(round(value / 2.55)) for value in palette[3 * n : 3 * n + 3]) for n in used
    )
    bands = [_band(indices[top : top + BAND], has_holes=has_holes) for top in range(0, height, BAND)]
    # P2=1: pixels that no sixel sets are not changed.
    return f'\x1bP0;1;0q"1;1;{width};{height}{registers}{"-".join(bands)}\x1b\\'


def _band(indices: NDArray[np.uint8], *, has_holes: bool) -> str:
    """Encode one band (up to 6, width): the sixels of each colour, with a return to the left margin between colours."""
    import numpy as np

    found, inverse = np.unique(indices, return_inverse=True)
    inverse = inverse.reshape(indices.shape)
    columns = np.arange(indices.shape[1])
    bits = np.zeros((len(found), indices.shape[1]), np.uint8)
    for line, row in enumerate(inverse):
        bits[row, columns] |= 1 << line
    ends = indices.shape[1] - np.argmax(bits[:, ::-1] != 0, axis=1)
    rows = bits + 63
    return "$".join(
        f"#{colour}{_RUN.sub(_repeated, rows[n, : ends[n]].tobytes()).decode()}"
        for n, colour in enumerate(found.tolist())
        if not (has_holes and colour == _HOLE)
    )


def _repeated(run: re.Match[bytes]) -> bytes:
    return b"!%d%c" % (len(run[0]), run[0][0])
