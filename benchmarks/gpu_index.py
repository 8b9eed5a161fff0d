"""`imgret index` over real files: photos per second, and memory of the GPU and of all processes over time.

    python -m benchmarks.gpu_index [--photos 10000] [--models tiny exact] [--device cuda:0] [--seconds 120]

The command itself runs, with its defaults; only the weights and the device are configured. Each file is another photo of 640
x 480 pixels. After `--seconds` the command is interrupted, as with ctrl-C: it saves the batch in flight. A line is printed every
few seconds. `flat` compares the resident memory at the end with that after a third of the photos.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from msgspec import Struct, structs, to_builtins

from benchmarks.describe.measure import picture
from imgret.config import Settings
from testbed.home import Home

_STAGES = ("image", "caption", "detect", "topics", "embed")
_EVERY = 5.0  # seconds between two lines


class Seen(Struct, frozen=True):
    """The state of the run at one moment."""

    seconds: float
    embedded: int  # photos whose image is embedded: without a GPU this is a pass of its own before the others
    described: int  # completely
    rss_mb: int  # of all processes together; pages that they share count in each
    gpu_mb: int | None  # used on the GPU by all programs


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.gpu_index", description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--models", nargs="+", choices=["tiny", "exact"], default=["tiny", "exact"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seconds", type=float, default=600.0, help="time limit of each command")
    parser.add_argument("--weights", help="keep the exact checkpoints (4 GB) in this folder for the next run")
    parser.add_argument("--json", action="store_true", help="one JSON object for each models on stdout")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        began = time.monotonic()
        write(str(photos), options.photos)
        _print_line(f"{options.photos} files written in {time.monotonic() - began:.0f} s")
        weights = options.weights or os.path.join(folder, "weights")
        for models in options.models:
            config = _configuration(models, options.device, weights)
            with Home(config, _made(Path(folder) / models)) as home:
                code, seen = _indexed(home, photos, options.seconds)
            failed = failed or code not in (0, 130)
            report = _report(models, code, seen)
            _print_line(f"{models} models: {report}")
            if options.json:
                print(json.dumps({**report, "over_time": to_builtins(seen)}), flush=True)
    return int(failed)


def write(folder: str, count: int) -> None:
    """Write `count` different JPEGs, with all processors."""
    parts = [range(first, min(first + 100, count)) for first in range(0, count, 100)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(_write, [folder] * len(parts), parts))


def _write(folder: str, numbers: Sequence[int]) -> None:
    for number in numbers:
        picture(number).save(os.path.join(folder, f"{number}.jpg"), quality=90)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _configuration(models: str, device: str, weights: str) -> str:
    """Return the configuration as TOML: the weights of all stages, and the length of captions."""
    from imgret.demo.bundled import demo_settings

    if models == "tiny":
        settings = demo_settings(Settings())
    else:
        from benchmarks.describe import checkpoints

        os.makedirs(weights, exist_ok=True)
        settings = checkpoints.with_image(weights, checkpoints.exact(weights, Settings()))
    lines = [f'device = "{device}"']
    for stage in _STAGES:
        table = settings.of(stage)
        lines += [f"[{stage}]", f'weights = "{table.weights}"']
        if stage == "caption":
            lines.append(f"max_tokens = {table.max_tokens}")
    return "\n".join([*lines, '[place]\nweights = "none"', '[ocr]\nweights = "none"', ""])


def _indexed(home: Home, photos: Path, seconds: float) -> tuple[int, list[Seen]]:
    """Run `imgret index`. Return its exit code, and what was seen while it ran."""
    command = [sys.executable, "-m", "imgret", "index", str(photos)]
    environ = {name: value for name, value in home.environ.items() if name != "OMP_NUM_THREADS"}
    began, seen = time.monotonic(), []
    with (home.path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_EVERY)
                break
            now = Seen(time.monotonic() - began, *_done(home), _rss(process.pid) >> 20, _gpu_mb())
            seen.append(structs.replace(now, seconds=round(now.seconds, 1)))
            _print_line(f"    {seen[-1]}")
            if now.seconds > seconds:
                process.send_signal(signal.SIGINT)
                process.wait(60)
    end = round(time.monotonic() - began, 1)
    if process.returncode not in (0, 130):
        _print_line((home.path / "log").read_text(errors="replace")[-2000:])
    last = seen[-1] if seen else Seen(0.0, 0, 0, 0, None)
    embedded, described = _done(home)
    return process.returncode, [
        *seen,
        structs.replace(last, seconds=end, embedded=embedded, described=described),
    ]


def _report(models: str, code: int, seen: Sequence[Seen]) -> dict[str, Any]:
    """Return the figures of a run. The rate does not count the time before the first photos were described."""
    last = seen[-1]
    first = next((each for each in seen if each.described), last)
    rate = (
        (last.described - first.described) / (last.seconds - first.seconds)
        if last.seconds > first.seconds
        else None
    )
    third = next((each for each in seen if each.described and each.described * 3 >= last.described), None)
    return {
        "models": models,
        "exit": code,
        "photos": last.described,
        "seconds": last.seconds,
        "per_second": round(last.described / last.seconds, 1),
        "per_second_after_start": round(rate, 1) if rate is not None else None,
        "peak_rss_mb": max(each.rss_mb for each in seen),
        "flat": round(last.rss_mb / third.rss_mb, 2) if third is not None and third.rss_mb else None,
        "peak_gpu_mb": max((each.gpu_mb for each in seen if each.gpu_mb is not None), default=None),
    }


def _done(home: Home) -> tuple[int, int]:
    """Return how many photos have their image embedded, and how many are described completely."""
    if not os.path.exists(home.places.index):
        return 0, 0
    with home.index() as store:
        return store.summary.progress().done("image"), store.summary.totals().described


def _rss(pid: int) -> int:
    """Return the resident bytes of a process and of all its descendants; 0 for those that have ended."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            own = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
    except (OSError, IndexError):
        return 0
    return own + sum(_rss(int(child)) for child in children)


def _gpu_mb() -> int | None:
    """Return the used megabytes of the first GPU, by nvidia-smi; None without one."""
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        output = subprocess.run(query, capture_output=True, text=True, check=True, timeout=10).stdout
        return int(output.split()[0])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def _print_line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
