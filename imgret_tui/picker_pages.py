"""The app's pages about more than one photo: folders and failures, facets, near-duplicates."""

from __future__ import annotations

from imgret_tui import picker_messages as messages
from imgret_tui.photo_actions import PhotoActions
from imgret_tui.screens.dialogs import FoldersDialog
from imgret_tui.screens.duplicates_screen import MOST_GROUPS, DuplicatesScreen
from imgret_tui.screens.narrow_dialog import NarrowDialog
from imgret_tui.terminal_images import TerminalImages


class PickerPages(PhotoActions):
    """An app whose keys request data from the backend, and whose messages open a page once it is there."""

    images: TerminalImages
    duplicates: DuplicatesScreen | None = None  # the page that was opened last
    _multi = False

    def action_folders(self) -> None:
        """Show the folders and failed photos, once they were read."""
        self.backend.run(
            "folders", lambda backend: messages.FoldersReady(backend.folders(), backend.failed_photos())
        )

    def on_folders_ready(self, message: messages.FoldersReady) -> None:
        """Show the folders and failed photos, and retry those if the user wants to."""
        self.push_screen(FoldersDialog(message.folders, message.failed), self._retry_failed)

    def _retry_failed(self, wanted: bool | None) -> None:  # noqa: FBT001  a screen's callback gets its result
        if wanted:
            self.backend.run("retry", lambda backend: messages.RetryQueued(backend.retry_failed()))

    def on_retry_queued(self, message: messages.RetryQueued) -> None:
        """Show how many photos are tried again."""
        photos = "photo" if message.count == 1 else "photos"
        self.notify(f"{message.count} {photos} will be tried again", markup=False)
        self._refresh_status()

    def action_narrow(self) -> None:
        """Show what the photos of the query have in common, once it was counted."""
        query = self.search.query_input.value
        self.backend.run("facets", lambda backend: messages.FacetsReady(query, backend.facets(query)))

    def on_facets_ready(self, message: messages.FacetsReady) -> None:
        """Show them, unless another page was opened meanwhile; the chosen one becomes a filter of the query."""

        def add(text: str | None) -> None:
            if text is not None:
                self.search.set_query_text(f"{self.search.query_input.value.rstrip()} {text}".lstrip())

        if self.screen is self.search and message.query == self.search.query_input.value:
            self.push_screen(NarrowDialog(message.facets), add)

    def action_duplicates(self) -> None:
        """Open the page of near-duplicates, and find them on a thread of its own."""
        self.duplicates = DuplicatesScreen(self.images, multi=self._multi)
        self.push_screen(self.duplicates, lambda _: self.search.hit_list.reload_thumbnails())
        self.backend.run_slowly(
            "duplicates", lambda backend: messages.DuplicatesReady(backend.duplicates(MOST_GROUPS))
        )

    def on_duplicates_ready(self, message: messages.DuplicatesReady) -> None:
        """Show the near-duplicates, if their page is still open."""
        if self.duplicates is not None and self.screen is self.duplicates:
            self.duplicates.show_groups(message.found)

    def _refresh_status(self) -> None:
        self.backend.run("status", lambda backend: messages.StatusReady(backend.status()))
