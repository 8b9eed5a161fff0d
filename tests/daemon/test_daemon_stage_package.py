"""The daemon runs a stage of another package, and serves its results to clients without the package."""

from __future__ import annotations

import json

import pytest
from PIL import Image
from stage_packages import install
from waiting import until

from testbed.home import WORDLLAMA, Home


@pytest.mark.must_run
def test_a_stage_of_a_package_is_run_and_searched_over_the_socket(tmp_path):
    site = tmp_path / "site"
    install(site)
    home = Home(WORDLLAMA, folder=tmp_path)
    client = dict(home.environ)
    home.environ["PYTHONPATH"] = str(site)
    for name, colour in (("1.png", (230, 20, 20)), ("2.png", (20, 20, 230)), ("3.png", (200, 75, 75))):
        Image.new("RGB", (64, 48), colour).save(home.photos / name)
    with home.daemon() as daemon:
        until(lambda: len(home.indexed()) == 3)
        daemon.wait_until_idle()
        home.environ = client  # the command finds no package
        done = home.imgret("query", "--json", "colour:red")
        (hit,) = map(json.loads, done.stdout.splitlines())
        assert (hit["path"], hit["colour"]) == (str(home.photos / "1.png"), ["red"])
        by_vector = home.imgret("query", "--json", "red").stdout.splitlines()
        assert [json.loads(line)["path"][-5:] for line in by_vector] == ["1.png", "3.png", "2.png"]
