"""After a storm the index equals the disk, path by path and hash by hash (see testbed/file_storms.py)."""

import random
import shutil
import subprocess
import sys

import pytest

from testbed.file_storms import CONDITIONS, STORMS, Source, run


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    for program in ("tar", "unzip", "rsync", "git"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    return Source(tmp_path_factory.mktemp("source"), files=400, folders=40)


@pytest.mark.parametrize(
    ("storm", "condition"),
    [
        ("tar", "stopped"),
        ("clone", "alone"),
        ("moves", "alone"),
        ("removals", "stopped"),
        ("mixture", "alone"),
    ],
)
def test_a_small_storm(source, storm, condition):
    assert run(source, storm, condition, seed=random.randrange(1000))[2] == []


def test_every_storm_and_condition_has_a_name():
    assert len(STORMS) * len(CONDITIONS) * 2 == 48


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_all_48_storms_of_20000_files():
    ran = subprocess.run([sys.executable, "-m", "benchmarks.storms"], capture_output=True, text=True)
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
