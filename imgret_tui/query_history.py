"""The queries of earlier sessions: a small private file, one query a line, newest last, each once."""

from __future__ import annotations

from imgret_tui.private_file import save_lines

MAX_QUERIES = 200


class QueryHistory:
    """Recent queries. Reading and writing never raise: without the file there is just no history."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._queries = self._read()
        self._position: int | None = None  # while the user steps back through them

    def add(self, query: str) -> None:
        """Remember a query after which a photo was chosen."""
        query = " ".join(query.split())
        self._position = None
        if not query:
            return
        # Another picker may have written to the file meanwhile.
        others = [other for other in self._read() if other != query]
        self._queries = [*others[1 - MAX_QUERIES :], query]
        save_lines(self._path, self._queries)

    def previous(self) -> str | None:
        """Step back: the query before the one returned last. None at the beginning."""
        position = len(self._queries) if self._position is None else self._position
        if position == 0:
            return None
        self._position = position - 1
        return self._queries[self._position]

    @property
    def is_browsing(self) -> bool:
        """Whether the input has a query of the history, unchanged."""
        return self._position is not None

    def stop_browsing(self) -> None:
        """Let the next `previous` begin at the newest query."""
        self._position = None

    def _read(self) -> list[str]:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return [line for line in file.read().splitlines() if line.strip()][-MAX_QUERIES:]
        except OSError:
            return []
