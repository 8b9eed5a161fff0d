"""`imgret eval` with the tiny models: they find the drawings, and a killed run can be continued."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from evaluating import evaluate, laid_out, rows, value

from imgret.demo.bundled import MODELS
from imgret.evaluate.saved import load


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return laid_out(tmp_path_factory.mktemp("flickr"))


@pytest.fixture
def tiny(private_places):
    """Write a configuration that uses the bundled checkpoints."""
    config = private_places / "config" / "imgret"
    config.mkdir()
    stages = {
        "image": "image",
        "caption": "caption",
        "detect": "detect.pt",
        "topics": "topics",
        "embed": "embed",
    }
    tables = [f'[{stage}]\nweights = "{os.path.join(MODELS, name)}"\n' for stage, name in stages.items()]
    (config / "config.toml").write_text(
        'device = "cpu"\n[place]\nweights = "none"\n[ocr]\nweights = "none"\n' + "".join(tables)
    )


@pytest.mark.must_run
@pytest.mark.usefixtures("tiny")
def test_the_tiny_models_find_the_drawings_and_each_recipe_improves(drawn, tmp_path):
    store, save = tmp_path / "eval.db", tmp_path / "run.json"
    found = rows(
        evaluate("flickr8k", "--images", drawn / "Images", "--index", store, "--save", save, "--json")
    )
    texts = ("vector", "words", "hybrid", "bm25")
    assert set(found) == {
        *((recipe, rank) for recipe in ("detect", "caption") for rank in texts),
        ("image", "image"),
        *((recipe, rank) for recipe in ("both", "all") for rank in ("image", *texts)),
    }
    assert len({value(found[recipe, "image"], "MRR") for recipe in ("image", "both", "all")}) == 1
    assert value(found["both", "vector"], "R@1") >= 0.9
    assert value(found["both", "hybrid"], "R@1") >= 0.9
    for measure in ("R@1", "MRR", "nDCG@10"):
        detect, caption, both = (value(found[r, "vector"], measure) for r in ("detect", "caption", "both"))
        assert detect <= caption <= both
    assert found["both", "vector"]["published"]["R@1"] == 0.432
    assert {"image", "caption", "detect", "topics", "embed"} == set(found["both", "vector"]["models"])
    assert {"detect", "embed"} == set(found["detect", "vector"]["models"])
    assert load(str(save)).queries[0].text

    made = stamps(store)
    options = ("--rank", "words", "--index", store, "--json")
    again = rows(evaluate("flickr8k", "--images", drawn / "Images", *options))
    assert all(row["measures"] == found[name]["measures"] for name, row in again.items())
    assert stamps(store) == made  # nothing was described or embedded a second time


def stamps(store):
    """Return every result in the base index and in the indexes of the recipes, with its row id."""
    found = {}
    for end in ("", ".detect", ".caption", ".both"):
        path = f"{str(store).removesuffix('.db')}{end}.db"
        with sqlite3.connect(path) as db:
            found[end] = db.execute(
                "SELECT content, stage, model, payload, made_at FROM stage_result"
            ).fetchall()
        db.close()
        assert found[end]
    return found


@pytest.mark.usefixtures("tiny")
def test_a_killed_evaluation_is_continued(drawn, tmp_path):
    store = tmp_path / "eval.db"
    arguments = ["flickr8k", "--images", str(drawn / "Images"), "--index", str(store)]
    arguments += ["--recipe", "caption", "--rank", "words"]
    process = subprocess.Popen(
        [sys.executable, "-m", "imgret", "eval", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 90
    while not (before := captions(store)) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert before
    assert json.loads(evaluate(*arguments, "--json").stdout)["photos"] == 24
    after = captions(store)
    assert len(after) == 24
    assert before.items() <= after.items()


def captions(store):
    """Return the caption and its time for each content in the base index."""
    if not store.exists():
        return {}
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        try:
            rows = db.execute("SELECT content, payload, made_at FROM stage_result WHERE stage = 'caption'")
            return {content: rest for content, *rest in rows}
        except sqlite3.OperationalError:  # its tables do not exist yet
            return {}
