"""Small private files in which the picker remembers something."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable


def save_lines(path: str, lines: Iterable[str]) -> None:
    """Replace the file at `path`, with mode 0600. Errors are ignored: then the next picker remembers less."""
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(f"{line}\n" for line in lines)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
