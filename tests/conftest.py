"""Shared by all tests: private folders, no network, and the rules for skipped and repeated tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

if TYPE_CHECKING:
    from postgres_server import PostgresServer

# tests are imported by path (importlib mode), so the folder of their shared helpers is added here
sys.path.insert(0, str(Path(__file__).parent))

# A shell lets what it starts in the background ignore SIGINT, and so would every program that a test starts.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["YOLO_OFFLINE"] = "True"

# Hypothesis fails an example that takes 200 ms, and drawing that takes a second: on a busy machine, any test may.
hypothesis.settings.register_profile(
    "busy machine",
    hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("busy machine")

SECOND_TRIES = 10  # tests, at most, that CI may run a second time

SEED = Path(__file__).resolve().parents[2] / "shared" / "seed"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--forbid-skipped-must-run",
        action="store_true",
        help="fail when a test marked must_run was skipped",
    )
    parser.addoption(
        "--second-tries",
        action="store_true",
        help="run a failed test once more if it is marked second_try; -rR lists each use",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only a marked test gets a second try, only where retries are enabled, and only a few tests are marked."""
    marked = [item for item in items if item.get_closest_marker("second_try")]
    functions = {item.nodeid.partition("[")[0] for item in marked}
    if len(functions) > SECOND_TRIES:
        raise pytest.UsageError(
            f"{len(functions)} tests are marked second_try; at most {SECOND_TRIES} may be"
        )
    for item in marked:
        marker = item.get_closest_marker("second_try")
        if marker is None or not marker.kwargs.get("reason"):
            raise pytest.UsageError(f"{item.nodeid} is marked second_try without a reason")
        if config.getoption("--second-tries"):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    strict = item.config.getoption("--forbid-skipped-must-run")
    if strict and report.skipped and item.get_closest_marker("must_run"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} may not be skipped, and was: {report.longrepr}"


@pytest.fixture(scope="session")
def seed() -> Path:
    """The published data of the research prototype, where a checkout has it beside it."""
    if not SEED.is_dir():
        pytest.skip("the prototype's published data do not lie beside this checkout")
    return SEED


@pytest.fixture(autouse=True)
def private_places(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own configuration, index, state and socket; the user's are never touched."""
    home = tmp_path_factory.mktemp("home")
    for variable, folder in (
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_RUNTIME_DIR", "run"),
    ):
        (home / folder).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(home / folder))
    monkeypatch.setenv("HOME", str(home))
    for variable in ("IMGRET_CONFIG", "IMGRET_INDEX", "IMGRET_SOCKET"):
        monkeypatch.delenv(variable, raising=False)
    return home


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, which ends with the tests."""
    from postgres_server import PostgresServer

    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a tmpfs with the given options; skips where this user may not mount."""
    made: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(made)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no disk of its own: this user may not mount ({done.stderr.decode().strip()})")
        made.append(place)
        return place

    yield mount
    for place in made:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
