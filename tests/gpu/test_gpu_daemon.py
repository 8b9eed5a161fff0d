"""The daemon waits while another process fills the GPU, reports it, and continues afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest
from imgretd.scheduling import GPU_SHORT
from waiting import until

from testbed.home import Home, tiny_models

pytestmark = pytest.mark.gpu

FILLER = """
import sys, torch
device, left, held, page, part = sys.argv[1], int(sys.argv[2]), [], 2 << 20, 1 << 40
while part >= page and (excess := torch.cuda.mem_get_info(device)[0] - left) >= page:
    part = min(part, excess - excess % page)
    try:
        held.append(torch.empty(part, dtype=torch.uint8, device=device))
    except torch.OutOfMemoryError:
        part //= 2
print("full", flush=True)
sys.stdin.read()
"""
PHOTOS = 7
PATIENCE = 120  # seconds: the daemon looks again after 30


@pytest.fixture
def home(device, tmp_path):
    (tmp_path / "h").mkdir()  # short: the path of a socket has 107 bytes
    return Home(tiny_models(device), tmp_path / "h")


@contextlib.contextmanager
def full_gpu(device, left):
    """Another process leaves `left` bytes of the GPU's memory."""
    command = [sys.executable, "-c", FILLER, device, str(left)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "full\n"
        try:
            yield
        finally:
            process.stdin.close()


def copy(paths, home):
    for path in paths:
        shutil.copy(os.fsdecode(path), home.photos)


def figures(home):
    """The photos that are described, that wait and that failed, as `imgret status` counts them."""
    fields = json.loads(home.imgret("status", "--json").stdout)
    return fields["described"], fields["pending"], fields["failed"]


def test_photos_are_described_on_the_device(home, drawings):
    copy(drawings[:PHOTOS], home)
    with home.daemon() as daemon:
        daemon.wait_until_idle(PATIENCE)
        assert figures(home) == (PHOTOS, 0, 0)
    assert "Traceback" not in daemon.log(), daemon.log()


def test_it_waits_while_another_program_fills_the_gpu(cuda, home, drawings):
    copy(drawings[:2], home)
    with home.daemon() as daemon:
        daemon.wait_until_idle(PATIENCE)
        with full_gpu(cuda, 200 << 20):
            copy(drawings[2:PHOTOS], home)
            until(lambda: daemon.request("status")["state"] == GPU_SHORT, PATIENCE)
            assert GPU_SHORT.encode() in home.imgret("status").stdout
        daemon.wait_until_idle(PATIENCE)
        assert figures(home) == (PHOTOS, 0, 0)
    assert "Traceback" not in daemon.log(), daemon.log()


def test_a_gpu_that_is_full_from_the_start_is_a_problem_and_not_a_failure(cuda, home, drawings):
    copy(drawings[:PHOTOS], home)
    with full_gpu(cuda, 64 << 20), home.daemon() as daemon:
        until(
            lambda: "GPU" in (daemon.request("status")["problem"] or daemon.request("status")["state"]),
            PATIENCE,
        )
        assert b"GPU" in home.imgret("status").stdout
        assert figures(home)[2] == 0
    with home.daemon() as daemon:
        daemon.wait_until_idle(PATIENCE)
        assert figures(home) == (PHOTOS, 0, 0)
    assert "Traceback" not in daemon.log(), daemon.log()
