"""The describe benchmark runs, and the descriptions of the pipeline equal those of the baseline loop."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_benchmark_compares_with_the_baseline_loop():
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
        [*command, "--photos", "6", "--baseline-photos", "3"], capture_output=True, text=True, check=True
    )
    figures = json.loads(run.stdout)["tiny fp32"]
    assert figures["identical"] == 1.0
    assert figures["agreement"]["vectors"] > 0.99999
    assert figures["ratio"] > 0
    assert figures["decoded"]["photos"] == 6
