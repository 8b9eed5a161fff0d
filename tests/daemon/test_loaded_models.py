"""Models are loaded once, shared, and unloaded; searches run before describing."""

import os
import threading
import time

import msgspec
import numpy as np
import pytest
from imgretd.loaded_models import LoadedModels
from imgretd.priority_lock import PriorityLock
from saving import STAGES

from imgret.config import Settings, parse, places
from imgret.demo.bundled import demo_settings
from imgret.ingest import Ingest
from imgret.pipeline.loading import identities, load_models
from imgret.stages.interface import Item, StageModel
from imgret.store.factory import open_store
from imgret.sync import add_root, sync
from testbed.small_pngs import write_picture

WORDLLAMA = """
[place]
weights = "none"
[ocr]
weights = "none"
[image]
weights = "none"
[caption]
weights = "none"
[detect]
weights = "none"
[topics]
weights = "none"
[embed]
weights = "wordllama"
"""


def test_priority_requests_run_first():
    lock, order = PriorityLock(), []

    def normal(name):
        with lock.normal():
            order.append(name)

    def urgent(name):
        with lock.urgent():
            order.append(name)

    with lock.normal():
        threads = [threading.Thread(target=normal, args=(f"n{i}",)) for i in range(3)]
        threads += [threading.Thread(target=urgent, args=(f"u{i}",)) for i in range(3)]
        for thread in threads:
            thread.start()
            time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert {name[0] for name in order[:3]} == {"u"}
    assert sorted(order) == ["n0", "n1", "n2", "u0", "u1", "u2"]


def test_the_lock_is_never_shared_and_is_released_after_an_error():
    lock, inside, most = PriorityLock(), 0, 0

    def take(way):
        nonlocal inside, most
        for _ in range(50):
            with getattr(lock, way)():
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=take, args=(way,)) for way in ("normal", "urgent") * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    with pytest.raises(ValueError, match="x"), lock.urgent():
        raise ValueError("x")
    with lock.normal():
        pass


@pytest.fixture
def settings() -> Settings:
    return parse(WORDLLAMA)


def test_searching_and_describing_share_one_embedder(settings):
    loads = []

    def load(settings, places, stages):
        loads.append(frozenset(stages))
        return load_models(settings, places, stages)

    warm = LoadedModels(settings, places(), load)
    assert warm.loaded == []
    encoder = warm.encoder("embed", identities(settings, places())["embed"])
    models = warm.models(STAGES)
    items = [Item(note=f"text {number}") for number in range(40)]
    made = models["embed"].run(items)[7].vectors["note"]
    assert np.array_equal(made, encoder.vectors(["text 7"])[0])
    assert models["embed"].run([]) == []
    assert models["embed"].dimension == len(made)
    assert warm.encoder("embed", encoder.identity) is encoder
    assert warm.loaded == ["embed"]
    assert not warm.unload_heavy()  # there is no heavy one in this configuration
    assert warm.loaded == ["embed"]
    assert sum("embed" in stages for stages in loads) == 1
    warm.close()
    assert warm.loaded == []


