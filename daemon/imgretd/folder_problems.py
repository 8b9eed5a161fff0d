"""The folders and files that cannot be read, each reported once and listed until it can be. Not thread-safe."""

from __future__ import annotations

from collections.abc import Collection

from imgret.intake import SyncResult
from imgretd.dirty import is_in


class FolderProblems:
    """Messages by watched folder, and by the folder in it that they are about."""

    def __init__(self) -> None:
        self._known: dict[bytes, dict[bytes, list[str]]] = {}
        self._away: dict[bytes, str] = {}  # watched folders that are offline, and why

    def messages(self) -> list[str]:
        """Return all current problems."""
        return [text for each in self._known.values() for texts in each.values() for text in texts]

    def keep_only(self, watched: Collection[bytes]) -> None:
        """Forget the problems of folders that are no longer watched."""
        self._known = {path: each for path, each in self._known.items() if path in watched}
        self._away = {path: reason for path, reason in self._away.items() if path in watched}

    def update(self, path: bytes, found: SyncResult, folders: Collection[bytes], *, recursive: bool) -> bool:
        """Record the result of a pass over `folders` of the watched folder `path`. Returns whether to report it.

        Problems that were reported by an earlier pass are removed from `found.problems`.
        """
        known = self._known.setdefault(path, {})
        before = {text for texts in known.values() for text in texts}
        if found.offline is None:
            for folder in list(known):
                if folder in folders or (recursive and any(not f or is_in(folder, f) for f in folders)):
                    del known[folder]
            known.update(found.folder_problems)
        found.problems = [text for text in found.problems if text not in before]
        was_away = self._away.pop(path, None)
        if found.offline is not None:
            self._away[path] = found.offline
        return found.offline is None or found.offline != was_away
