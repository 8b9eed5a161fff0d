"""A folder of generated pictures with notes, its index, and a real decoder."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

from PIL import Image

from imgret.config import Settings
from imgret.decode.pool import DecodePool
from imgret.ingest import Ingest
from imgret.pipeline.models import Models
from imgret.store.factory import open_store
from imgret.sync import add_root, sync

SETTINGS = Settings()


def picture(subject: int, version: int = 0, taken: str = "") -> bytes:
    """Return a JPEG of a subject; each version is an edit, rotated or mirrored, with different bytes."""
    rng = random.Random(subject)
    image = Image.new("L", (1, 1))
    for side in (3, 6, 12):
        layer = Image.frombytes("L", (side, side), rng.randbytes(side * side))
        layer = layer.resize((64, 48), Image.Resampling.BICUBIC)
        image = layer if image.size == (1, 1) else Image.blend(image, layer, 0.35)
    if version:
        image = image.transpose(list(Image.Transpose)[version % 7])
    exif = Image.Exif()
    if taken:
        exif.get_ifd(0x8769)[0x9003] = taken
    data = io.BytesIO()
    image.convert("RGB").save(data, "JPEG", quality=90, comment=b"version %d" % version, exif=exif)
    return data.getvalue()


class Library:
    """A folder, its index, and a decoder."""

    def __init__(self, home: Path, decoder: DecodePool) -> None:
        self.folder = home / "photos"
        self.folder.mkdir()
        self.index = open_store(str(home / "index.db"))
        self._decoder = decoder

    def put(self, name: str, data: bytes) -> None:
        """Save as most programs do: write a new file and rename it."""
        (self.folder / ".new").write_bytes(data)
        (self.folder / ".new").rename(self.folder / name)

    def look(self, *, describe: bool = True) -> None:
        root, _ = add_root(self.index, bytes(self.folder))
        sync(self.index, SETTINGS, root)
        if describe:
            Ingest(self.index, SETTINGS, Models()).run(decoder=self._decoder)

    def content(self, name: str) -> int:
        photo = self.index.photos.find(bytes(self.folder / name))
        assert photo is not None
        assert photo.content is not None
        return photo.content

    def write(self, name: str, text: str) -> None:
        self.index.results.write_note(self.content(name), text)

    def note(self, name: str) -> str | None:
        return self.index.results.note(self.content(name))

    def lost(self) -> list[tuple[str, str]]:
        return [
            (os.path.basename(os.fsdecode(note.path)), note.text) for note in self.index.notes.lost_notes()
        ]
