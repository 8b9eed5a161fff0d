"""Latency, output and memory of the picker: `python -m benchmarks.tui --photos 100000`.

Creates a library of that many captioned photos without vectors (the picker first shows the results by words), and runs
the picker in a simulated terminal that records its output. First paint and keys are timed from outside the process.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from imgret import stage_results
from imgret.photo import FileStat, ModelIdentity
from imgret.stages.interface import Result
from imgret.store.factory import open_store
from testbed.fake_terminal import FakeTerminal

WORDS = [
    "dog",
    "cat",
    "boat",
    "beach",
    "mountain",
    "child",
    "bicycle",
    "tree",
    "snow",
    "street",
    "red",
    "blue",
    "green",
    "old",
    "small",
    "two",
    "three",
]
WORDS += (
    "standing running holding table window train giraffe kitchen plate pizza field sky water night".split(" ")  # noqa: SIM905
)
NO_MODELS = "".join(
    f'[{stage}]\nweights = "none"\n'
    for stage in ("place", "image", "caption", "detect", "ocr", "topics", "embed")
)
HIT = "●".encode()  # shows the strength of a hit
UP, DOWN, RIGHT, PAGE_DOWN, GRID = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[6~", "\x0f"
KEYS = 64
REAL = 1000  # photos that exist as files; the others are only in the index


def main() -> None:
    """Create the library, measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=100_000)
    count = parser.parse_args().photos
    with tempfile.TemporaryDirectory(prefix="imgret-tui-") as folder:
        environ = library(Path(folder), count)
        print(f"library: {count} photos, {REAL} of them files")
        first_paint(environ)
        keys(environ, count)
        cursor_moves(environ)
        sixels(environ)
        memory(environ)


def library(folder: Path, count: int) -> dict[str, str]:
    """Create an index of `count` captioned photos. Return an environment that uses it."""
    rng = random.Random(0)
    pictures = folder / "photos"
    pictures.mkdir()
    for number in range(REAL):
        pixels = np.full((120, 160, 3), [number % 251, number * 7 % 251, number * 31 % 251], np.uint8)
        Image.fromarray(pixels).save(pictures / f"real_{number:04d}.jpg")
    (folder / "config.toml").write_text(NO_MODELS)
    author = ModelIdentity("benchmark", "1")
    with open_store(str(folder / "index.db")) as store:
        root = store.roots.add(os.fsencode(pictures))
        for start in range(0, count, 5000):
            with store.writing():
                for number in range(start, min(start + 5000, count)):
                    name = f"real_{number:04d}.jpg" if number < REAL else f"row_{number:06d}.jpg"
                    stamp = FileStat(1000, number, number, number)
                    content, _ = store.photos.save(
                        root.id, b"", name.encode(), stamp, number.to_bytes(32, "big"), 1
                    )
                    caption = " ".join(rng.choices(WORDS, k=12)) + (" needle" if number < REAL else "")
                    stage_results.save(store, content, "caption", author, Result((caption,)))
                    store.results.refresh_words(content)
    places = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "STATE", "DATA", "CONFIG")}
    run = folder / "run"
    run.mkdir(mode=0o700)
    return {
        **os.environ,
        **places,
        "XDG_RUNTIME_DIR": str(run),
        "IMGRET_CONFIG": str(folder / "config.toml"),
        "IMGRET_INDEX": str(folder / "index.db"),
        "OMP_NUM_THREADS": "1",
    }


def started(environ: dict[str, str], query: str, kind: str = "kitty") -> FakeTerminal:
    """Start the picker with a query in a simulated terminal, as a list whatever layout it had last."""
    Path(environ["XDG_STATE_HOME"], "imgret", "picker-layout").unlink(missing_ok=True)
    return FakeTerminal([sys.executable, "-m", "imgret_tui", query], environ=environ, kind=kind)


def until(terminal: FakeTerminal, holds: Callable[[], bool], seconds: float = 60.0) -> float:
    """Wait until `holds()` is true, checking every 2 ms. Return the milliseconds waited."""
    begin = time.perf_counter()
    while not holds():
        terminal.pump(0.002)
        if time.perf_counter() - begin > seconds:
            raise RuntimeError(f"the condition is still false after {seconds} s: {terminal.text()[-400:]!r}")
    return (time.perf_counter() - begin) * 1000


def first_paint(environ: dict[str, str]) -> None:
    """Measure the time from the start of the process to the first complete screen, and to the first hits."""
    paints, hits, processor = [], [], []
    for _ in range(7):
        begin = time.perf_counter()
        with started(environ, "needle") as terminal:
            until(terminal, lambda: b" print" in terminal.output)
            paints.append((time.perf_counter() - begin) * 1000)
            processor.append(processor_time(terminal.process.pid))
            until(terminal, lambda: HIT in terminal.output)
            hits.append((time.perf_counter() - begin) * 1000)
    report("first paint", paints, "ms", 500)
    report("  CPU time", processor, "ms", None)
    report("first hits", hits, "ms", None)


