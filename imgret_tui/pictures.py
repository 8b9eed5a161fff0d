"""Pictures in cells: asked for by path and size, loaded on threads, drawn when they are there.

Only what is on the screen now is loaded: each `want` replaces the one before. What was sent to the
terminal is remembered up to a budget of bytes and freed in the terminal beyond it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from msgspec import Struct
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from imgret.errors import ImgretError
from imgret.terminal import blocks, kitty, sixel
from imgret.terminal.clean import clean
from imgret.terminal.fit import HALF_BLOCK, fit, scaled
from imgret.terminal.probe import Capabilities, Graphics
from imgret.terminal.sent import Sent, SentPictures
from imgret_tui.loading import Loader

if TYPE_CHECKING:
    from imgret.terminal.fit import Pixels

LOADERS = 2  # threads; decoding itself runs in processes of its own


class Wanted(Struct, frozen=True):
    """A picture of a photo in a box of cells. A preview is decoded in full, and may be a sixel."""

    path: bytes
    columns: int
    rows: int
    preview: bool = False
    stamp: int = 0  # of the file, when it was last looked at: one that was edited is loaded anew


class Shown(Struct, frozen=True, eq=False):
    """A picture that can be drawn, or why it cannot."""

    columns: int
    rows: int
    image_id: int | None = None  # kitty
    colours: list[list[tuple[int, int]]] | None = None  # half blocks
    overlay: str | None = None  # written over blank cells: a sixel, or a stored picture's placing
    reason: str | None = None

    @property
    def is_stored(self) -> bool:
        """Whether the terminal has it and needs only be told where to show it."""
        return self.image_id is not None and self.overlay is not None

    def line(self, row: int, style: Style) -> list[Segment]:
        """One row of `columns` cells, over the background of `style`."""
        if self.image_id is not None and self.overlay is None:
            colour = Style(color=Color.parse(kitty.hex_colour(self.image_id)))
            return [Segment(kitty.placeholders(row, self.columns), style + colour)]
        if self.colours is not None:
            return [Segment(blocks.UPPER_HALF, _block(*pair)) for pair in self.colours[row]]
        return [Segment(" " * self.columns, style)]


@lru_cache(maxsize=8192)
def _block(upper: int, lower: int) -> Style:
    return Style(color=_rgb(upper), bgcolor=_rgb(lower))


def _rgb(colour: int) -> Color:
    return Color.from_rgb(colour >> 16, colour >> 8 & 255, colour & 255)


class Pictures:
    """The pictures of one terminal. `write` sends text to it; `ready` is told of each path loaded, `broke` of a thread's end."""

    def __init__(
        self,
        terminal: Capabilities,
        loader: Loader,
        write: Callable[[str], None],
        ready: Callable[[bytes], object],
        broke: Callable[[Exception], object],
        *,
        grey: bool = False,
    ) -> None:
        self.terminal = terminal
        self._loader = loader
        self.send = write
        self._ready = ready
        self._broke = broke
        self._grey = grey
        self._sent = SentPictures()
        self._shown: dict[int, Shown] = {}
        self._changed = threading.Condition()
        self._preview: Wanted | None = None
        self._thumbnails: list[Wanted] = []
        self._under_way: set[Wanted] = set()
        self._arrived: list[tuple[Wanted, Sent, Shown, str]] = []
        self._closing = False
        self._threads = [
            threading.Thread(target=self._load, daemon=True, name="pictures") for _ in range(LOADERS)
        ]
        if terminal.graphics is not Graphics.NONE:
            for thread in self._threads:
                thread.start()

    def get(self, wanted: Wanted) -> Shown | None:
        """The picture, if it is there; call it on the app's thread only."""
        sent = self._sent.get(wanted)
        return self._shown[sent.image_id] if sent else None

    def want_preview(self, wanted: Wanted | None) -> None:
        """Load this one before all others; None when no preview is on the screen."""
        with self._changed:
            self._preview = wanted if wanted is None or self.get(wanted) is None else None
            self._changed.notify()

    def want_thumbnails(self, wanted: Sequence[Wanted]) -> None:
        """Load those, in this order, that are not there yet; forget what was wanted before."""
        missing = [one for one in wanted if self.get(one) is None]
        with self._changed:
            self._thumbnails = missing
            self._changed.notify_all()

    @property
    def is_loading(self) -> bool:
        """Whether a wanted picture is still to come."""
        with self._changed:
            return bool(self._preview or self._thumbnails or self._under_way)

    def settle(self) -> None:
        """Send what was loaded to the terminal; on the app's thread, after `ready`."""
        with self._changed:
            arrived, self._arrived = self._arrived, []
            here = {wanted for wanted, *_ in arrived}
            self._under_way -= here
            self._thumbnails = [one for one in self._thumbnails if one not in here]
            self._preview = None if self._preview in here else self._preview
        for wanted, sent, shown, text in arrived:
            freed = self._sent.add(wanted, sent)
            self._shown[sent.image_id] = shown
            self.send(self._deletions(freed) + text)

    def forget_all(self) -> str:
        """Forget every picture; the text that frees them in the terminal."""
        with self._changed:
            self._under_way.difference_update(wanted for wanted, *_ in self._arrived)
            self._arrived.clear()
        return self._deletions(self._sent.clear())

    def close(self) -> None:
        """Stop loading. A file being decoded is given up."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._loader.close()
        if self.terminal.folder is not None:
            kitty.remove_files(self.terminal.folder)

    def _deletions(self, ids: Sequence[int]) -> str:
        for image_id in ids:
            self._shown.pop(image_id, None)
        if self.terminal.graphics is not Graphics.KITTY:
            return ""
        text = "".join(kitty.delete(image_id) for image_id in ids)
        return kitty.through_tmux(text) if self.terminal.tmux else text

    def _load(self) -> None:
        while (wanted := self._next()) is not None:
            try:
                sent, shown, text = self._loaded(wanted)
            except Exception as error:
                # The end of this thread: unseen, it would leave pictures that never come.
                if not self._closing:
                    self._broke(error)
                return
            with self._changed:
                if self._closing:
                    return
                self._arrived.append((wanted, sent, shown, text))
            self._ready(wanted.path)

    def _next(self) -> Wanted | None:
        with self._changed:
            while not self._closing:
                if self._preview is not None and self._preview not in self._under_way:
                    wanted, self._preview = self._preview, None
                    self._under_way.add(wanted)
                    return wanted
                while self._thumbnails:
                    wanted = self._thumbnails.pop(0)
                    if wanted not in self._under_way:
                        self._under_way.add(wanted)
                        return wanted
                self._changed.wait()
            return None

    def _loaded(self, wanted: Wanted) -> tuple[Sent, Shown, str]:
        image_id = self._sent.new_id()
        try:
            if wanted.preview:
                pixels = self._loader.preview(wanted.path)
            else:
                pixels = self._loader.thumbnail(wanted.path, self._side(wanted))
        except ImgretError as error:
            shown = Shown(wanted.columns, wanted.rows, reason=clean(str(error)))
            return Sent(image_id, shown.columns, shown.rows, 1), shown, ""
        return self._encoded(wanted, pixels, image_id)

    def _side(self, wanted: Wanted) -> int:
        """The pixels of the longer side of its box."""
        cell = self.terminal.cell if self.terminal.graphics is Graphics.KITTY else HALF_BLOCK
        return max(wanted.columns * cell.width, wanted.rows * cell.height)

    def _encoded(self, wanted: Wanted, pixels: Pixels, image_id: int) -> tuple[Sent, Shown, str]:
        terminal, graphics = self.terminal, self.terminal.graphics
        if graphics is Graphics.SIXEL and not wanted.preview:
            graphics = Graphics.BLOCKS  # a sixel cannot scroll with its list
        cell = HALF_BLOCK if graphics is Graphics.BLOCKS else terminal.cell
        most = kitty.MAX_CELLS if graphics is Graphics.KITTY else 1 << 16
        height, width = pixels.shape[:2]
        place = fit(width, height, min(wanted.columns, most), min(wanted.rows, most), cell)
        text = ""
        if graphics is Graphics.KITTY and wanted.preview and not terminal.tmux:
            text = kitty.store(image_id, scaled(pixels, place.width, place.height), folder=terminal.folder)
            overlay = kitty.place(image_id, place.columns, place.rows)
            shown = Shown(place.columns, place.rows, image_id=image_id, overlay=overlay)
        elif graphics is Graphics.KITTY:
            fitted = scaled(pixels, place.width, place.height)
            text = kitty.transmit(image_id, fitted, place.columns, place.rows, folder=terminal.folder)
            text = kitty.through_tmux(text) if terminal.tmux else text
            shown = Shown(place.columns, place.rows, image_id=image_id)
        elif graphics is Graphics.SIXEL:
            high = max(
                sixel.BAND, place.height // sixel.BAND * sixel.BAND
            )  # some terminals fill the last band
            overlay = sixel.encode(scaled(pixels, place.width, high), terminal.colours)
            shown = Shown(place.columns, place.rows, overlay=overlay)
        else:
            fitted = scaled(pixels, place.width, place.height)
            if self._grey:
                fitted = _grey(fitted)
            shown = Shown(place.columns, place.rows, colours=blocks.cell_colours(fitted))
        return Sent(image_id, place.columns, place.rows, place.width * place.height * 3), shown, text


def _grey(pixels: Pixels) -> Pixels:
    import numpy as np

    luma = (pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(luma[:, :, None], 3, axis=2)
