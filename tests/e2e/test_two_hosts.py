"""Two processes with homes of their own describe one library on a real server; one of them is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from command_line import TINY, draw
from postgres_server import PostgresServer

from imgret.store.factory import open_store
from imgret.store.interface import Store

PHOTOS = 60
COLOURS, KINDS, GROUNDS = (
    ("red", "blue", "green", "yellow"),
    ("circle", "square", "triangle"),
    ("white", "black"),
)


def host(place: str, home: Path, photos: Path) -> subprocess.Popen[bytes]:
    """`imgret index` as on another host."""
    config = home.parent / "config.toml"
    environ = {**os.environ, "IMGRET_INDEX": place, "IMGRET_CONFIG": str(config), "XDG_STATE_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "imgret", "index", photos],
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def described(store: Store) -> int:
    progress = store.summary.progress()
    return progress.contents - max([0, *progress.waiting.values()])


def test_every_photo_is_described_once_although_a_host_is_killed(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    place = postgres_server.new_library()
    photos = tmp_path / "photos"
    photos.mkdir()
    (tmp_path / "config.toml").write_text(TINY)
    for number in range(PHOTOS):
        colour, kind, ground = COLOURS[number % 4], KINDS[number % 3], GROUNDS[number % 2]
        draw(photos / f"{number}.jpg", colour, kind, ground, seed=number)
    one = host(place, tmp_path / "one", photos)
    with open_store(place) as store:
        deadline = time.monotonic() + 120
        while not 1 < described(store) < PHOTOS and time.monotonic() < deadline and one.poll() is None:
            time.sleep(0.02)
        other = host(place, tmp_path / "other", photos)
        one.send_signal(signal.SIGKILL)
        one.communicate()
        assert one.returncode == -signal.SIGKILL
        stderr = other.communicate(timeout=200)[1]
        assert other.returncode == 0, stderr
        again = host(place, tmp_path / "one", photos)  # what it held when it died
        stderr = again.communicate(timeout=200)[1]
        assert again.returncode == 0, stderr
        assert store.summary.totals().described == PHOTOS
        assert store.failures.all() == []
        assert store.work.last() == 0
        assert store.problems() == store.documents.check() == []
    with psycopg.connect(place) as db:
        made = db.execute("SELECT stage, count(*) FROM stage_result GROUP BY stage").fetchall()
        assert {count for _, count in made} == {PHOTOS}
        assert db.execute("SELECT count(*) FROM worker").fetchone() == (2,)
    postgres_server.remove_library(place)
