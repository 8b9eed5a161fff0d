"""Models are loaded once, shared, and given back; who asks goes before who describes."""

import threading
import time

import numpy as np
import pytest
from imgretd.warm import Turns, Warm

from imgret.config import Settings, parse, places
from imgret.demo.bundled import demo_settings
from imgret.describe.loading import identities, load_models
from imgret.photo import Stage

WORDLLAMA = """
[caption]
weights = "none"
[detect]
weights = "none"
[topics]
weights = "none"
[embed]
weights = "wordllama"
"""


def test_who_is_in_a_hurry_goes_first():
    turns, order = Turns(), []

    def patient(name):
        with turns.patient():
            order.append(name)

    def hurried(name):
        with turns.hurried():
            order.append(name)

    with turns.patient():
        threads = [threading.Thread(target=patient, args=(f"p{i}",)) for i in range(3)]
        threads += [threading.Thread(target=hurried, args=(f"h{i}",)) for i in range(3)]
        for thread in threads:
            thread.start()
            time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert {name[0] for name in order[:3]} == {"h"}
    assert sorted(order) == ["h0", "h1", "h2", "p0", "p1", "p2"]


def test_turns_are_never_shared_and_are_given_back_after_an_error():
    turns, inside, most = Turns(), 0, 0

    def take(way):
        nonlocal inside, most
        for _ in range(50):
            with getattr(turns, way)():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=take, args=(way,)) for way in ("patient", "hurried") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    with pytest.raises(ValueError, match="x"), turns.hurried():
        raise ValueError("x")
    with turns.patient():
        pass


@pytest.fixture
def settings() -> Settings:
    return parse(WORDLLAMA)


def test_questions_and_describing_share_one_embedder(settings):
    loads = []

    def load(settings, places, stages):
        loads.append(frozenset(stages))
        return load_models(settings, places, stages)

    warm = Warm(settings, places(), load)
    assert warm.loaded == []
    asker = warm.asker(identities(settings, places())[Stage.EMBED])
    models = warm.models(Stage)
    pairs = [("", f"text {number}") for number in range(40)]
    assert np.array_equal(models.embed.embed(pairs)[7], asker.vectors(["text 7"])[0])
    assert models.embed.embed([]).shape == (0, models.embed.dimension)
    assert warm.asker(asker.identity) is asker
    assert warm.loaded == ["embed"]
    assert not warm.unload_heavy()  # there is no heavy one in this configuration
    assert warm.loaded == ["embed"]
    assert sum(Stage.EMBED in stages for stages in loads) == 1
    warm.close()
    assert warm.loaded == []


def test_many_threads_may_ask_at_once(settings):
    warm = Warm(settings, places(), load_models)
    wanted = identities(settings, places())[Stage.EMBED]
    found = []

    def ask(number):
        found.append((number, warm.asker(wanted).vectors([f"text {number % 5}"])[0]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = warm.asker(wanted).vectors([f"text {number}" for number in range(5)])
    assert len(found) == 20
    assert all(np.array_equal(vector, again[number % 5]) for number, vector in found)
    warm.close()


def test_only_what_is_due_is_loaded_and_only_the_heavy_is_given_back():
    settings = demo_settings(Settings())
    warm = Warm(settings, places(), load_models)
    warm.models({Stage.EMBED})
    assert warm.loaded == ["embed", "topics"]
    warm.models({Stage.CAPTION, Stage.EMBED})
    assert warm.loaded == ["caption", "embed", "topics"]
    models = warm.models(Stage)
    assert models.stages() == set(Stage)
    assert models.missing == {}
    assert warm.unload_heavy()
    assert warm.loaded == ["embed", "topics"]
    warm.close()