def test_many_threads_may_search_at_once(settings):
    warm = LoadedModels(settings, places(), load_models)
    wanted = identities(settings, places())["embed"]
    found = []

    def search(number):
        found.append((number, warm.encoder("embed", wanted).vectors([f"text {number % 5}"])[0]))

    threads = [threading.Thread(target=search, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = warm.encoder("embed", wanted).vectors([f"text {number}" for number in range(5)])
    assert len(found) == 20
    assert all(np.array_equal(vector, again[number % 5]) for number, vector in found)
    warm.close()


def test_only_what_is_due_is_loaded_and_only_the_heavy_is_given_back():
    settings = demo_settings(Settings())
    warm = LoadedModels(settings, places(), load_models)
    warm.models({"embed"})
    assert warm.loaded == ["embed", "topics"]
    warm.models({"caption", "embed"})
    assert warm.loaded == ["caption", "embed", "topics"]
    models = warm.models(STAGES)
    assert models.stages() == frozenset(STAGES)
    assert models.missing == {}
    assert warm.unload_heavy()
    assert warm.loaded == ["embed", "topics"]
    warm.close()


def test_a_photo_to_search_with_is_embedded_by_the_models_that_describe():
    settings = demo_settings(Settings())
    loads = []

    def load(settings, places, stages):
        loads.extend(stages)
        return load_models(settings, places, stages)

    warm = LoadedModels(settings, places(), load)
    pixels = np.full((48, 64, 3), 200, np.uint8)
    stages = {"caption", "detect"}
    expected = warm.models(stages)["caption"].run([Item(pixels)])
    answers, last_image_search = [], warm.last_image_search

    def search():
        loaded = warm.for_query_image(stages)
        loaded["detect"].run([Item(pixels)])
        answers.append(loaded["caption"].run([Item(pixels)]))

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 4
    assert sorted(loads) == ["caption", "detect"]
    assert warm.last_image_search > last_image_search
    loaded = warm.for_query_image(stages)
    assert warm.unload_heavy()
    assert warm.loaded == []
    assert loaded["caption"].run([Item(pixels)]) == expected  # it is loaded again
    warm.close()


def test_a_search_in_the_image_space_and_describing_have_models_of_their_own():
    settings = demo_settings(Settings())
    warm = LoadedModels(settings, places(), load_models)
    wanted = identities(settings, places())["image"]
    encoder = warm.encoder("image", wanted)
    (vector,) = encoder.vectors(["a red circle"])
    assert warm.loaded == []  # neither the image tower nor the text embedder
    with warm._heavy_locks["image"].normal():  # while a batch of photos is embedded
        assert np.array_equal(encoder.vectors(["a red circle"])[0], vector)
    pixels = np.full((48, 64, 3), 200, np.uint8)
    (seen,) = warm.for_query_image({"image"})["image"].run([Item(pixels)])
    assert seen.vectors["image"].shape == vector.shape
    assert warm.loaded == ["image"]
    assert warm.unload_heavy()
    assert np.array_equal(warm.encoder("image", wanted).vectors(["a red circle"])[0], vector)
    warm.close()


def test_both_sets_of_two_devices_describe(tmp_path):
    """Each set's captioner waits for the other's: that ends only where both are used at the same time."""
    together = threading.Barrier(2)
    used = set()

    class Counted(StageModel):
        def __init__(self, model, name):
            self._model, self._name = model, name
            self.identity = model.identity

        def run(self, items):
            if self._name not in used:
                used.add(self._name)
                together.wait(30)
            return self._model.run(items)

        def close(self):
            self._model.close()

    def load(settings, places, stages):
        models = load_models(settings, places, stages)
        for number, each in enumerate([models, *models.peers]):
            if "caption" in each:
                each.loaded["caption"] = Counted(each["caption"], number)
        return models

    settings = msgspec.structs.replace(demo_settings(Settings()), device=("cpu", "cpu"))
    for number in range(40):
        write_picture(tmp_path / f"{number}.png", number)
    warm = LoadedModels(settings, places(), load)
    with open_store(places().index) as store:
        root, _ = add_root(store, os.fsencode(tmp_path))
        sync(store, settings, root)
        models = warm.models(STAGES)
        assert [peer.stages() for peer in models.peers] == [models.stages()]
        described = Ingest(store, settings, models).run()
        assert (described.done, described.failed) == (40, 0)
    assert used == {0, 1}
    assert not together.broken
    warm.close()


def test_a_device_that_cannot_be_used_is_reported_and_stops_no_other():
    settings = msgspec.structs.replace(demo_settings(Settings()), device=("cpu", "cuda:99"))
    warm = LoadedModels(settings, places(), load_models)
    models = warm.models(STAGES)
    assert models.stages() == frozenset(STAGES)
    assert models.peers == []
    assert list(models.unused_devices) == ["cuda:99"]
    assert "'cuda:99' cannot be used" in models.unused_devices["cuda:99"]
    warm.close()


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x07" * 500])
def test_a_broken_model_file_stops_its_stage_with_a_sentence(tmp_path, content):
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    settings = parse(WORDLLAMA.replace('[detect]\nweights = "none"', f'[detect]\nweights = "{path}"'))
    models = load_models(settings, places())
    assert models.stages() == {"decode", "metadata", "embed"}
    assert "no counts of objects" in models.missing["detect"]
    assert str(path) in models.missing["detect"]
