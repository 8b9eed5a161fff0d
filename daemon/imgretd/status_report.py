"""The daemon's part of `imgret status`: what each of its threads is doing and what it cannot do."""

from __future__ import annotations

import os
from typing import Any

from imgret import __version__
from imgretd.loaded_models import LoadedModels
from imgretd.threads import Threads

_MOST_TROUBLED = 100  # messages about folders


def status_report(threads: Threads, warm: LoadedModels) -> dict[str, Any]:
    """Return the state of the daemon as the JSON of the `status` method. Called in the event loop."""
    return {
        "version": __version__,
        "pid": os.getpid(),
        **threads.state.as_json(),
        "paused": bool(threads.paused),
        "dirty": not threads.reconciler.idle,
        "loaded": warm.loaded,
        "unwatched": threads.folders.unwatched,
        "unwatchable": threads.folders.unwatchable,
        "troubled": threads.reconciler.troubled[:_MOST_TROUBLED],
        "silent": [os.fsdecode(disk) for disk in threads.folders.silent],
        "watching": len(threads.folders),
    }
