"""Pictures in cells: asked for by path and size, loaded on threads, drawn when they are there.

Only what is on the screen now is loaded: each `want` replaces the one before. What was sent to the
terminal is remembered up to a budget of bytes and freed in the terminal beyond it. `look_again` finds files that
were edited, have gone or have come back since they were loaded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from imgret import disk_calls
from imgret.disk_calls import NotAnswering
from imgret.errors import ImgretError
from imgret.terminal import kitty
from imgret.terminal.clean import clean
from imgret.terminal.fit import HALF_BLOCK
from imgret.terminal.probe import Capabilities, Graphics
from imgret.terminal.sent import Sent, SentPictures
from imgret_tui.loading import Loader
from imgret_tui.shown import Shown, Stamp, Wanted, encoded

LOADERS = 2  # threads; decoding itself runs in processes of its own


class Pictures:
    """The pictures of one terminal.

    `write` sends text to it. From the loading threads `ready` is told of each path that was loaded, `changed` of each
    whose file is no longer what was loaded, and `broke` of a thread's end.
    """

    def __init__(
        self,
        terminal: Capabilities,
        loader: Loader,
        write: Callable[[str], None],
        ready: Callable[[bytes], object],
        changed: Callable[[bytes], object],
        broke: Callable[[Exception], object],
        *,
        grey: bool = False,
    ) -> None:
        self.terminal = terminal
        self._loader = loader
        self.send = write
        self._ready = ready
        self._has_changed = changed
        self._broke = broke
        self._grey = grey
        self._sent = SentPictures()
        self._shown: dict[int, Shown] = {}
        self._changed = threading.Condition()
        self._preview: Wanted | None = None
        self._thumbnails: list[Wanted] = []
        self._on_screen: tuple[list[Wanted], list[Wanted]] = ([], [])  # the preview, the thumbnails
        self._to_look_at: list[tuple[bytes, Stamp]] = []
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
        self._on_screen = ([wanted] if wanted else [], self._on_screen[1])
        with self._changed:
            self._preview = wanted if wanted is None or self.get(wanted) is None else None
            self._changed.notify()

    def want_thumbnails(self, wanted: Sequence[Wanted]) -> None:
        """Load those, in this order, that are not there yet; forget what was wanted before."""
        self._on_screen = (self._on_screen[0], list(wanted))
        missing = [one for one in wanted if self.get(one) is None]
        with self._changed:
            self._thumbnails = missing
            self._changed.notify_all()

    def look_again(self) -> None:
        """Have the files of what is on the screen compared with what was loaded; `changed` is told which differ."""
        shown = ((one.path, self.get(one)) for group in self._on_screen for one in group)
        seen = dict.fromkeys((path, known.stamp) for path, known in shown if known is not None)
        with self._changed:
            self._to_look_at = list(seen)
            self._changed.notify()

    def forget(self, path: bytes) -> None:
        """Forget the pictures of one photo; on the app's thread. They are loaded anew when they are wanted."""
        keys = [key for key in self._sent if isinstance(key, Wanted) and key.path == path]
        self.send(self._deletions([image_id for key in keys for image_id in self._sent.remove(key)]))

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
                if not isinstance(wanted, Wanted):
                    path, before = wanted
                    if _stamp(path) != before:
                        self._has_changed(path)
                    continue
                stamp = _stamp(wanted.path)
                sent, shown, text = self._loaded(wanted)
                shown = replace(shown, stamp=stamp)
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

    def _next(self) -> Wanted | tuple[bytes, Stamp] | None:
        """What to load, or else a file to look at, and what it was."""
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
                if self._to_look_at:
                    return self._to_look_at.pop(0)
                self._changed.wait()
            return None

    def _loaded(self, wanted: Wanted) -> tuple[Sent, Shown, str]:
        image_id = self._sent.new_id()
        try:
            if disk_calls.is_stuck(wanted.path, wanted.path):  # it would keep this thread from all others
                raise NotAnswering(wanted.path)
            if wanted.preview:
                pixels = self._loader.preview(wanted.path)
            else:
                pixels = self._loader.thumbnail(wanted.path, self._side(wanted))
        except ImgretError as error:
            shown = Shown(wanted.columns, wanted.rows, reason=clean(str(error)))
            return Sent(image_id, shown.columns, shown.rows, 1), shown, ""
        return encoded(wanted, pixels, image_id, self.terminal, grey=self._grey)

    def _side(self, wanted: Wanted) -> int:
        """The pixels of the longer side of its box."""
        cell = self.terminal.cell if self.terminal.graphics is Graphics.KITTY else HALF_BLOCK
        return max(wanted.columns * cell.width, wanted.rows * cell.height)


def _stamp(path: bytes) -> Stamp:
    """What a file that was edited has different; None of a file that is not there, or whose disk does not answer."""
    try:
        seen = disk_calls.call(path, lambda: os.stat(path))
    except (OSError, NotAnswering):
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
