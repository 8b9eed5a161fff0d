"""The benchmark of describing runs, and finds that the pipeline says what the seed's loop says."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_benchmark_compares_with_the_seeds_loop():
    command = [
        sys.executable,
        "-m",
        "benchmarks.describe",
        "--models",
        "tiny",
        "--device",
        "cpu",
        "--json",
        "--decoded",
    ]
    run = subprocess.run(
        [*command, "--photos", "6", "--seed-photos", "3"], capture_output=True, text=True, check=True
    )
    figures = json.loads(run.stdout)["tiny fp32"]
    assert figures["identical"] == 1.0
    assert figures["agreement"]["vectors"] > 0.99999
    assert figures["ratio"] > 0
    assert figures["decoded"]["photos"] == 6
