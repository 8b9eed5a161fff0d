"""An index on a disk that is full, read-only or failing: commands work as far as possible, or end with a sentence."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Library, draw, imgret, imgret_process

KILLED_WITH_A_NOTE = (
    "import os, sys\nfrom imgret.store.factory import open_store\n"
    "index = open_store(os.environ['IMGRET_INDEX'])\n"
    "photo = index.photos.find(os.fsencode({path!r}))\n"
    "with index.writing(durable=True):\n    index.results.write_note(photo.content, 'committed')\n"
    "os.kill(os.getpid(), 9)"
)


@pytest.fixture
def on_disk(
    empty: Library, mounted: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> tuple[Library, Path]:
    """A library of one photo whose index is on a disk of its own."""
    disk = mounted("size=16m,nr_inodes=40")
    monkeypatch.setenv("IMGRET_INDEX", str(disk / "index.db"))
    draw(empty.photos / "good.jpg", "red", "circle", "white")
    assert empty.index().code == 0
    return empty, disk


def fill(disk: Path, *, inodes: bool) -> None:
    try:
        for number in range(100):
            with open(disk / f"ballast{number}", "wb") as file:
                while not inodes:
                    file.write(bytes(4096))
                    file.flush()
    except OSError:
        pass


@pytest.mark.must_run
@pytest.mark.parametrize("inodes", [False, True], ids=["no room", "no inodes"])
def test_a_full_disk_allows_commands_that_only_read(on_disk: tuple[Library, Path], inodes: bool) -> None:
    library, disk = on_disk
    photo = library.photos / "good.jpg"
    fill(disk, inodes=inodes)
    # Processes, since a connection that is open has its side files already.
    assert imgret_process("query", "good").paths == [str(photo)]
    assert imgret_process("show", "--json", photo).objects[0]["state"] == "described"
    assert imgret_process("status", "--json").objects[0]["described"] == 1
    assert imgret_process("backup", library.home / "copy.db").code == 0
    for command in (["note", photo, "x" * 50_000], ["retry"], ["doctor", "--rebuild"]):
        done = imgret_process(*command)
        assert (done.code, "is full" in done.err, "Traceback" in done.err) == (3, True, False), done
    for ballast in disk.glob("ballast*"):
        ballast.unlink()
    assert imgret_process("note", photo, "room again").code == 0
    assert imgret_process("note", photo).out == b"room again\n"
    assert imgret("doctor").code == 0


@pytest.mark.must_run
def test_queries_at_once_on_a_full_disk_wait_for_each_other(on_disk: tuple[Library, Path]) -> None:
    _, disk = on_disk
    fill(disk, inodes=False)
    running = [
        subprocess.Popen([sys.executable, "-m", "imgret", "query", "good"], stdout=subprocess.PIPE)
        for _ in range(2)  # each waits 30 s for the others, which load a model in this time
    ]
    assert [process.communicate(timeout=120)[0].count(b"good.jpg") for process in running] == [1, 1]


@pytest.mark.must_run
def test_what_was_committed_before_a_kill_is_read_on_a_read_only_disk(on_disk: tuple[Library, Path]) -> None:
    library, disk = on_disk
    photo = library.photos / "good.jpg"
    assert imgret_process("status", before=KILLED_WITH_A_NOTE.format(path=str(photo))).code == -9
    assert (disk / "index.db-wal").stat().st_size > 0
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert imgret_process("note", photo).out == b"committed\n"
    assert imgret_process("query", "committed").paths == [str(photo)]
    assert imgret_process("backup", library.home / "copy.db").code == 0
    assert imgret_process("note", photo, "x").code == 3
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    (disk / "index.db-shm").unlink()  # as after a power cut, or a copy of two of the three files
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = imgret_process("note", photo)
    assert (done.code, "latest changes" in done.err) == (3, True), done
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert imgret_process("note", photo).out == b"committed\n"


def test_a_file_cut_short_under_a_process_is_a_sentence(library: Library) -> None:
    cut = (
        "import os\nfrom imgret.errors import IndexProblem\n"
        "from imgret.store.factory import open_store\nindex = open_store(os.environ['IMGRET_INDEX'])\n"
        "index.checkpoint()\nos.truncate(os.environ['IMGRET_INDEX'], 8192 * 3)\n"
        "try:\n    [index.results.payloads(content) for content in range(9)]\n    index.problems()\n"
        "except IndexProblem as error:\n    print(error, error.hint)\n    os._exit(7)"
    )
    done = imgret_process("status", before=cut)
    assert done.code == 7
    assert b"damaged" in done.out
    assert b"imgret restore" in done.out


@pytest.mark.parametrize("seed", range(6))
def test_damaged_pages_never_end_in_a_traceback(library: Library, seed: int) -> None:
    chosen = random.Random(seed)
    data = bytearray(library.database.read_bytes())
    for _ in range(12):
        page = chosen.randrange(1, len(data) // 8192)
        at = page * 8192 + chosen.choice([0, 100, 4000, 7000])
        data[at : at + 1000] = bytes(chosen.choice([0xFF, 0, 0x41, 0xC3]) for _ in range(1000))
    library.database.write_bytes(data)
    photo = library.photos / "IMG_1.jpg"
    for command in (
        ["query", "red circle"],
        ["query", "topic:sports has:note circle"],
        ["status", "--json"],
        ["show", photo],
        ["export"],
        ["note", photo, "x"],
        ["retry"],
        ["backup", library.home / "copy.db"],
        ["doctor"],
    ):
        done = imgret(*command)  # an exception of a foreign kind would come out here
        assert done.code in (0, 1, 2, 3), (command, done.err)


def test_restoring_as_the_hint_advises_works(library: Library, tmp_path: Path) -> None:
    photo = library.photos / "IMG_1.jpg"
    copy = tmp_path / "copy.db"
    assert imgret("note", photo, "before").code == 0
    assert imgret("backup", copy).code == 0
    assert imgret("note", photo, "after").code == 0
    library.database.write_bytes(library.database.read_bytes()[: 8192 * 5])
    done = imgret("query", "circle")
    assert (done.code, "imgret restore" in done.err) == (3, True)
    done = imgret("restore", copy)
    assert done.code == 0, done.err
    assert imgret("note", photo).out == b"before\n"
    assert imgret("doctor").code == 0
    assert imgret("restore", tmp_path / "none.db").code == 2
    shutil.copyfile(library.config, copy)
    done = imgret("restore", copy)
    assert (done.code, "is not a backup of an index" in done.err) == (3, True)
    assert imgret("note", photo).out == b"before\n"
    assert os.path.exists(copy)
