"""A real imgretd with private files, for tests and benchmarks.

with Home() as home, home.daemon() as daemon:
    write_picture(home.photos / "a.png", 1)
    daemon.wait_until_idle()
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from imgret.client import socket_client
from imgret.config import Places, places
from imgret.errors import DaemonError
from imgret.store import paths
from imgret.store.sqlite.sqlite_store import SqliteStore

NO_MODELS = """
[image]
weights = "none"
[caption]
weights = "none"
[detect]
weights = "none"
[place]
weights = "none"
[ocr]
weights = "none"
[topics]
weights = "none"
[embed]
weights = "none"
"""
WORDLLAMA = NO_MODELS.replace('[embed]\nweights = "none"', '[embed]\nweights = "wordllama"')


def tiny_models(device: str = "cpu") -> str:
    """Return a configuration with the tiny checkpoints of `imgret.demo`."""
    from imgret.demo.bundled import demo_settings

    tables = demo_settings().tables
    return f'device = "{device}"\n' + "".join(
        f'[{name}]\nweights = "{table.weights}"\n' for name, table in tables.items()
    )


class Home:
    """A temporary home folder with configuration, index and a folder of photos. Deleted at the end."""

    def __init__(self, models: str = NO_MODELS, folder: Path | None = None) -> None:
        self._made = None if folder else tempfile.mkdtemp(prefix="imgret-")
        self.path = folder or Path(str(self._made))
        self.photos = self.path / "photos"
        self.photos.mkdir()
        self.environ = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(self.path), "HF_HUB_OFFLINE": "1"}
        for name in ("config", "data", "state", "cache"):
            self.environ[f"XDG_{name.upper()}_HOME"] = str(self.path / name)
        self.environ["XDG_RUNTIME_DIR"] = str(self.path / "run")
        (self.path / "run").mkdir(mode=0o700)
        for name in ("IMGRET_CONFIG", "IMGRET_INDEX", "IMGRET_SOCKET"):
            self.environ.pop(name, None)
        self.models = models
        self.configure([self.photos])

    @property
    def places(self) -> Places:
        """The paths of its files."""
        return places(self.environ)

    def configure(self, folders: list[Path], more: str = "") -> None:
        """Write the configuration. `more` is inserted before the tables of the models."""
        listed = ", ".join(f'"{folder}"' for folder in folders)
        config = Path(self.places.config)
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(f"folders = [{listed}]\n{more}\n{self.models}")

    def daemon(self) -> Daemon:
        """Return an imgretd for this home; `with` starts it."""
        return Daemon(self)

    def imgret(self, *arguments: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
        """Run the command `imgret` in this home. Return the finished process."""
        command = [sys.executable, "-m", "imgret", *arguments]
        return subprocess.run(command, env=self.environ, capture_output=True, check=False, **how)

    def index(self) -> SqliteStore:
        """Open its index."""
        return SqliteStore(self.places.index)

    def indexed(self) -> dict[bytes, bytes | None]:
        """Return the BLAKE3 of each photo in the index that is not deleted, by path."""
        with self.index() as store:
            rows = store.rows(
                "SELECT root.path, folder, name, hash FROM photo JOIN root ON root.id = photo.root"
                " LEFT JOIN content ON content.id = photo.content WHERE gone_at IS NULL"
            )
            return {paths.join(root, folder, name): hash_ for root, folder, name, hash_ in rows}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._made:
            shutil.rmtree(self._made, ignore_errors=True)


class Daemon:
    """A process of imgretd. Its log is in `home.path / "log"`."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait: float = 30.0) -> None:
        """Start the process, and wait until it responds."""
        self.spawn()
        end = time.monotonic() + wait
        while True:
            try:
                self.request("status")
                return
            except DaemonError:
                if time.monotonic() > end or self._ended():
                    raise RuntimeError(f"imgretd did not start: {self.log()}") from None
                time.sleep(0.02)

    def spawn(self) -> None:
        """Start the process without waiting."""
        with (self.home.path / "log").open("ab") as log:
            command = [sys.executable, "-m", "imgretd", "--foreground"]
            self.process = subprocess.Popen(
                command, env=self.home.environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def request(self, method: str, timeout: float = 60.0, **params: Any) -> Any:
        """Send one request over its socket and return the result."""
        return socket_client.request(self.home.places.socket, method, params, timeout)

    def wait_until_idle(self, timeout: float = 300.0) -> float:
        """Wait until two consecutive checks find it idle. Return the seconds waited."""
        begin, idle = time.monotonic(), 0
        while idle < 2:
            if time.monotonic() - begin > timeout:
                raise RuntimeError(
                    f"imgretd is not idle after {timeout} s: {self.request('status')}\n{self.log()}"
                )
            idle = idle + 1 if self.request("status")["state"] == "idle" else 0
            time.sleep(0.05 if idle == 0 else 0.2)
        return time.monotonic() - begin

    def log(self) -> str:
        """Return the text of its log."""
        path = self.home.path / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int:
        """The id of the process."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, timeout: float = 20.0) -> int:
        """Send SIGTERM, wait, and return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout)

    def kill(self) -> None:
        """Send SIGKILL and wait."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def memory_bytes(self) -> int:
        """Return the resident memory of the process and its children in bytes."""
        return sum(_field(pid, "VmRSS") * 1024 for pid in [self.pid, *_children(self.pid)])

    def own_bytes(self) -> int:
        """Return the anonymous resident memory in bytes: without pages of mapped files, which can be reclaimed."""
        return _field(self.pid, "RssAnon") * 1024

    def children(self) -> list[int]:
        """Return the ids of all child processes, at any depth."""
        return _children(self.pid)

    def cpu_seconds(self) -> float:
        """Return the user and system time used so far, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended():
            self.signal(signal.SIGCONT)
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # the process has ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):  # the thread has ended
                for child in (task / "children").read_text().split():
                    found += [int(child), *_children(int(child))]
    return found


def _field(pid: int, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), 0)
