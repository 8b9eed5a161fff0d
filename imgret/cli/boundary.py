"""The edge of the process: the one place where an error becomes two lines and an exit code."""

from __future__ import annotations

import os
from collections.abc import Callable

from imgret.cli import render
from imgret.errors import Exit, ImgretError


def exit_code(work: Callable[[], int]) -> int:
    """Do `work` and hand its output to the reader. -> the exit code; nothing but a code leaves here."""
    os.umask(0o077)
    code = _guarded(work)
    lost = _guarded(_flushed)  # after an error too: what was found before it is the reader's
    return lost or code


def _flushed() -> int:
    render.flush()
    return 0


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except SystemExit as stop:
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except ImgretError as error:
        render.complain(error)
        return int(error.exit_code)
    except OSError as error:  # a disk, a permission, a limit that nothing below has put into words
        if isinstance(error, FileNotFoundError) and not error.filename:
            said = "the folder that this was called in is no longer there"
        else:
            where = render.shown(os.fsencode(error.filename)) if error.filename else "the system"
            said = f"{where}: {error.strerror or error}"
        render.complain(ImgretError(said))
        return int(Exit.INDEX)
