"""The part of `benchmarks.postgresql` with several hosts: claims side by side, and daemons that describe one folder.

Each process has a state directory of its own, so it is a worker of its own, as a host is.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import psycopg

from imgret.store.factory import open_store
from imgret.store.policy import BACKLOG
from imgret.store.records import Position
from testbed.home import Home, tiny_models
from testbed.small_pngs import write_picture

HOSTS = (1, 2, 4)
BATCH = 64
NOW = 1_700_000_000
STAGES = ("decode", "image", "detect", "caption", "topics", "embed")


def claims(place: str, photos: int) -> None:
    """Print how many photos 1, 2 and 4 processes claim a second together. All contents of the library are queued."""
    with open_store(place) as store, store.writing():
        for content in range(1, photos + 1):
            store.work.queue(content, STAGES)
    with psycopg.connect(place, autocommit=True) as admin, tempfile.TemporaryDirectory() as folder:
        for hosts in HOSTS:
            admin.execute("UPDATE work SET claim = 0, attempts = 0")
            admin.execute("VACUUM ANALYZE work")
            context = multiprocessing.get_context("spawn")
            found: Queue[list[int]] = context.Queue()
            begin = context.Event()
            each = photos // BATCH // hosts
            processes = [
                context.Process(target=_claim, args=(place, f"{folder}/{number}", each, found, begin))
                for number in range(hosts)
            ]
            for process in processes:
                process.start()
            for _ in processes:
                found.get()
            began = time.perf_counter()
            begin.set()
            claimed = [content for _ in processes for content in found.get()]
            seconds = time.perf_counter() - began
            assert len(set(claimed)) == len(claimed), "a photo was claimed twice"
            print(
                f"server: {hosts} hosts claim {len(claimed) / seconds:.0f} photos a second together, {BATCH} at a time",
                flush=True,
            )


def _claim(place: str, state: str, batches: int, found: Queue[list[int]], begin: Event) -> None:
    os.environ["XDG_STATE_HOME"] = state
    with open_store(place) as store:
        store.roots.mark_online(store.roots.all()[0].id, None)
        claimed: list[int] = []
        found.put(claimed)
        begin.wait()
        after: Position | None = None  # as in a run, which goes through the queue once
        for _ in range(batches):
            claims_ = store.work.claim(STAGES, BATCH, NOW, request=BACKLOG, after=after)
            claimed += [each.content for each in claims_]
            after = claims_[-1].position if claims_ else after
        found.put(claimed)


def daemons(place: str, photos: int) -> None:
    """Print how many photos a second 1, 2 and 4 daemons with tiny models describe, from the first result to the last."""
    for hosts in HOSTS:
        with tempfile.TemporaryDirectory() as name, psycopg.connect(place, autocommit=True) as admin:
            folder = Path(name)
            (folder / "photos").mkdir()
            for number in range(photos):
                write_picture(folder / "photos" / f"{number}.png", number)
            admin.execute("DROP SCHEMA IF EXISTS benchmark CASCADE")
            homes = [_home(folder, number, place) for number in range(hosts)]
            running = [home.daemon() for home in homes]
            for daemon in running:
                daemon.spawn()
            try:
                print(f"{hosts} daemons: {_described(admin, photos):.1f} photos a second", flush=True)
            finally:
                for daemon in running:
                    daemon.kill()


def _home(folder: Path, number: int, place: str) -> Home:
    (folder / f"host{number}").mkdir()
    home = Home(tiny_models(), folder=folder / f"host{number}")
    home.configure([folder / "photos"], f'index = "{place}"\ndecode_workers = 1')
    return home


def _described(admin: psycopg.Connection[tuple[object, ...]], photos: int) -> float:
    """Wait until all photos are described, and return how many were each second."""
    began, first = 0.0, 0
    while True:
        time.sleep(0.1)
        try:
            row = admin.execute(
                "SELECT (SELECT count(*) FROM photo WHERE gone_at IS NULL), (SELECT count(*) FROM work),"
                " (SELECT count(*) FROM stage_result WHERE stage = 'embed')"
            ).fetchone()
        except psycopg.errors.UndefinedTable:
            continue
        there, waiting, described = row or (0, 0, 0)
        if not began and described:
            began, first = time.perf_counter(), int(str(described))
        if there == photos and not waiting:
            return (photos - first) / max(time.perf_counter() - began, 1e-3)
