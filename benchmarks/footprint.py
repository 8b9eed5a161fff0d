"""What a user pays: `python -m benchmarks.footprint`.

The size on disk of what each extra installs, by the files that the installed packages list, and the memory of a process that
describes a photo with tiny models, so that almost all of it belongs to the libraries. torch for CUDA brings packages that torch
for CPUs does not have; they are counted apart. The part of torch itself that is for CUDA is counted by its libraries, on disk and
in memory, with what they allocate when they are loaded.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NETWORK = ROOT.parent / "shared" / "seed" / "weights" / "yolov8n_int8.onnx"
SETS = {
    "search alone": [],
    "detection (ONNX) and text in photos": ["onnx", "ocr"],
    "describe, and detection (ONNX)": ["describe", "onnx"],
    "describe, and detection (.pt)": ["describe", "detect"],
    "all": ["all"],
}
_CUDA = ("nvidia-", "cuda-", "triton")  # packages that torch for CPUs does not need
_CUDA_LIBRARIES = ("cuda", "nvshmem", "cupti", "nvrtc")  # in the names of libraries of torch
_LOAD = """
import sys
import numpy as np
from imgret.config import places
from imgret.demo.bundled import demo_settings
from imgret.pipeline.loading import load_models
from imgret.stages import Item
from imgret.stages.detect import DetectSettings
from imgret.stages.ocr import OcrSettings
settings = demo_settings()
if sys.argv[1]:
    settings = settings.with_tables(detect=DetectSettings(weights=sys.argv[1]), ocr=OcrSettings())
stages = sys.argv[2:]
models = load_models(settings, places(), stages)
item = Item(np.zeros((480, 640, 3), np.uint8), {"caption": ("a dog",)})
for stage in stages:
    if stage in models:
        models[stage].run([item])
    else:
        print(models.missing[stage], file=sys.stderr)
whole, cuda, _ = resident()
print(whole, cuda, "torch" in sys.modules)
"""
# kB of a process: all, those of files for CUDA, and those of no file.
_RESIDENT = """
def resident():
    whole = cuda = own = 0
    for line in open("/proc/self/smaps"):
        first, *rest = line.split()
        if not first.endswith(":"):
            name = rest[4] if len(rest) > 4 else ""
        elif first == "Rss:":
            whole += int(rest[0])
            cuda += int(rest[0]) * any(part in name for part in ("/nvidia/", "/triton/", "cuda"))
            own += int(rest[0]) * (name in ("", "[heap]"))
    return whole, cuda, own
"""
# What the library for CUDA allocates when it is loaded: tables of its kernels, which torch for CPUs does not have.
_CUDA_TABLES = """
import ctypes, importlib.util, os
libraries = os.path.join(os.path.dirname(importlib.util.find_spec("torch").origin), "lib")
ctypes.CDLL(os.path.join(libraries, "libtorch_cpu.so"), ctypes.RTLD_GLOBAL)
before = resident()[2]
try:
    ctypes.CDLL(os.path.join(libraries, "libtorch_cuda.so"), ctypes.RTLD_GLOBAL)
except OSError:
    pass
print(resident()[2] - before)
"""


def main() -> None:
    """Print both tables."""
    print(f"{'installation':<38} {'on disk':>9} {'with torch for CPUs':>20}")
    for name, extras in SETS.items():
        packages = _closure([Requirement(f"imgret[{','.join(extras)}]" if extras else "imgret")])
        sizes = {package: _size(package) for package in packages}
        whole = sum(sizes.values())
        cuda = sum(size for package, size in sizes.items() if package.startswith(_CUDA))
        if "torch" in packages:
            cuda += _size("torch", _CUDA_LIBRARIES)
        print(f"{name:<38} {whole / 1e6:>6.0f} MB {(whole - cuda) / 1e6:>17.0f} MB")
    print(
        f"\n{'a process that has described one photo':<55} {'resident':>9} {'without libraries for CUDA':>27}"
    )
    tables = int(_run(_RESIDENT + _CUDA_TABLES))
    tiny = {"image": ["image"], "all but detection and text": ["image", "caption", "topics", "embed"]}
    tiny["all, detection by ultralytics"] = ["image", "caption", "detect", "topics", "embed"]
    _memory("no model", [], tables)
    if NETWORK.exists():
        _memory("detection by onnxruntime", ["detect"], tables, str(NETWORK))
        _memory("... and text in photos, which has its own process", ["detect", "ocr"], tables, str(NETWORK))
    for name, stages in tiny.items():
        _memory(name, stages, tables)


def _run(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _memory(name: str, stages: list[str], tables: int, network: str = "") -> None:
    resident, for_cuda, has_torch = _run(_RESIDENT + _LOAD, network, *stages).split()
    whole, cuda = int(resident), int(for_cuda) + (tables if has_torch == "True" else 0)
    print(f"{name:<55} {whole / 1000:>6.0f} MB {(whole - cuda) / 1000:>24.0f} MB", flush=True)


def _closure(required: list[Requirement]) -> set[str]:
    """Return the packages that are installed with these, by this tree's pyproject.toml and the packages' metadata."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [(each, extra) for each in required for extra in ("", *each.extras)]
    while waiting:
        requirement, extra = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        found.add(name)
        for inner in _requires(name, extra):
            if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                waiting += [(inner, each) for each in ("", *inner.extras)]
    return found


def _requires(name: str, extra: str) -> list[Requirement]:
    if name == "imgret":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        return list(
            map(Requirement, project["optional-dependencies"][extra] if extra else project["dependencies"])
        )
    try:
        return list(map(Requirement, importlib.metadata.requires(name) or []))
    except importlib.metadata.PackageNotFoundError:
        print(f"{name} is not installed, and not counted", file=sys.stderr)
        return []


def _size(package: str, parts: tuple[str, ...] = ("",)) -> float:
    """Return the bytes of a package's files whose names have one of these parts."""
    if package == "imgret":
        return sum(file.stat().st_size for file in (ROOT / "imgret").rglob("*") if file.is_file())
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return 0
    paths = [file.locate() for file in files if any(part in file.name for part in parts)]
    return sum(os.lstat(path).st_size for path in map(str, paths) if os.path.lexists(path))


if __name__ == "__main__":
    main()
