"""The command as its users meet it: run in this process where that is quick, as a real process where it matters."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from imgret.cli.commands import run
from imgret.demo.bundled import MODELS
from imgret.demo.draw import render, single

NO_MODELS = "".join(
    f'[{stage}]\nweights = "none"\n' for stage in ("place", "image", "caption", "detect", "ocr", "topics")
)
WORDS_ONLY = NO_MODELS + '[embed]\nweights = "none"\n'
WORDLLAMA = NO_MODELS + '[embed]\nweights = "wordllama"\n'
TINY = 'device = "cpu"\ndecode_workers = 1\n[place]\nweights = "none"\n[ocr]\nweights = "none"\n' + "".join(
    f'[{stage}]\nweights = "{MODELS}/{name}"\n'
    for stage, name in (
        ("image", "image"),
        ("caption", "caption"),
        ("detect", "detect.pt"),
        ("topics", "topics"),
        ("embed", "embed"),
    )
)
# File name -> colour, kind, ground. The names do not describe the image.
DRAWN = {
    "IMG_1.jpg": ("red", "circle", "white"),
    "IMG_2.jpg": ("blue", "square", "black"),
    "IMG_3.png": ("green", "triangle", "white"),
    "IMG_4.jpg": ("yellow", "circle", "black"),
    "IMG_5.jpg": ("red", "triangle", "black"),
}


class Finished(NamedTuple):
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """stdout as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def paths(self) -> list[str]:
        """stdout as paths."""
        return [os.fsdecode(line) for line in self.out.splitlines()]


def imgret(*arguments: str | Path) -> Finished:
    """`imgret ARGUMENTS` in this process: models that were imported stay so."""
    out, err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    out.flush()
    return Finished(code, out.buffer.getvalue(), err.getvalue())  # type: ignore[attr-defined]


def imgret_process(
    *arguments: str | bytes | Path, before: str = "", timeout: float = 100, **options: Any
) -> Finished:
    """`imgret ARGUMENTS` as a process of its own; Python code may run `before` it, in the same process."""
    command = [sys.executable, "-m", "imgret", *arguments]
    if before:
        start = f"{before}\nimport os, sys\nos.execv(sys.argv[1], sys.argv[1:])"
        command = [sys.executable, "-c", start, *command]
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    done = subprocess.run(command, timeout=timeout, check=False, **options)
    return Finished(
        done.returncode, done.stdout or b"", (done.stderr or b"").decode("utf-8", "surrogateescape")
    )


@dataclass(frozen=True)
class Library:
    """A folder of photos, its configuration and its index, all in places of their own."""

    home: Path

    @property
    def photos(self) -> Path:
        """The folder."""
        return self.home / "photos"

    @property
    def database(self) -> Path:
        """The index file."""
        return self.home / "index.db"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.home / "config.toml"

    def environ(self) -> dict[str, str]:
        """The environment of the command."""
        return {"IMGRET_CONFIG": str(self.config), "IMGRET_INDEX": str(self.database)}

    def index(self) -> Finished:
        """`imgret index` of the folder."""
        return imgret("index", self.photos)

    def shown(self, name: str) -> dict[str, Any]:
        """`imgret show --json` of one photo."""
        return imgret("show", "--json", self.photos / name).objects[0]

    def status(self) -> dict[str, Any]:
        """`imgret status --json`."""
        return imgret("status", "--json").objects[0]

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the index file, read without imgret."""
        db = apsw.Connection(str(self.database), flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(10_000)
        try:
            return list(db.execute(sql, values))
        finally:
            db.close()

    def write(self, sql: str, *values: object) -> None:
        """Change the index file behind imgret's back; no derived table is touched."""
        db = apsw.Connection(str(self.database))
        try:
            db.execute(sql, values)
        finally:
            db.close()

    def content(self, name: str) -> int:
        """The content at a file of the folder itself."""
        ((found,),) = self.rows(
            "SELECT content FROM photo WHERE name = ? AND gone_at IS NULL", os.fsencode(name)
        )
        return int(found)


def draw(path: Path, colour: str, kind: str, ground: str, seed: int = 1) -> None:
    """One shape, the same for the same seed."""
    picture = render(single(random.Random(seed), colour=colour, kind=kind, ground=ground))
    picture.save(path, **({"quality": 92} if path.suffix == ".jpg" else {}))


def settle_clock(folder: Path) -> None:
    """Make the files of a folder older than the 2 s in which a later write might not show."""
    for path in folder.rglob("*"):
        status = path.lstat()
        os.utime(path, (status.st_atime - 100, status.st_mtime - 100), follow_symlinks=False)
