"""Make `index-v10.db.xz`: an index of schema version 10, of three photos in `metadata`, one of which has a note.

PYTHONPATH=SOURCES_OF_THAT_VERSION python tests/data/index_v10.py
"""

from __future__ import annotations

import lzma
import os
import shutil
import tempfile
from pathlib import Path

import apsw

DATA = Path(__file__).parent
PHOTOS = ("exif.jpg", "xmp.jpg", "windows.jpg")
CONFIG = "".join(f'[{stage}]\nweights = "none"\n' for stage in ("image", "caption", "detect", "topics"))


def main() -> None:
    """Index the photos, write a note, and pack the file."""
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base)
        os.environ["IMGRET_INDEX"] = str(folder / "index.db")
        os.environ["IMGRET_CONFIG"] = str(folder / "config.toml")
        (folder / "config.toml").write_text(f'{CONFIG}[embed]\nweights = "wordllama"\n')
        (folder / "photos").mkdir()
        for name in PHOTOS:
            shutil.copy2(DATA / "metadata" / name, folder / "photos" / name)

        from imgret.cli.commands import run

        run(["index", str(folder / "photos")])
        run(["note", str(folder / "photos" / "xmp.jpg"), "the tower of Vernazza"])
        db = apsw.Connection(str(folder / "index.db"))
        if db.pragma("user_version") != 10:
            raise SystemExit("this is not version 10")
        db.execute("UPDATE root SET path = CAST('/photos' AS BLOB), filesystem = NULL")
        db.execute("VACUUM")
        db.pragma("journal_mode", "delete")
        db.close()
        (DATA / "index-v10.db.xz").write_bytes(lzma.compress((folder / "index.db").read_bytes(), preset=9))


if __name__ == "__main__":
    main()
