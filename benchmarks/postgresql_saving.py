"""The part of `benchmarks.postgresql` that saves results, as describing does: 64 photos in one transaction.

Everything of a photo is new: metadata, a caption, objects, topics and three vectors. The results are made before the time
is taken.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event

import numpy as np
import psycopg

from imgret.batch_saving import BatchSaver, InFlight
from imgret.config import Settings
from imgret.photo import Detection, Facts, FileStat, Metadata, ModelIdentity
from imgret.pipeline.pipeline import Outcome
from imgret.stages import registry
from imgret.stages.interface import DECODE, Result
from imgret.store.factory import open_store
from imgret.store.interface import Store
from imgret.store.records import TextColumn

SAVERS = (1, 2, 4)
BATCH = 64
BATCHES = 8  # of each saver
NOW = 1_700_000_000
REQUEST = 7
MODEL = ModelIdentity("benchmark", "1", "")
CAPTION = "a brown dog running on a sandy beach near the water"
STAGES = ("metadata", "image", "caption", "detect", "topics", "embed")

Batch = list[tuple[Outcome, InFlight]]


def saving(name: str, store: Store) -> None:
    """Print how many photos a second one process saves, in batches and one by one."""
    for size in (BATCH, 1):
        _queue(store, BATCH * BATCHES, f"{size} ")
        batches = _claimed(store, BATCHES)
        elapsed, cpu = time.perf_counter(), time.process_time()
        for batch in batches:
            _save(store, batch, size)
        elapsed, cpu = time.perf_counter() - elapsed, time.process_time() - cpu
        photos = BATCH * BATCHES
        print(
            f"{name}: {photos / elapsed:.0f} photos saved a second, {BATCH} a transaction and {size} a statement;"
            f" {cpu / photos * 1000:.2f} ms of this process for each",
            flush=True,
        )


def savers(place: str) -> None:
    """Print how many photos a second 1, 2 and 4 processes save together."""
    context = multiprocessing.get_context("spawn")
    for number in SAVERS:
        with open_store(place) as store, tempfile.TemporaryDirectory() as folder:
            _queue(store, BATCH * BATCHES * number, f"{number} savers ")
            ready: Queue[float] = context.Queue()
            begin = context.Event()
            processes = [
                context.Process(target=_saver, args=(place, f"{folder}/{each}", ready, begin))
                for each in range(number)
            ]
            for process in processes:
                process.start()
                ready.get()
            began = time.perf_counter()
            begin.set()
            cpu = sum(ready.get() for _ in processes)
            elapsed = time.perf_counter() - began
            for process in processes:
                process.join()
        photos = BATCH * BATCHES * number
        with psycopg.connect(place) as admin:
            row = admin.execute("SELECT count(*) FROM work WHERE request = %s", (REQUEST,)).fetchone()
            assert row == (0,), f"{row} rows of work were not done"
        print(
            f"server: {number} savers save {photos / elapsed:.0f} photos a second together,"
            f" {cpu / photos * 1000:.2f} ms of a client for each",
            flush=True,
        )


def _saver(place: str, state: str, ready: Queue[float], begin: Event) -> None:
    os.environ["XDG_STATE_HOME"] = state
    with open_store(place) as store:
        for root in store.roots.all():
            store.roots.mark_online(root.id, None)
        batches = _claimed(store, BATCHES)
        ready.put(0.0)
        begin.wait()
        cpu = time.process_time()
        for batch in batches:
            _save(store, batch, BATCH)
        ready.put(time.process_time() - cpu)


def _queue(store: Store, count: int, name: str) -> None:
    """Add photos, and queue all their stages."""
    root = store.roots.add(b"/saved").id
    store.text_columns.set(
        [
            TextColumn(column.name, stage.name, column.weight, column.substrings)
            for stage in registry.installed().stages
            for column in stage.columns
        ]
    )
    with store.writing():
        for number in range(count):
            hash_ = hashlib.blake2b(f"{name}{number}".encode(), digest_size=32).digest()
            stat = FileStat(number, 1, 1, number)
            content, _ = store.photos.save(
                root, b"", b"%s%04d.jpg" % (name.encode(), number), stat, hash_, NOW
            )
            store.work.queue(content, [DECODE, *STAGES], REQUEST)


def _claimed(store: Store, batches: int) -> list[Batch]:
    """Claim photos, and return what is to be saved of them."""
    found = []
    for _ in range(batches):
        claims = store.work.claim({DECODE, *STAGES}, BATCH, NOW, request=REQUEST)
        assert len(claims) == BATCH
        found.append([(_outcome(claim.content), InFlight(claim)) for claim in claims])
    return found


def _outcome(content: int) -> Outcome:
    pixels = hashlib.blake2b(b"pixels %d" % content, digest_size=32).digest()
    facts = Facts("JPEG", 4000, 3000, NOW, "Camera")
    return Outcome(content, facts, pixels, bytes(90), dict(_results(content)))


def _results(content: int) -> Iterator[tuple[str, Result]]:
    vectors = np.random.default_rng(content).normal(size=(3, 768)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    yield "metadata", Result(Metadata())
    yield "image", Result(("image",), {"image": vectors[0]})
    yield "caption", Result((CAPTION,))
    dog, person = (Detection(label, 0.9, (0, 0, 9, 9)) for label in ("dog", "person"))
    yield "detect", Result((dog, person, person))
    yield "topics", Result(("sports", "travel_&_adventure"))
    yield "embed", Result(("captions", "passage"), {"passage": vectors[1], "captions": vectors[2]})


def _save(store: Store, batch: Sequence[tuple[Outcome, InFlight]], size: int) -> None:
    """Save a batch in one transaction, `size` photos at a time: as describing does, where that is the whole batch."""
    saver = BatchSaver(store, Settings(), dict.fromkeys(STAGES, MODEL), STAGES, lambda: None)
    if size == len(batch):
        saver.save(batch)
        return
    with store.writing():
        for start in range(0, len(batch), size):
            saver.save(batch[start : start + size])
