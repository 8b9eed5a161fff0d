"""What threads tell the app. Workers post these and never touch a widget."""

from __future__ import annotations

from textual.message import Message

from imgret.errors import ImgretError
from imgret.photo import Hit
from imgret_tui.library import Details, Failure, Folder, Found, State


class Answered(Message):
    """A question was answered, by words alone or finally."""

    def __init__(self, number: int, found: Found, *, final: bool) -> None:
        super().__init__()
        self.number = number  # of the question: older ones are stale
        self.found = found
        self.final = final


class Refused(Message):
    """A question could not be answered."""

    def __init__(self, number: int, error: ImgretError) -> None:
        super().__init__()
        self.number = number
        self.error = error


class Troubled(Message):
    """Something asked for beside the search failed."""

    def __init__(self, error: ImgretError) -> None:
        super().__init__()
        self.error = error


class Broke(Message):
    """A thread met an error that is none of ours: the program cannot go on as if nothing had happened."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class StateKnown(Message):
    """How things stand."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state


class DetailsKnown(Message):
    """More is known of a photo."""

    def __init__(self, path: bytes, details: Details) -> None:
        super().__init__()
        self.path = path
        self.details = details


class FoldersKnown(Message):
    """The folders and the failures."""

    def __init__(self, folders: tuple[Folder, ...], failures: tuple[Failure, ...]) -> None:
        super().__init__()
        self.folders = folders
        self.failures = failures


class Retried(Message):
    """The failures were queued again."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count


class NoteSaved(Message):
    """A note lies in the index."""

    def __init__(self, path: bytes, text: str) -> None:
        super().__init__()
        self.path = path
        self.text = text


class PictureReady(Message):
    """A picture was loaded (or could not be), and can be shown."""

    def __init__(self, path: bytes) -> None:
        super().__init__()
        self.path = path


class FileChanged(Message):
    """A photo on the screen is no longer the file that was loaded."""

    def __init__(self, path: bytes) -> None:
        super().__init__()
        self.path = path


class Listening(Message):
    """The search stands and has the focus."""


class HangUp(Message):
    """The terminal is gone."""


class Highlighted(Message):
    """The cursor stands on another photo, or on none."""

    def __init__(self, hit: Hit | None) -> None:
        super().__init__()
        self.hit = hit


class Chosen(Message):
    """Photos were chosen: the program ends with them."""

    def __init__(self, hits: tuple[Hit, ...]) -> None:
        super().__init__()
        self.hits = hits
