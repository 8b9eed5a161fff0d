"""The exception classes of imgret, each with an exit code and a hint.

A message names what happened and the file or key concerned; `hint` is advice on what to do. Library code never prints or
exits: it raises one of these errors, and `imgret.cli` prints two lines on stderr and exits with the error's
code. Messages may contain text from files, so they are sanitized where they are shown.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of all commands, as shown by `--help`."""

    OK = 0
    NO_HITS = 1
    USAGE = 2
    INDEX = 3
    DAEMON = 4
    INTERRUPTED = 130


EXIT_MEANING = {
    Exit.OK: "hits, or the work is done",
    Exit.NO_HITS: "no hits, or some photos could not be described",
    Exit.USAGE: "a wrong option, query or configuration",
    Exit.INDEX: "the index, a disk or the weights",
    Exit.DAEMON: "the daemon",
    Exit.INTERRUPTED: "interrupted (ctrl-C)",
}


class ImgretError(Exception):
    """The base class: `str(error)` is what happened, `error.hint` is what to do about it."""

    exit_code = Exit.INDEX
    hint = ""

    def __init__(self, message: str, hint: str = "") -> None:
        # Callers write "{error}. {hint}", so the message must not end with a full stop.
        super().__init__(message if message.endswith("..") else message.removesuffix("."))
        if hint:
            self.hint = hint

    @property
    def advice(self) -> str:
        """Return the message and the hint in one line, without the last full stop."""
        return f"{self}. {self.hint}".rstrip(" .")


class UsageError(ImgretError):
    """The arguments of a command are invalid."""

    exit_code = Exit.USAGE


class QueryError(UsageError):
    """A query cannot be parsed; `position` is the offset of the error, in characters."""

    def __init__(self, message: str, hint: str = "", position: int = 0) -> None:
        super().__init__(message, hint)
        self.position = position


class ConfigError(ImgretError):
    """The configuration file is invalid; the message names the file, the line and the key."""

    exit_code = Exit.USAGE


class IndexProblem(ImgretError):
    """The index file cannot be opened, read or written."""


class IndexMissing(IndexProblem):
    """There is no index at the place."""

    hint = "Run `imgret index FOLDER` first."


class IndexTooNew(IndexProblem):
    """The index was written by a newer version of imgret."""

    hint = "Install that version of imgret, or name another index with IMGRET_INDEX."


class IndexBusy(IndexProblem):
    """Another process held the writer lock for longer than the caller wanted to wait."""

    hint = "Wait for that process or stop it; `imgret status` shows which one it is."


class DiskFull(IndexProblem):
    """The disk of the index is full; committed data is safe."""

    hint = "Free some space on that disk and run the same command again. What was saved before is not lost."


class ReadOnly(IndexProblem):
    """The index is on a read-only disk or in a folder without write permission."""

    hint = "Make it writable, or name another place with IMGRET_INDEX."


class IndexReplaced(IndexProblem):
    """The index file was replaced or deleted after it was opened."""

    hint = "Run the same command again: it then uses the file that is there now."


class WeightsError(ImgretError):
    """Model weights are missing, or differ from the recorded ones."""


class WeightsMissing(WeightsError):
    """The weights of a stage were not downloaded yet: the stage is skipped and stays queued."""

    hint = "Run `imgret models pull`."


class HubUnreachable(WeightsError):
    """The model hub did not respond, or HF_HUB_OFFLINE forbids using it."""

    hint = (
        "Check the network, HF_ENDPOINT and HF_HUB_OFFLINE, then run `imgret models pull` again: it resumes."
    )


class PhotoError(ImgretError):
    """One file cannot be described; other files are not affected. `transient`: a retry may succeed."""

    exit_code = Exit.NO_HITS

    def __init__(self, message: str, hint: str = "", *, transient: bool = False) -> None:
        super().__init__(message, hint)
        self.transient = transient


class FileChanged(PhotoError):
    """The file was modified or deleted after it was hashed, so the error is not about the indexed photo."""


class DaemonError(ImgretError):
    """The daemon cannot be reached, or responded with an error."""

    exit_code = Exit.DAEMON
