"""What a user does with `imgret service`, inside a booted systemd; run by test_systemd.py. Fails by assert."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from testbed.home import WORDLLAMA
from testbed.small_pngs import write_picture

HOME = os.path.expanduser("~")
IMGRET = os.path.join(os.path.dirname(sys.executable), "imgret")


def run(*command, check=True):
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    print("$", *command, "->", ran.returncode, ran.stdout[-300:], ran.stderr[-600:], flush=True)
    assert not check or ran.returncode == 0
    return ran


def shown(what, unit="imgretd.service"):
    return run("systemctl", "--user", "show", unit, "-p", what, "--value").stdout.strip()


def found(name):
    lines = run(IMGRET, "query", "--json", "--rank", "words", name, check=False).stdout.splitlines()
    return [json.loads(line)["path"] for line in lines]


def until(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.2)


def main():
    pictures = os.path.join(HOME, "Pictures")
    os.makedirs(pictures)
    os.makedirs(os.path.join(HOME, ".config/imgret"))
    with open(os.path.join(HOME, ".config/imgret/config.toml"), "w") as config:
        config.write(f'folders = ["{pictures}"]\n{WORDLLAMA}')
    write_picture(f"{pictures}/giraffe.png", 1)
    until(lambda: os.path.exists("/run/user/1500/bus"))

    run(IMGRET, "service", "install")
    until(lambda: found("giraffe") == [f"{pictures}/giraffe.png"])
    assert shown("ActiveState") == "active"
    run(IMGRET, "service", "status")

    # The watchdog, shorter than it ships, so that a test can wait for it.
    override = os.path.join(HOME, ".config/systemd/user/imgretd.service.d")
    os.makedirs(override)
    with open(f"{override}/short.conf", "w") as file:
        file.write("[Service]\nWatchdogSec=4\n")
    run("systemctl", "--user", "daemon-reload")
    run("systemctl", "--user", "restart", "imgretd.service")

    # Hardened: the home is read-only to it, but for what it writes.
    pid = shown("MainPID")
    with open(f"/proc/{pid}/mountinfo") as file:
        mounts = {line.split()[4]: line.split()[5].split(",") for line in file}
    assert "ro" in mounts["/"], mounts
    assert "rw" in mounts[f"{HOME}/.local/share/imgret"]
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert int(status["CapBnd"], 16) == 0
    for namespace in ("net", "mnt", "user"):
        assert os.readlink(f"/proc/{pid}/ns/{namespace}") != os.readlink(f"/proc/self/ns/{namespace}")
    with open(f"/proc/{pid}/stat") as file:
        assert file.read().rsplit(") ")[1].split()[16] == "5"  # nice
    assert "TMPDIR=" in shown("Environment")
    assert os.stat(f"{HOME}/.cache/imgret").st_mode & 0o777 == 0o700

    # A photo in /tmp can be searched with.
    shutil.copy(f"{pictures}/giraffe.png", "/tmp/asked.png")
    done = run(IMGRET, "query", "--json", "--like", "/tmp/asked.png", check=False)
    assert "no longer there" not in done.stderr + done.stdout

    # Decoders confine themselves further, by the kernel's own means: the unit's filter lets them.
    with open(os.path.join(HOME, ".config/systemd/user/imgretd.service")) as file:
        lines = [
            line for line in file if not line.startswith(("Type=", "ExecStart=", "Restart=", "WatchdogSec="))
        ]
    marker = f"{HOME}/.cache/confined"
    code = f"from imgret.decode import pool as decode; open('{marker}', 'w').write(' '.join(decode.confinement()))"
    with open(os.path.join(HOME, ".config/systemd/user/confined.service"), "w") as file:
        for line in lines:
            file.write(line)
            if line == "[Service]\n":
                file.write(f'Type=oneshot\nExecStart={sys.executable} -c "{code}"\n')
    run("systemctl", "--user", "daemon-reload")
    run("systemctl", "--user", "start", "confined.service")
    with open(marker) as file:
        means = file.read()
    assert "seccomp" in means
    version = ctypes.CDLL(None).syscall(444, None, 0, 1)
    assert version < 1 or f"Landlock {version}" in means

    # What lands is found.
    write_picture(f"{pictures}/zebra.png", 2)
    until(lambda: found("zebra"))

    # Killed: a new process serves the next query.
    os.kill(int(pid), signal.SIGKILL)
    assert found("zebra") == [f"{pictures}/zebra.png"]
    until(lambda: shown("MainPID") not in (pid, "0"))
    assert shown("NRestarts") == "1"

    # Hung: no sign of life, so systemd starts it again.
    until(lambda: shown("ActiveState") == "active")
    pid = shown("MainPID")
    os.kill(int(pid), signal.SIGSTOP)
    until(lambda: shown("MainPID") not in (pid, "0") and shown("ActiveState") == "active")
    assert found("zebra") == [f"{pictures}/zebra.png"]
    assert int(shown("NRestarts")) >= 2

    # Working threads lower their priority further.
    def niceness():
        for task in os.scandir(f"/proc/{shown('MainPID')}/task"):
            with open(f"{task.path}/stat") as file:
                yield int(file.read().rsplit(") ")[1].split()[16])

    until(lambda: max(niceness()) >= 7)

    # Killed again and again, as by a photo that does: it goes on being started.
    for _ in range(6):
        until(lambda: shown("ActiveState") == "active")
        pid = shown("MainPID")
        os.kill(int(pid), signal.SIGKILL)
        until(lambda pid=pid: shown("MainPID") not in (pid, "0"))
    assert found("zebra") == [f"{pictures}/zebra.png"]

    # It reads its configuration again, and what breaks in it is in the journal.
    with open(os.path.join(HOME, ".config/imgret/config.toml"), "a") as config:
        config.write("broken\n")
    run("systemctl", "--user", "reload", "imgretd.service")
    until(lambda: "configuration stays" in run(IMGRET, "service", "logs", check=False).stdout)
    fields = run("journalctl", "--user", "-o", "json", f"IMGRET_FOLDER={pictures}", "--no-pager").stdout
    assert json.loads(fields.splitlines()[0])["SYSLOG_IDENTIFIER"] == "imgretd"
    with open(os.path.join(HOME, ".config/imgret/config.toml"), "w") as config:
        config.write(f'folders = ["{pictures}"]\n{WORDLLAMA}')

    # Stopped within 5 s; a query starts it again.
    began = time.monotonic()
    run("systemctl", "--user", "stop", "imgretd.service")
    assert time.monotonic() - began < 5
    assert shown("ActiveState") == "inactive"
    assert found("zebra") == [f"{pictures}/zebra.png"]
    assert shown("ActiveState") == "active"

    run(IMGRET, "service", "uninstall")
    assert shown("LoadState") == "not-found"
    assert not os.path.exists("/run/user/1500/imgretd.sock")
    assert found("zebra") == [f"{pictures}/zebra.png"]


main()
