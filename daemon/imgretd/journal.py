"""Logging with fields to the systemd journal if stderr is connected to it, else plain lines on stderr.

Pass fields as `log.info("...", extra={"fields": {"ROOT": path}})`: the journal stores each under `IMGRET_ROOT`
(`journalctl --user IMGRET_ROOT=...`); a plain line ends with them.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Mapping

from imgret.terminal.clean import clean

_JOURNAL = "/run/systemd/journal/socket"
_LONGEST = 32 << 10  # bytes of one value, because a datagram must fit into the socket's buffer


def set_up(
    level: int = logging.INFO, *, plain: bool = False, environ: Mapping[str, str] = os.environ
) -> None:
    """Configure logging of this process: to the journal if stderr is connected to it and not `plain`, else stderr."""
    handler: logging.Handler
    if not plain and _stderr_is_journal(environ):
        handler = JournalHandler(_JOURNAL)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def entry(record: logging.LogRecord) -> bytes:
    """Encode a record in the journal's native protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL."""
    message = record.getMessage()
    if record.exc_info:
        message += "\n" + logging.Formatter().formatException(record.exc_info)
    values = {
        "MESSAGE": message,
        "PRIORITY": str(_priority(record.levelno)),
        "SYSLOG_IDENTIFIER": "imgretd",
        "LOGGER": record.name,
        "THREAD_NAME": record.threadName or "",
        **{f"IMGRET_{name}": value for name, value in _fields(record).items()},
    }
    lines = []
    for name, value in values.items():
        data = value.encode("utf-8", "surrogateescape")[:_LONGEST]
        # The form for any value: its length (little-endian, 64 bits) instead of an equals sign.
        lines.append(name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n")
    return b"".join(lines)


class JournalHandler(logging.Handler):
    """Writes each record as one datagram."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; it is lost while the journal restarts."""
        try:
            self._socket.sendto(entry(record), self._path)
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


class PlainFormatter(logging.Formatter):
    """Formats a record as one sanitized line with the fields at its end. A traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line like `12:00:00 INFO Message  root=/photos`, and the lines of a traceback."""
        fields = "".join(f"  {name.lower()}={clean(value)}" for name, value in _fields(record).items())
        whole, trace = super().format(record), record.exc_text or ""
        message = whole.removesuffix(trace).rstrip("\n")
        return clean(message) + fields + "".join(f"\n    {clean(line)}" for line in trace.splitlines())


def _fields(record: logging.LogRecord) -> dict[str, str]:
    given: dict[str, object] = getattr(record, "fields", {})
    return {
        name: os.fsdecode(value) if isinstance(value, bytes) else str(value) for name, value in given.items()
    }


def _priority(level: int) -> int:
    """Convert a level of Python to one of syslog: 3 error, 4 warning, 6 info, 7 debug."""
    bounds = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
    return next((number for bound, number in bounds if level >= bound), 7)


def _stderr_is_journal(environ: Mapping[str, str]) -> bool:
    try:
        stderr = os.fstat(2)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{stderr.st_dev}:{stderr.st_ino}" and os.path.exists(_JOURNAL)
