"""`imgret index` while a daemon is running: pass the folders to it, wait, and report the result."""

from __future__ import annotations

import os
import time
from typing import Any

from imgret import disk_calls
from imgret.cli import console
from imgret.cli.daemon_link import daemon_state
from imgret.cli.index_report import (
    SHOWN_PROBLEMS,
    UP_TO_DATE,
    failed_below,
    failed_message,
    report_missing_weights,
    report_unread,
)
from imgret.cli.progress import Advance, bar
from imgret.cli.session import Session
from imgret.client.socket_client import Connection, NoDaemon
from imgret.disk_calls import NotResponding
from imgret.errors import DaemonError, Exit
from imgret.store.interface import Store

POLL_SECONDS = 0.2  # between two checks of the daemon's progress


def index_by_daemon(here: Session, wanted: list[bytes]) -> int | None:
    """Have the daemon index the folders, and report the result.

    Return the exit code, or None if no daemon serves this index.
    """
    if daemon_state(here) is None:
        return None
    there = [path for path in wanted if _is_there(path)]
    if not there:
        return int(Exit.NO_HITS)
    try:
        daemon = Connection(here.places.socket)
    except NoDaemon:  # it has ended meanwhile
        return None
    try:
        with daemon, bar("The daemon") as advance:
            state = _wait_for_daemon(here, daemon, there, advance)
    except KeyboardInterrupt:
        console.message("no longer waiting; the daemon continues")
        return int(Exit.INTERRUPTED)
    with here.index() as store:
        failed = failed_below(store, there)
        if not state["waits_for"]:
            report_missing_weights(here, store)
        report_unread(store)
    for path, reason in state["offline"].items():
        console.message(f"{path} is offline: {reason}. Its photos stay searchable.")
    errors = [failure.error for failure in failed]
    problems = [problem for problem in state["problems"] if problem not in errors]
    console.messages((problems + errors)[:SHOWN_PROBLEMS])
    if len(problems + errors) > SHOWN_PROBLEMS:
        console.message("... `imgret status` lists them all")
    console.messages(state["broken"])
    if state["waits_for"] or state["problem"]:
        return _report_blocked(state)
    wrong = bool(problems or failed or state["offline"] or state["broken"] or len(there) < len(wanted))
    console.message(
        failed_message(len(failed)) if failed else "everything else is done" if wrong else UP_TO_DATE
    )
    return int(Exit.NO_HITS if wrong else Exit.OK)


class _Request:
    """The photos of these folders that are due now. Photos and notes that come later are not waited for."""

    def __init__(self, store: Store, wanted: list[bytes], waiting: frozenset[str]) -> None:
        self._store = store
        self._wanted = wanted
        self._number = store.work.request(wanted, waiting)
        self._contents = store.work.requested_below(wanted, waiting)
        self._elsewhere = len(self._contents) - store.work.left_of(self._number, waiting)

    def left(self, waiting: frozenset[str]) -> int:
        """Return how many of the photos are still to be described.

        Some may belong to smaller requests, or to one that was made later and has taken them over. To find them takes
        long in a large library, so they are counted again only when nothing else is left.
        """
        own = self._store.work.left_of(self._number, waiting)
        if not own:
            self._contents &= self._store.work.requested_below(self._wanted, waiting)
            self._elsewhere = len(self._contents)
        return own + max(0, self._elsewhere)


def _is_there(path: bytes) -> bool:
    """Return whether the folder exists and responds; report why not."""
    try:
        if disk_calls.call(path, lambda: os.path.isdir(path)):
            return True
        why = "does not exist"
    except NotResponding:
        why = "does not respond: its disk or network share hangs"
    console.message(f"{console.shown(path)} {why}. Its photos stay searchable.")
    return False


def _report_blocked(state: dict[str, Any]) -> int:
    """Report why the daemon does not continue, and return the exit code."""
    left = f"; {console.counted(state['pending'], 'photo')} left" if state["pending"] else ""
    if state["waits_for"] == "paused":
        console.message(f"the daemon is paused{left}: run `imgret resume`")
    elif state["waits_for"]:
        console.message(f"the daemon waits: {state['waits_for']}{left}; it continues automatically")
        return int(Exit.NO_HITS if left else Exit.OK)
    else:
        console.message(f"the daemon cannot continue: {state['problem']}{left}")
        return int(Exit.INDEX)
    return int(Exit.NO_HITS)


def _wait_for_daemon(
    here: Session, daemon: Connection, wanted: list[bytes], advance: Advance
) -> dict[str, Any]:
    """Have the daemon scan folders and describe their photos, and wait until it is done.

    Return the last result of the method `looked` (`imgretd.methods`), and `pending`: the number of photos of these
    folders that are left, which is above 0 only if the daemon waits or has a problem. Raises NoDaemon if it has ended.
    """
    job = daemon.request("index", {"paths": [os.fsdecode(path) for path in wanted]}).get("job")
    if job is None:
        raise DaemonError("the daemon is older than this command", "Restart the daemon.")
    console.message(f"passed to the daemon: {', '.join(console.shown(path) for path in wanted)}")
    request: _Request | None = None  # of the photos that were due when the scan was complete
    most = 0
    with here.index() as store:
        while True:
            looked: dict[str, Any] = daemon.request("looked", {"job": job})
            began = time.monotonic()
            waiting = store.summary.waiting_stages()
            if request is None and not looked["looking"] and not looked["waits_for"]:
                request = _Request(store, wanted, waiting)
            if request is None:
                left = len(store.summary.pending_below(wanted, waiting))
            else:
                left = request.left(waiting)
            most = max(most, left)
            advance(most - left, most or None, "scanning folders" if request is None else "")
            if (request is not None and not left) or looked["waits_for"] or looked["problem"]:
                return {**looked, "pending": left}
            time.sleep(max(POLL_SECONDS, 5 * (time.monotonic() - began)))
