"""One tree of errors. Each class carries its exit code, and says what to do about it.

A message names what happened and to which file or key; `hint` says what to do. Nothing below the
command line prints or exits: it raises one of these, and `imgret.cli` turns it into two lines on
stderr and an exit code. Messages may hold text from files, so they are cleaned where they are shown.
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command: one table, shown by `--help`."""

    OK = 0
    NO_HITS = 1
    USAGE = 2
    INDEX = 3
    DAEMON = 4
    INTERRUPTED = 130


EXIT_MEANING = {
    Exit.OK: "hits, or the work is done",
    Exit.NO_HITS: "no hits, or some photos could not be described",
    Exit.USAGE: "a wrong option, question or configuration",
    Exit.INDEX: "the index, a disk or the weights",
    Exit.DAEMON: "the daemon",
    Exit.INTERRUPTED: "interrupted (ctrl-C)",
}


class ImgretError(Exception):
    """The root: `str(error)` says what happened, `error.hint` what to do about it."""

    exit_code = Exit.INDEX
    hint = ""

    def __init__(self, message: str, hint: str = "") -> None:
        # The full stop is set where sentences are put together: "{error}. {hint}" never has two.
        super().__init__(message if message.endswith("..") else message.removesuffix("."))
        if hint:
            self.hint = hint

    @property
    def advice(self) -> str:
        """What happened and what to do, in one line without its last full stop."""
        return f"{self}. {self.hint}".rstrip(" .")


class UsageError(ImgretError):
    """The command line asks for something that makes no sense."""

    exit_code = Exit.USAGE


class QueryError(UsageError):
    """The question cannot be read; `position` is where, in characters from its start."""

    def __init__(self, message: str, hint: str = "", position: int = 0) -> None:
        super().__init__(message, hint)
        self.position = position


class ConfigError(ImgretError):
    """The configuration file cannot be used; the message names the file, the line and the key."""

    exit_code = Exit.USAGE


class IndexProblem(ImgretError):
    """The index file cannot be opened, read or written."""


class IndexTooNew(IndexProblem):
    """The index was written by a later imgret than this one."""

    hint = "Install that version of imgret, or name another index with IMGRET_INDEX."


class IndexBusy(IndexProblem):
    """Another process holds the writer's lock for longer than we were told to wait."""

    hint = "Wait for it, or stop it; `imgret status` says who writes."


class DiskFull(IndexProblem):
    """The disk that holds the index has no room left; what was committed is safe."""

    hint = "Make room on that disk and run the same command again: it goes on where it stopped."


class ReadOnly(IndexProblem):
    """The index lies on a disk or in a folder that cannot be written."""

    hint = "Make it writable, or name another place with IMGRET_INDEX."


class IndexReplaced(IndexProblem):
    """The file at the index's path is another one than the one that was opened, or is no longer there."""

    hint = "Run the same command again: it goes on with the file that lies there now."


class WeightsError(ImgretError):
    """Weights cannot be had, or are not those of the record."""


class WeightsMissing(WeightsError):
    """The weights of a stage are not on this disk yet: the stage is skipped and stays queued."""

    hint = "Run `imgret models pull`."


class HubUnreachable(WeightsError):
    """The model hub did not answer, or we were told not to ask it."""

    hint = (
        "Check the network, HF_ENDPOINT and HF_HUB_OFFLINE, then run `imgret models pull` again: it resumes."
    )


class PhotoError(ImgretError):
    """One file cannot be described. It costs that file alone; `transient` says whether a retry may help."""

    exit_code = Exit.NO_HITS

    def __init__(self, message: str, hint: str = "", *, transient: bool = False) -> None:
        super().__init__(message, hint)
        self.transient = transient


class FileChanged(PhotoError):
    """Other bytes lie at the path than those that were hashed, or none: this says nothing of the photo."""


class DaemonError(ImgretError):
    """The daemon cannot be reached or answered with an error."""

    exit_code = Exit.DAEMON
