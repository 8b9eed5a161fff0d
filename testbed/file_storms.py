"""Storms of file events: real programs change many files in a watched folder of a running imgretd.

After each storm every path and hash in the index is compared with the disk. The daemon is left alone, or
stopped by SIGSTOP during the storm so that the kernel's event queue overflows, or has to share the processor
with two busy processes.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from testbed.home import Daemon, Home
from testbed.index_check import differences
from testbed.small_pngs import picture

CONTENTS = 500  # different images; a storm changes mainly paths, and decoding is measured elsewhere
CONVERGE_SECONDS = 1200.0


class Source:
    """A tree of images, and the same tree as tar, zip and git repository, in a folder that is not watched."""

    def __init__(self, folder: Path, files: int, folders: int) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        pictures = [picture(number) for number in range(CONTENTS)]
        per_folder = max(1, files // folders)
        for number in range(folders):
            here = self.tree / f"year{number % 40}" / f"month{number % 12}" / f"day {number}"
            here.mkdir(parents=True)
            for name in range(per_folder):
                (here / f"IMG_{name:04d}.png").write_bytes(pictures[(number * 31 + name) % CONTENTS])
        self.tar = folder / "tree.tar"
        _run("tar", "-cf", self.tar, "-C", folder, "tree")
        self.zip = Path(shutil.make_archive(str(folder / "tree"), "zip", folder, "tree"))
        self.repository = folder / "repository"
        shutil.copytree(self.tree, self.repository)
        for arguments in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "."],
        ):
            _run("git", "-C", self.repository, *arguments)


def tar(source: Source, photos: Path, _rng: random.Random) -> None:
    """Unpack a tar."""
    _run("tar", "-xf", source.tar, "-C", photos)


def unzip(source: Source, photos: Path, _rng: random.Random) -> None:
    """Unpack a zip."""
    _run("unzip", "-q", source.zip, "-d", photos)


def rsync(source: Source, photos: Path, _rng: random.Random) -> None:
    """Copy with rsync, which writes hidden names and renames them."""
    _run("rsync", "-a", f"{source.tree}/", photos / "synced")


def clone(source: Source, photos: Path, _rng: random.Random) -> None:
    """Clone a repository: a hidden folder beside thousands of new ones."""
    _run("git", "clone", "-q", source.repository, photos / "cloned")


def nested(source: Source, photos: Path, rng: random.Random) -> None:
    """Create nested folders and immediately write a file to the deepest one."""
    for path in source.tree.rglob("*.png"):
        folder = photos / "/".join(str(rng.randrange(5)) for _ in range(5))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / f"{rng.randrange(10**9)}.png")


def moves(source: Source, photos: Path, rng: random.Random) -> None:
    """Move subtrees into, within and out of the folder."""
    outside = Path(tempfile.mkdtemp(dir=source.folder))
    _run("cp", "-r", source.tree, outside)
    (outside / "tree").rename(photos / "in")
    years = sorted((photos / "in").iterdir())
    rng.shuffle(years)
    for number, year in enumerate(years):
        if number % 3 == 0:
            year.rename(photos / f"moved {number}")
        elif number % 3 == 1:
            year.rename(outside / year.name)


def removals(source: Source, photos: Path, rng: random.Random) -> None:
    """Create and delete subtrees, and create some of them again with the same names."""
    tar(source, photos, rng)
    for year in sorted((photos / "tree").iterdir()):
        if rng.random() < 0.5:
            shutil.rmtree(year)
            if rng.random() < 0.5:
                shutil.copytree(source.tree / year.name, year)


def mixture(source: Source, photos: Path, rng: random.Random) -> None:
    """Combine several storms, two of them in parallel."""
    unpacking = subprocess.Popen(["tar", "-xf", source.tar, "-C", photos])
    moves(source, photos, rng)
    unpacking.wait()
    for path in list(photos.rglob("*.png"))[::7]:
        path.unlink()
    for path in list(photos.rglob("*.png"))[::11]:
        path.write_bytes(picture(rng.randrange(CONTENTS)))


STORMS: dict[str, Callable[[Source, Path, random.Random], None]] = {
    storm.__name__: storm for storm in (tar, unzip, rsync, clone, nested, moves, removals, mixture)
}


@contextlib.contextmanager
def alone(_daemon: Daemon) -> Iterator[None]:
    """Run nothing else."""
    yield


@contextlib.contextmanager
def stopped(daemon: Daemon) -> Iterator[None]:
    """Stop the daemon until the storm is over."""
    daemon.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        daemon.signal(signal.SIGCONT)


@contextlib.contextmanager
def hogs(_daemon: Daemon) -> Iterator[None]:
    """Run two processes that use all CPU time, until the index is exact."""
    eating = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        yield
    finally:
        for each in eating:
            each.kill()
            each.wait()


CONDITIONS = {condition.__name__: condition for condition in (alone, stopped, hogs)}


def run(source: Source, storm: str, condition: str, seed: int) -> tuple[float, float, list[str]]:
    """Run one storm. Return its seconds, the seconds after it until the index was exact, and the differences."""
    with Home() as home, home.daemon() as daemon:
        daemon.wait_until_idle()
        with CONDITIONS[condition](daemon):
            begin = time.monotonic()
            STORMS[storm](source, home.photos, random.Random(seed))
            end = time.monotonic()
            if condition == "hogs":
                wrong = _converged(daemon, home)
        if condition != "hogs":
            wrong = _converged(daemon, home)
        return end - begin, time.monotonic() - end, wrong


def _converged(daemon: Daemon, home: Home) -> list[str]:
    """Wait until the daemon reports that it is done, and return the differences between index and disk."""
    end, quiet = time.monotonic() + CONVERGE_SECONDS, 0
    while quiet < 3 and time.monotonic() < end:
        quiet = 0 if daemon.request("status")["dirty"] else quiet + 1
        time.sleep(0.15)
    return differences(home)


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