def keys(environ: dict[str, str], count: int) -> None:
    """Measure the time from the last key of a query to its hits on the screen, for common and rare words."""
    times, processor = [], []
    rng = random.Random(1)
    queries = [
        "needle night",
        "snow water",
        *(" ".join(rng.sample(WORDS, rng.choice((1, 1, 2)))) for _ in range(KEYS - 2)),
    ]
    with started(environ, "needle") as terminal:
        until(terminal, lambda: HIT in terminal.output)
        terminal.until_quiet(1.5)
        for query in queries:
            terminal.type("\x15")  # ctrl+u clears the query
            terminal.until_quiet(0.4)
            terminal.type(query[:-1])
            terminal.until_quiet(0.4)
            here, spent = len(terminal.output), processor_time(terminal.process.pid)
            terminal.type(query[-1])
            highlighted = query.split()[-1].encode()
            times.append(until(terminal, lambda: highlighted in terminal.text(here)[40:]))  # noqa: B023
            processor.append(processor_time(terminal.process.pid) - spent)
    report(f"key to painted hits, {count} photos, {len(times)} keys", times, "ms", 100)
    report("  CPU time", processor, "ms", None)


def cursor_moves(environ: dict[str, str]) -> None:
    """Measure the time from a key to its output and the bytes written for one cursor move, with all images loaded."""
    with started(environ, "needle") as terminal:
        until(terminal, lambda: b"\x1b_Ga=p," in terminal.output)
        terminal.until_quiet(1.5)
        times: list[float] = []
        for number in range(KEYS):
            here = len(terminal.output)
            terminal.type(UP if number % 2 else DOWN)  # after two moves, both previews are loaded
            times.append(until(terminal, lambda: len(terminal.output) > here))  # noqa: B023
            terminal.until_quiet(0.1)
        report("key to output of a move, list", times[4:], "ms", 20)
        report("bytes per move, list", moved(terminal, DOWN, 8), "B", 8192)
        terminal.type(GRID)
        terminal.until_quiet(2)
        report("bytes per move, grid", moved(terminal, RIGHT, 4), "B", 8192)
        report("bytes per page, grid", moved(terminal, PAGE_DOWN, 4), "B", None)


def sixels(environ: dict[str, str]) -> None:
    """Measure moves and pages in xterm, where all thumbnails of a page are one sixel."""
    with started(environ, "needle", kind="sixel") as terminal:
        until(terminal, lambda: len(terminal.sixels()) >= 2)  # the page and the preview
        terminal.until_quiet(1.5)
        report("bytes per move, list, sixel", moved(terminal, DOWN, 16), "B", None)
        terminal.type(GRID)
        terminal.until_quiet(2)
        report("bytes per move, grid, sixel", moved(terminal, RIGHT, 4), "B", 8192)
        times, sizes = [], []
        for _ in range(6):
            here, spent = len(terminal.output), processor_time(terminal.process.pid)
            terminal.type(PAGE_DOWN)
            until(terminal, lambda: bool(terminal.sixels(here)))  # noqa: B023
            terminal.until_quiet(1)
            times.append(processor_time(terminal.process.pid) - spent)
            sizes.append(float(len(terminal.sixels(here)[-1])))
        report("CPU time of a page, grid, sixel", times, "ms", None)
        report("bytes of its sixel", sizes, "B", None)


def moved(terminal: FakeTerminal, key: str, times: int) -> list[float]:
    """Return the bytes written after each press of a key until the output is quiet."""
    sizes = []
    for _ in range(times):
        here = len(terminal.output)
        terminal.type(key)
        terminal.until_quiet(0.8)
        sizes.append(float(len(terminal.output) - here))
    return sizes


def memory(environ: dict[str, str]) -> None:
    """Measure the resident memory after all of the thousand real photos were on the screen."""
    with started(environ, "needle") as terminal:
        until(terminal, lambda: HIT in terminal.output)
        terminal.until_quiet(1)
        before = resident(terminal.process.pid)
        terminal.type(GRID)
        terminal.until_quiet(2)
        last = time.perf_counter()
        while terminal.sent < REAL and time.perf_counter() - last < 10:
            sent = terminal.sent
            terminal.type(PAGE_DOWN)
            terminal.pump(0.3)
            if terminal.sent > sent:
                last = time.perf_counter()
        print(f"memory: {before:.0f} MB with the first hits, {resident(terminal.process.pid):.0f} MB after"
              f" {terminal.sent} thumbnails (goal 120 MB)")  # fmt: skip


def processor_time(pid: int) -> float:
    """Return the CPU time of a process in milliseconds, which depends little on other load."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def report(what: str, figures: list[float], unit: str, goal: float | None) -> None:
    """Print the median, the 95th percentile if there are 20 or more figures, and the maximum."""
    aim = f" (goal {goal:.0f})" if goal else ""
    many = len(figures) >= 20
    p95 = f", p95 {statistics.quantiles(figures, n=20)[-1]:.0f}" if many else ""
    print(
        f"{what}: median {statistics.median(figures):.0f} {unit}{p95}, maximum {max(figures):.0f}{aim}",
        flush=True,
    )


if __name__ == "__main__":
    main()
