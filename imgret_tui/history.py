"""The questions asked before: a small private file, newest last, each once."""

from __future__ import annotations

import contextlib
import os

MOST = 200


class History:
    """Recent questions. Reading and writing never fail: a lost history costs nothing but itself."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._questions = self._read()
        self._at: int | None = None  # while going back through them

    def add(self, question: str) -> None:
        """Remember a question that led somewhere."""
        question = " ".join(question.split())
        self._at = None
        if not question:
            return
        # Another window may have written meanwhile.
        known = [other for other in self._read() if other != question]
        self._questions = [*known[1 - MOST :], question]
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            temporary = f"{self._path}.{os.getpid()}"
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
                file.write("".join(f"{known}\n" for known in self._questions))
            os.replace(temporary, self._path)

    def earlier(self) -> str | None:
        """The question before the one shown last; None at the beginning."""
        at = len(self._questions) if self._at is None else self._at
        if at == 0:
            return None
        self._at = at - 1
        return self._questions[self._at]

    @property
    def is_shown(self) -> bool:
        """Whether a question of before stands in the input, unchanged."""
        return self._at is not None

    def leave(self) -> None:
        """Begin at the newest next time."""
        self._at = None

    def _read(self) -> list[str]:
        try:
            with open(self._path, encoding="utf-8", errors="replace") as file:
                return [line for line in file.read().splitlines() if line.strip()][-MOST:]
        except OSError:
            return []
