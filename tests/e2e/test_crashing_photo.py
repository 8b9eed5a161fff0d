"""A photo that kills the process that describes it: real processes, the real pipeline, a detector that ends itself."""

from __future__ import annotations

import os
import subprocess
import sys

from command_line import Library, draw, imgret

from imgret.store import policy
from imgret.store.factory import open_store

DESCRIBES = """
import os, sys
import numpy as np
from imgret.config import load
from imgret.pipeline.models import Models
from imgret.store.factory import open_store
from imgret.ingest import Ingest
from imgret.stages import ModelIdentity, Result, StageModel

class Deadly(StageModel):
    identity = ModelIdentity("deadly", "1")
    def run(self, items):
        if any(int(item.pixels[0, 0, 0]) < 60 for item in items):  # a black ground
            os.kill(os.getpid(), 9)
        return [Result(()) for _ in items]

settings = load(sys.argv[2])
with open_store(sys.argv[1]) as index:
    index.work.recover()
    Ingest(index, settings, Models({"detect": Deadly()})).run()
"""


def test_its_neighbours_are_described_and_it_is_reported_and_can_be_retried(empty: Library) -> None:
    empty.config.write_text(
        'decode_workers = 1\n[metadata]\nweights = "none"\n[place]\nweights = "none"\n[ocr]\nweights = "none"\n[image]\nweights = "none"\n[caption]\nweights = "none"\n[topics]\nweights = "none"\n[embed]\nweights = "none"\n'
    )
    for number in range(8):
        draw(empty.photos / f"{number}.png", "blue", "circle", "white", seed=number)
    draw(empty.photos / "4-deadly.png", "blue", "circle", "black", seed=99)
    from imgret.cli.index_command import scan_folders
    from imgret.cli.session import session

    with open_store(str(empty.database)) as store:
        scan_folders(session(), store, [os.fsencode(empty.photos)])
    deaths = 0
    while True:
        command = [sys.executable, "-c", DESCRIBES, str(empty.database), str(empty.config)]
        done = subprocess.run(command, check=False, timeout=60, capture_output=True)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        deaths += 1
        assert deaths <= 1 + policy.MAX_ATTEMPTS
    status = empty.status()
    assert (status["described"], status["failed"]) == (8, 1)
    (failure,) = status["failures"]
    assert failure["path"].endswith("4-deadly.png")
    assert failure["reason"] == policy.CRASHED
    assert "1 photo to be tried again" in imgret("retry").err
    assert empty.status()["pending"] == 1
