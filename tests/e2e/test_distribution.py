"""The wheel and the Debian package, built and used as a new user would: in an environment that has nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"BUILD_PYTHON": sys.executable},
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build", reason="the extra imgret[dev] is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", ROOT, cwd=folder)
    (made,) = (folder / "dist").glob("*.whl")
    run(sys.executable, "-m", "twine", "check", "--strict", *(folder / "dist").iterdir(), cwd=folder)
    return made


def test_a_fresh_installation_of_the_wheel_works(wheel: Path, tmp_path: Path) -> None:
    assert "works" in run(PACKAGING / "smoke-test", wheel, cwd=tmp_path)


def test_the_debian_package_is_built_installed_used_and_removed(wheel: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("dpkg-deb") or not Path("/usr/bin/python3").exists():
        pytest.skip("needs root, and Debian or a system derived from it")
    run(PACKAGING / "debian" / "build", wheel, cwd=tmp_path)
    (package,) = (tmp_path / "dist").glob("*.deb")
    assert "works" in run(PACKAGING / "debian" / "test", package, cwd=tmp_path)
    assert not Path("/usr/lib/imgret").exists()
