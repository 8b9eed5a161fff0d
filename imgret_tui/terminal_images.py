"""The images of one terminal: requested by path and size, loaded on threads, drawn once they are loaded.

Only what is on the screen now is loaded: a request replaces the one before it. Images that were sent to the
terminal are remembered up to a limit of bytes, and freed in the terminal beyond it. `check_files` finds files
that were changed, deleted or restored since they were loaded.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from imgret import disk_calls
from imgret.disk_calls import NotResponding
from imgret.errors import ImgretError
from imgret.photo import FileStat, file_stat_of
from imgret.terminal import kitty
from imgret.terminal.clean import clean
from imgret.terminal.fit import HALF_BLOCK
from imgret.terminal.probe import Capabilities, Graphics
from imgret.terminal.sent import Sent, SentImages
from imgret_tui.cell_image import CellImage, ImageRequest, render_image
from imgret_tui.image_loader import ImageLoader

LOADING_THREADS = 2  # decoding itself runs in separate processes
_FileCheck = tuple[bytes, FileStat | None]  # a path, and what its file was


class TerminalImages:
    """Methods are for the app's thread. Callbacks are called on the loading threads."""

    def __init__(
        self,
        terminal: Capabilities,
        loader: ImageLoader,
        send: Callable[[str], None],
        on_loaded: Callable[[bytes], object],
        on_file_changed: Callable[[bytes], object],
        on_crash: Callable[[Exception], object],
        *,
        grey: bool = False,
    ) -> None:
        """`send` writes text to the terminal. The callbacks get the path of a photo, or what ended a thread."""
        self.terminal = terminal
        self.send = send
        self.sixels = 0  # that the terminal got since the last page of thumbnails
        self._loader = loader
        self._on_loaded = on_loaded
        self._on_file_changed = on_file_changed
        self._on_crash = on_crash
        self._grey = grey
        self._sent = SentImages()
        self._images: dict[int, CellImage] = {}
        self._preview_on_screen: list[ImageRequest] = []
        self._thumbnails_on_screen: list[ImageRequest] = []
        self._changed = threading.Condition()  # guards all that follows
        self._preview: ImageRequest | None = None
        self._thumbnails: list[ImageRequest] = []
        self._files_to_check: list[_FileCheck] = []
        self._loading: set[ImageRequest] = set()
        self._loaded: list[tuple[ImageRequest, Sent, CellImage, str]] = []
        self._closing = False
        self._threads = [
            threading.Thread(target=self._run, daemon=True, name="images") for _ in range(LOADING_THREADS)
        ]
        if terminal.graphics is not Graphics.NONE:
            for thread in self._threads:
                thread.start()

    def __len__(self) -> int:
        """How many images are loaded."""
        return len(self._sent)

    def get(self, request: ImageRequest) -> CellImage | None:
        """The image, if it is loaded."""
        sent = self._sent.get(request)
        return self._images[sent.image_id] if sent else None

    def request_preview(self, request: ImageRequest | None) -> None:
        """Load this preview before all thumbnails; None if no preview is on the screen."""
        self._preview_on_screen = [request] if request else []
        with self._changed:
            self._preview = request if request is None or self.get(request) is None else None
            self._changed.notify()

    def request_thumbnails(self, requests: Sequence[ImageRequest]) -> None:
        """Load those, in this order, that are not loaded; drop earlier requests that still wait."""
        self._thumbnails_on_screen = list(requests)
        missing = [request for request in requests if self.get(request) is None]
        with self._changed:
            self._thumbnails = missing
            self._changed.notify_all()

    def check_files(self) -> None:
        """Compare the files of the images on the screen with what was loaded; report those that differ."""
        on_screen = [*self._preview_on_screen, *self._thumbnails_on_screen]
        images = ((request.path, self.get(request)) for request in on_screen)
        checks = dict.fromkeys((path, image.file_stat) for path, image in images if image is not None)
        with self._changed:
            self._files_to_check = list(checks)
            self._changed.notify()

    def discard(self, path: bytes) -> None:
        """Free the images of one photo. They are loaded again on the next request."""
        self._loader.forget(path)
        keys = [key for key in self._sent if isinstance(key, ImageRequest) and key.path == path]
        self.send(self._deletions([image_id for key in keys for image_id in self._sent.remove(key)]))

    @property
    def is_loading(self) -> bool:
        """Whether a requested image is not loaded yet."""
        with self._changed:
            return bool(self._preview or self._thumbnails or self._loading)

    @property
    def is_loading_thumbnails(self) -> bool:
        """Whether a requested thumbnail is not loaded yet."""
        with self._changed:
            return bool(self._thumbnails) or not all(request.is_preview for request in self._loading)

    def send_loaded(self) -> None:
        """Send loaded images to the terminal, so that `get` returns them; to be called after `on_loaded`."""
        with self._changed:
            loaded, self._loaded = self._loaded, []
            done = {request for request, *_ in loaded}
            self._loading -= done
            self._thumbnails = [request for request in self._thumbnails if request not in done]
            self._preview = None if self._preview in done else self._preview
        for request, sent, image, text in loaded:
            freed = self._sent.add(request, sent)
            self._images[sent.image_id] = image
            self.send(self._deletions(freed) + text)

    def discard_all(self) -> str:
        """Forget all images. -> the text that frees them in the terminal."""
        with self._changed:
            self._loading.difference_update(request for request, *_ in self._loaded)
            self._loaded.clear()
        return self._deletions(self._sent.clear())

    def close(self) -> None:
        """Stop loading. A file that is being decoded is abandoned."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._loader.close()
        if self.terminal.folder is not None:
            kitty.remove_files(self.terminal.folder)

    def _deletions(self, ids: Sequence[int]) -> str:
        for image_id in ids:
            self._images.pop(image_id, None)
        if self.terminal.graphics is not Graphics.KITTY:
            return ""
        text = "".join(kitty.delete(image_id) for image_id in ids)
        return kitty.through_tmux(text) if self.terminal.tmux else text

    def _run(self) -> None:
        while (task := self._next_task()) is not None:
            try:
                if not isinstance(task, ImageRequest):
                    path, before = task
                    if _stat_of(path) != before:
                        self._on_file_changed(path)
                    continue
                before = _stat_of(task.path)
                sent, image, text = self._load(task)
                image = replace(image, file_stat=before)
            except Exception as error:
                # This ends the thread. Unreported, images would be missing for ever.
                if not self._closing:
                    self._on_crash(error)
                return
            with self._changed:
                if self._closing:
                    return
                self._loaded.append((task, sent, image, text))
            self._on_loaded(task.path)

    def _next_task(self) -> ImageRequest | _FileCheck | None:
        """Wait for an image to load or, if there is none, a file to check. None: the thread shall end."""
        with self._changed:
            while not self._closing:
                if self._preview is not None and self._preview not in self._loading:
                    request, self._preview = self._preview, None
                    self._loading.add(request)
                    return request
                while self._thumbnails:
                    request = self._thumbnails.pop(0)
                    if request not in self._loading:
                        self._loading.add(request)
                        return request
                if self._files_to_check:
                    return self._files_to_check.pop(0)
                self._changed.wait()
            return None

    def _load(self, request: ImageRequest) -> tuple[Sent, CellImage, str]:
        image_id = self._sent.new_id()
        try:
            if disk_calls.is_stuck(request.path, request.path):  # it would block this thread for all others
                raise NotResponding(request.path)
            if request.part is not None:
                pixels = self._loader.zoomed(request.path)
            elif request.is_preview or request.is_sharp:
                pixels = self._loader.preview(request.path)
            else:
                pixels = self._loader.thumbnail(request.path, self._pixel_side(request))
        except ImgretError as error:
            image = CellImage(request.columns, request.rows, reason=clean(str(error)))
            return Sent(image_id, image.columns, image.rows, 1), image, ""
        return render_image(request, pixels, image_id, self.terminal, grey=self._grey)

    def _pixel_side(self, request: ImageRequest) -> int:
        """The longer side of the requested box, in pixels."""
        cell = HALF_BLOCK if self.terminal.graphics is Graphics.BLOCKS else self.terminal.cell
        return max(request.columns * cell.width, request.rows * cell.height)


def _stat_of(path: bytes) -> FileStat | None:
    """What differs after a file was changed; None if there is no file or its disk does not respond."""
    try:
        return file_stat_of(disk_calls.call(path, lambda: os.stat(path)))
    except (OSError, NotResponding):
        return None
