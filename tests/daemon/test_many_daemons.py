"""Several daemons, each with its own home and its own path of the same folder, describe one library on a real server."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from loopback_proxy import LoopbackProxy
from postgres_server import PostgresServer
from waiting import until

from imgret.store.factory import open_store
from testbed.home import WORDLLAMA, Daemon, Home, tiny_models
from testbed.small_pngs import write_picture

MODELS = tiny_models() + '[place]\nweights = "none"\n'
STAGES = {MODELS: 6, WORDLLAMA: 2}  # with results: metadata and those of the models
# Counts how often each result was saved, so that one that was made twice is seen.
COUNTED = """
CREATE TABLE made (content bigint, stage text);
CREATE FUNCTION count_made() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO made VALUES (NEW.content, NEW.stage); RETURN NULL; END $$;
CREATE TRIGGER made AFTER INSERT OR UPDATE ON stage_result FOR EACH ROW EXECUTE FUNCTION count_made();
"""


class MountedDaemon(Daemon):
    """A daemon that sees a folder at the path of its home, and no other process does: as on a host of its own."""

    def __init__(self, home: Home, shared: Path) -> None:
        super().__init__(home)
        self._shared = shared

    def spawn(self) -> None:
        script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
        daemon = [sys.executable, "-m", "imgretd", "--foreground"]
        with (self.home.path / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", script, "-", self._shared, self.home.photos, *daemon],
                env=self.home.environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )


class Cluster:
    """Hosts that mount one folder of photos, each at a path of its own, and have one library."""

    def __init__(
        self, server: PostgresServer, place: str, folder: Path, hosts: int, photos: int, models: str
    ) -> None:
        self.models = models
        self.server = server
        self.place = place
        self.photos = photos
        shared = self.shared = folder / "shared"
        shared.mkdir()
        for number in range(photos):
            write_picture(shared / f"{number}.png", number)
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
            pytest.skip("mounting needs root")
        self.homes: list[Home] = []
        self.daemons: list[Daemon] = []
        for number in range(hosts):
            (folder / f"h{number}").mkdir()
            home = Home(models, folder=folder / f"h{number}")
            home.configure([home.photos], f'index = "{place}"\ndecode_workers = 1')
            self.homes.append(home)
            self.daemons.append(MountedDaemon(home, shared))
        open_store(place).close()
        with psycopg.connect(place) as db:
            db.execute(COUNTED)

    def finished(self) -> bool:
        """Whether everything is described, as a client sees it."""
        with psycopg.connect(self.place) as db:
            row = db.execute(
                "SELECT (SELECT count(*) FROM photo WHERE gone_at IS NULL), (SELECT count(*) FROM work)"
            ).fetchone()
        return row == (self.photos, 0)

    def check(self) -> None:
        """Nothing is lost, nothing was made twice, nothing is in flight."""
        with psycopg.connect(self.place) as db:
            made = db.execute("SELECT count(*), count(DISTINCT (content, stage)) FROM made").fetchone()
            assert made == (self.photos * STAGES[self.models], self.photos * STAGES[self.models])
            assert db.execute("SELECT count(*) FROM root").fetchone() == (1,)
            assert db.execute("SELECT count(*) FROM photo WHERE gone_at IS NOT NULL").fetchone() == (0,)
        with open_store(self.place) as store:
            assert store.failures.all() == []
            assert store.problems() == store.documents.check() == []
            totals = store.summary.totals()
            assert (totals.photos, totals.described) == (self.photos, self.photos)

    def expire(self) -> None:
        """Let time pass until the leases of dead daemons are over."""
        with psycopg.connect(self.place) as db:
            db.execute("UPDATE worker SET seen_at = seen_at - interval '1 hour'")

    def close(self) -> None:
        for daemon in self.daemons:
            if daemon.process is not None and daemon.process.poll() is None:
                daemon.kill()


@pytest.fixture
def place(postgres_server: PostgresServer) -> Iterator[str]:
    made = postgres_server.new_library()
    yield made
    postgres_server.remove_library(made)


def cluster(
    stack: ExitStack,
    server: PostgresServer,
    place: str,
    folder: Path,
    hosts: int,
    photos: int,
    models: str = MODELS,
) -> Cluster:
    made = Cluster(server, place, folder, hosts, photos, models)
    stack.callback(made.close)
    return made


def describe_once(
    server: PostgresServer, place: str, folder: Path, hosts: int, photos: int, seconds: float
) -> None:
    with ExitStack() as stack:
        made = cluster(stack, server, place, folder, hosts, photos)
        for daemon in made.daemons:
            daemon.start()
        until(made.finished, seconds)
        made.check()
        with psycopg.connect(place) as db:
            rows = db.execute("SELECT DISTINCT path FROM root_seen ORDER BY 1").fetchall()
            assert [path for (path,) in rows] == [bytes(home.photos) for home in made.homes]
            assert db.execute("SELECT count(*) FROM worker").fetchone() == (hosts,)
        for home in made.homes:  # each finds them at its own path
            found = json.loads(home.imgret("query", "--json", "--limit", "1", "0").stdout.splitlines()[0])
            assert found["path"].startswith(f"{home.photos}/")
        status = json.loads(made.homes[0].imgret("status", "--json").stdout)
        assert len(status["hosts"]) == hosts
        assert [host["own"] for host in status["hosts"]].count(True) == 1
        assert all(host["silent"] < 60 for host in status["hosts"])
        # A photo that arrives later is seen by all and described by one.
        write_picture(made.shared / "late.png", 5000)
        made.photos += 1
        until(made.finished, seconds)
        made.check()
        for daemon in made.daemons:
            assert daemon.stop() == 0
            assert "Traceback" not in daemon.log()


def survive(
    server: PostgresServer,
    place: str,
    folder: Path,
    hosts: int,
    photos: int,
    moments: int,
    seconds: float,
    models: str,
) -> None:
    rng = random.Random(moments)
    with ExitStack() as stack:
        made = cluster(stack, server, place, folder, hosts, photos, models)
        for daemon in made.daemons:
            daemon.spawn()
        for moment in range(moments):
            time.sleep(rng.uniform(0.5, 4))
            if moment % 4 == 3:
                server.kill()
                time.sleep(rng.uniform(0, 1))
                server.start()
            else:
                victim = rng.choice(made.daemons)
                victim.kill()
                victim.spawn()
        gone = made.daemons[-1]  # one never comes back
        gone.kill()
        made.expire()
        until(made.finished, seconds)
        made.check()
        for daemon in made.daemons[:-1]:
            assert daemon.stop() == 0
            assert "Traceback" not in daemon.log()


def survive_cut(
    server: PostgresServer, place: str, folder: Path, photos: int, cut: float, seconds: float
) -> None:
    with ExitStack() as stack:
        proxy = stack.enter_context(LoopbackProxy(server.folder))
        made = cluster(stack, server, place, folder, 1, photos, WORDLLAMA)
        home, daemon = made.homes[0], made.daemons[0]
        home.configure([home.photos], f'index = "{proxy.place(place, server.folder)}"')
        daemon.start()
        until(lambda: begun(place), seconds)
        proxy.stall()
        time.sleep(cut)
        proxy.mend()
        time.sleep(cut)
        proxy.cut()
        until(lambda: daemon.request("status")["problem"], 150)
        assert "no connection" in daemon.request("status")["problem"]
        done = home.imgret("query", "anything")
        assert done.returncode == 3
        assert b"no connection" in done.stderr
        time.sleep(cut)
        proxy.mend()
        until(made.finished, seconds)
        made.check()
        until(lambda: daemon.request("status")["problem"] is None, 150)
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log()


def begun(place: str) -> bool:
    """Whether photos were saved."""
    with psycopg.connect(place) as db:
        row = db.execute("SELECT count(*) FROM photo").fetchone()
    return row is not None and row[0] > 0


@pytest.mark.must_run
@pytest.mark.timeout(900)  # a second of work may take a minute on a busy machine
def test_two_daemons_describe_each_photo_once(
    postgres_server: PostgresServer, place: str, tmp_path: Path
) -> None:
    describe_once(postgres_server, place, tmp_path, 2, 60, 400)


@pytest.mark.must_run
@pytest.mark.timeout(900)  # a second of work may take a minute on a busy machine
def test_nothing_is_lost_when_daemons_and_the_server_are_killed(
    postgres_server: PostgresServer, place: str, tmp_path: Path
) -> None:
    survive(postgres_server, place, tmp_path, 2, 300, 4, 400, WORDLLAMA)


@pytest.mark.must_run
@pytest.mark.timeout(900)  # a second of work may take a minute on a busy machine
def test_a_daemon_continues_after_the_network_was_cut(
    postgres_server: PostgresServer, place: str, tmp_path: Path
) -> None:
    survive_cut(postgres_server, place, tmp_path, 300, 1, 400)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("hosts", [2, 4])
def test_daemons_describe_two_thousand_photos_once(
    hosts: int, postgres_server: PostgresServer, place: str, tmp_path: Path
) -> None:
    describe_once(postgres_server, place, tmp_path, hosts, 2000, 3000)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_is_lost_at_fifty_moments(
    postgres_server: PostgresServer, place: str, tmp_path: Path
) -> None:
    survive(postgres_server, place, tmp_path, 4, 2000, 50, 3000, MODELS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_daemon_continues_after_ten_seconds_without_a_network(
    postgres_server: PostgresServer, place: str, tmp_path: Path
) -> None:
    survive_cut(postgres_server, place, tmp_path, 2000, 10, 300)
