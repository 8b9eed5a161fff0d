"""The photo under the cursor: its preview above its details."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical

from imgret.photo import Hit
from imgret_tui.search_backend import PhotoDetails
from imgret_tui.terminal_images import TerminalImages
from imgret_tui.widgets.photo_details import DetailsView
from imgret_tui.widgets.photo_preview import Preview


class PhotoPane(Vertical):
    """Remembers the details of every photo that it has shown."""

    def __init__(self, images: TerminalImages, request_details: Callable[[bytes], None]) -> None:
        """`request_details` gets the path of a photo whose details `add_details` shall get."""
        super().__init__(id="photo")
        self._request_details = request_details
        self._hit: Hit | None = None
        self._query = ""
        self._details: dict[bytes, PhotoDetails] = {}
        self.preview = Preview(images)
        self.details_view = DetailsView()

    def compose(self) -> ComposeResult:
        """The preview and the details."""
        yield self.preview
        yield self.details_view

    def show(self, hit: Hit | None, query: str) -> None:
        """Show this photo, or nothing, and highlight the words of the query."""
        self._hit, self._query = hit, query
        self.preview.show(hit)
        self._show_details()
        if hit is not None and hit.path not in self._details:
            self._request_details(hit.path)

    def add_details(self, path: bytes, details: PhotoDetails) -> None:
        """The details of a photo have arrived."""
        self._details[path] = details
        if self._hit is not None and self._hit.path == path:
            self._show_details()

    def details_of(self, path: bytes) -> PhotoDetails | None:
        """The details of the photo at `path`; None while they are not known."""
        return self._details.get(path)

    def file_changed(self, path: bytes) -> None:
        """Show a photo whose file changed, with new details."""
        self._details.pop(path, None)
        self.preview.image_loaded(path)
        if self._hit is not None and self._hit.path == path:
            self.show(self._hit, self._query)

    @property
    def is_waiting(self) -> bool:
        """Whether the details of the photo on the screen have not arrived yet."""
        return self._hit is not None and self._hit.path not in self._details

    def _show_details(self) -> None:
        details = self._details.get(self._hit.path) if self._hit is not None else None
        self.details_view.show(self._hit, details, self._query)
