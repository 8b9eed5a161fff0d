"""`imgret index` beside a daemon: hand the folders over, wait until they are done, and tell what came of it."""

from __future__ import annotations

import os
import time
from typing import Any

from imgret import disk_calls
from imgret.cli import console
from imgret.cli.daemon_link import daemon_state
from imgret.cli.index_report import SHOWN_PROBLEMS, UP_TO_DATE, failed_below, failed_words, tell_missing
from imgret.cli.progress import Advance, bar
from imgret.cli.session import Session
from imgret.client.socket_client import Connection
from imgret.disk_calls import NotAnswering
from imgret.errors import DaemonError, Exit

LOOK_SECONDS = 0.2  # between two looks at how far the daemon is


def handed_over(here: Session, wanted: list[bytes]) -> int | None:
    """Let the daemon do it, if one serves this index, and tell what came of it. -> the exit code."""
    if daemon_state(here) is None:
        return None
    there = [path for path in wanted if _is_there(path)]
    if not there:
        return int(Exit.NO_HITS)
    try:
        with bar("The daemon") as advance:
            looked = _followed(here, there, advance)
    except KeyboardInterrupt:
        console.say("no longer waiting; the daemon continues")
        return int(Exit.INTERRUPTED)
    if looked is None:
        return None
    with here.index() as store:
        failed = failed_below(store, there)
        if not looked["waits_for"]:
            tell_missing(here, store)
    for path, reason in looked["offline"].items():
        console.say(f"{path} is offline: {reason}. Its photos stay searchable.")
    errors = [failure.error for failure in failed]
    told = [problem for problem in looked["problems"] if problem not in errors]
    console.say_all((told + errors)[:SHOWN_PROBLEMS])
    if len(told + errors) > SHOWN_PROBLEMS:
        console.say("... `imgret status` lists them all")
    console.say_all(looked["broken"])
    if looked["waits_for"] or looked["problem"]:
        return _told_why_not(looked)
    wrong = bool(told or failed or looked["offline"] or looked["broken"] or len(there) < len(wanted))
    console.say(failed_words(len(failed)) if failed else "everything else is done" if wrong else UP_TO_DATE)
    return int(Exit.NO_HITS if wrong else Exit.OK)


def _is_there(path: bytes) -> bool:
    """Return whether the folder exists and responds; report why not."""
    try:
        if disk_calls.call(path, lambda: os.path.isdir(path)):
            return True
        why = "is not there"
    except NotAnswering:
        why = "does not respond: its disk or network share hangs"
    console.say(f"{console.shown(path)} {why}. Its photos stay searchable.")
    return False


def _told_why_not(looked: dict[str, Any]) -> int:
    """Say why the daemon does not go on. -> the exit code."""
    left = f"; {console.counted(looked['pending'], 'photo')} left" if looked["pending"] else ""
    if looked["waits_for"] == "paused":
        console.say(f"the daemon is paused and does nothing{left}: run `imgret resume`")
    elif looked["waits_for"]:
        console.say(f"the daemon waits: {looked['waits_for']}{left}; it continues by itself")
        return int(Exit.NO_HITS if left else Exit.OK)
    else:
        console.say(f"the daemon cannot go on: {looked['problem']}{left}")
        return int(Exit.INDEX)
    return int(Exit.NO_HITS)


def _followed(here: Session, wanted: list[bytes], advance: Advance) -> dict[str, Any] | None:
    """Let the daemon of this index look at folders and describe their photos, and wait until it has.

    -> what `looked` said last (`imgretd.methods`), and `pending`: how many photos of these folders are left,
    more than none only where the daemon waits or has a problem. None where no daemon serves this index.
    """

    if daemon_state(here) is None:
        return None
    with Connection(here.places.socket) as daemon:
        job = daemon.ask("index", {"paths": [os.fsdecode(path) for path in wanted]}).get("job")
        if job is None:
            raise DaemonError("the daemon is of an older version than this command", "Start it again.")
        console.say(f"handed to the daemon: {', '.join(console.shown(path) for path in wanted)}")
        left: set[int] | None = None  # of what was there when the folders had been looked at
        most = 0
        with here.index() as store:
            while True:
                looked: dict[str, Any] = daemon.ask("looked", {"job": job})
                began = time.monotonic()
                pending = store.summary.pending_below(wanted, store.summary.waiting_stages())
                if left is not None:
                    left &= pending
                elif not looked["looking"]:
                    left = pending
                shown = len(pending if left is None else left)
                most = max(most, shown)
                advance(most - shown, most or None, "looking at folders" if left is None else "")
                if left == set() or looked["waits_for"] or looked["problem"]:
                    return {**looked, "pending": shown}
                time.sleep(max(LOOK_SECONDS, 5 * (time.monotonic() - began)))
