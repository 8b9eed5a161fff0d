"""The units under a real systemd, booted in namespaces: see boot.sh for how, as_a_user.py for what is tried."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


@pytest.mark.systemd
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_users_systemd_starts_activates_and_restarts_the_daemon(tmp_path):
    if os.geteuid() != 0 or not shutil.which("unshare") or not os.path.exists("/lib/systemd/systemd"):
        pytest.skip("booting a systemd needs root, unshare and systemd")
    overlay, out = tmp_path / "overlay", tmp_path / "out"
    overlay.mkdir()
    out.mkdir()
    out.chmod(0o777)
    checkout = HERE.parents[1]
    (out / "tried").write_text(f"cd {checkout} && exec {sys.executable} {HERE / 'as_a_user.py'}\n")
    namespaces = ["unshare", "-m", "-p", "-f", "-C", "-u", "-i", "-n", "--kill-child"]
    with (out / "boot").open("w") as boot_log:
        booted = subprocess.Popen(
            [*namespaces, "sh", str(HERE / "boot.sh"), str(overlay), str(out)],
            stdin=subprocess.DEVNULL,
            stdout=boot_log,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + 420
        while not (out / "code").exists() and booted.poll() is None and time.monotonic() < end:
            time.sleep(0.5)
    finally:
        booted.kill()
        booted.wait()
    logs = "".join((out / name).read_text() for name in ("boot", "said") if (out / name).exists())
    assert (out / "code").exists(), f"it did not come to an end:\n{logs}"
    assert (out / "code").read_text() == "0\n", logs
