"""Idle threads that computed once must not slow down the thread that computes."""

from __future__ import annotations

import os
import subprocess
import sys

COUNTED = """
import os, threading
from imgret.config import places
from imgret.demo.bundled import demo_settings
from imgret.pipeline.loading import load_models

def helpers():
    return len(os.listdir("/proc/self/task"))

os.environ["OMP_NUM_THREADS"] = "2"
models = load_models(demo_settings(), places())
began = helpers()  # numpy's and torch's own among them
import torch
assert torch.get_num_threads() == 2
models["topics"].classifier.topics(["a red circle"])
models["embed"].embedder.embed([("", "a red circle")] * 3)
assert helpers() == began, (began, helpers())
torch.ones(2000, 2000) @ torch.ones(2000, 2000)
torch.ones(4_000_000).exp()
print(helpers() - began)
"""


def test_loading_models_and_queries_leave_no_openmp_threads(tmp_path):
    """The kernel counts the threads. Threads that torch leaves on its own show that the count works."""
    ended = subprocess.run(
        [sys.executable, "-c", COUNTED],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "1"
