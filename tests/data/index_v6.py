"""Make `index-v6.db.xz` and `answers-v6.json.xz`: an index file of schema version 6, and its results.

It was run once, from the repository root of commit 653ca01, the last one with that schema:

    python tests/data/index_v6.py GALLERY DETECTOR.onnx tests/data

GALLERY is a folder with the 112 photos of the sample gallery of *image-retrieval*, DETECTOR a YOLOv8n
checkpoint. Scanning, decoding, detecting, embedding (wordllama) and notes are the program's own, on real
files in /srv/photos and /media/trip, which are removed again. Captions and topics are written here from
the detected objects. The answers hold the vectors of the questions, so that comparing needs no embedder.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from index_v6_answers import answers
from index_v6_queries import COLOURS, GROUNDS, NOTES, PHOTOS, TOPIC_WORDS, TRIP

NO_CAPTIONS = '[caption]\nweights = "none"\n[topics]\nweights = "none"\n'
OTHER_DIMENSION = 24


def main() -> None:
    """See above."""
    gallery, detector, out = (Path(argument).resolve() for argument in sys.argv[1:4])
    if PHOTOS.exists() or TRIP.exists():
        sys.exit(f"{PHOTOS} and {TRIP} must not exist: they are made and removed")
    work = out / "making"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    config = work / "config.toml"
    os.environ.update(
        IMGRET_CONFIG=str(config), IMGRET_INDEX=str(work / "index.db"), IMGRET_SOCKET=str(work / "none"),
        XDG_STATE_HOME=str(work / "state"), XDG_DATA_HOME=str(work / "data"), HF_HUB_OFFLINE="1",
    )  # fmt: skip
    try:
        detect = f'decode_workers = 1\n{NO_CAPTIONS}[detect]\nweights = "{detector}"\n'
        copy_photos(gallery)
        config.write_text(detect + '[embed]\nweights = "none"\n')
        imgret("index", str(PHOTOS), str(TRIP))
        describe()
        config.write_text(detect + '[embed]\nweights = "wordllama"\n')
        imgret("index")
        change_photos()
        imgret("index")
        describe()
        imgret("index")
        (PHOTOS / "draft.jpg").unlink()
        shutil.rmtree(PHOTOS / "gone")
        imgret("index")
        shutil.rmtree(TRIP)
        imgret("index")
        finish()
    finally:
        shutil.rmtree(PHOTOS, ignore_errors=True)
        shutil.rmtree(TRIP, ignore_errors=True)
    config.write_text(NO_CAPTIONS + '[detect]\nweights = "none"\n[embed]\nweights = "wordllama"\n')
    data = (work / "index.db").read_bytes()
    (out / "index-v6.db.xz").write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    recorded = json.dumps(answers(), ensure_ascii=False, indent=0).encode()
    (out / "answers-v6.json.xz").write_bytes(lzma.compress(recorded, preset=9 | lzma.PRESET_EXTREME))
    shutil.rmtree(work)


def imgret(*arguments: str) -> None:
    """Run the command. 1 means that some photos could not be described, which is intended."""
    done = subprocess.run([sys.executable, "-m", "imgret", *arguments], check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"imgret {arguments} ended with {done.returncode}")


def with_exif(data: bytes, number: int) -> bytes:
    """A JPEG with a date, a camera and for some a place, its pixels as they were."""
    from PIL import Image

    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = ("Canon", "Canon EOS 80D") if number % 2 else ("FUJIFILM", "X-T3")
    details = exif.get_ifd(0x8769)
    details[0x9003] = f"20{18 + number % 4}:{1 + number % 12:02}:{1 + number % 28:02} 10:{number % 60:02}:00"
    details[0x9291] = f"{number % 100:02}"
    if number % 5 == 0:
        place = exif.get_ifd(0x8825)
        place.update({1: "N", 2: (48.0, float(number % 60), 3.0), 3: "E", 4: (11.0, 30.0, 0.0)})
    block = exif.tobytes()
    return b"\xff\xd8\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]


def copy_photos(gallery: Path) -> None:
    """112 photos, some of them dated, and what goes wrong on real disks."""
    from PIL import Image, ImageEnhance

    names = sorted(path.name for path in gallery.iterdir())
    assert len(names) == 112, len(names)
    for number, name in enumerate(names):
        folder = (
            PHOTOS / "2019" / "beach" if number < 30
            else PHOTOS / "2020" if number < 70
            else PHOTOS / "Freunde & Familie" if number < 96
            else TRIP / "Rome"
        )  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        data = (gallery / name).read_bytes()
        (folder / name).write_bytes(with_exif(data, number) if number % 3 == 0 else data)
    first, second, third = ((gallery / name).read_bytes() for name in names[:3])
    copies, gone = PHOTOS / "copies", PHOTOS / "gone"
    copies.mkdir()
    gone.mkdir()
    (copies / "copy.jpg").write_bytes(second)  # the same bytes
    (copies / "twin.jpg").write_bytes(second[:2] + b"\xff\xfe\x00\x06twin" + second[2:])  # the same pixels
    picture = Image.open(io.BytesIO(second))
    picture.resize((picture.width // 2, picture.height // 2)).save(copies / "again.jpg", quality=80)
    picture.save(copies / "drawn.png", optimize=True)
    (copies / "cut short.jpg").write_bytes(third[: len(third) * 19 // 20])
    (copies / "broken.jpg").write_bytes(first[:300] + b"no picture" * 50)
    (copies / "empty.jpg").write_bytes(b"")
    with open(os.fsencode(copies) + b"/caf\xe9.jpg", "wb") as file:
        file.write(with_exif(third, 7))
    for shot in range(3):  # a burst
        bright = ImageEnhance.Brightness(Image.open(io.BytesIO(first))).enhance(1 + shot / 50)
        made = io.BytesIO()
        bright.save(made, "JPEG", quality=85)
        (copies / f"burst{shot}.jpg").write_bytes(with_exif(made.getvalue(), 21))
    (gone / "away.jpg").write_bytes(with_exif(first, 50))
    (gone / "noted.jpg").write_bytes(with_exif(second, 51))
    (PHOTOS / "edited.jpg").write_bytes(with_exif(third, 52))
    (PHOTOS / "lost.jpg").write_bytes(with_exif((gallery / names[20]).read_bytes(), 53))
    (PHOTOS / "open.jpg").write_bytes(with_exif((gallery / names[21]).read_bytes(), 54))
    (PHOTOS / "draft.jpg").write_bytes(with_exif((gallery / names[22]).read_bytes(), 55))
    settle()


def settle() -> None:
    """Make the files older than the two seconds in which a later write might not show."""
    for folder in (PHOTOS, TRIP):
        for path in folder.rglob("*"):
            os.utime(path, (1_600_000_000, path.stat().st_mtime - 100))


def change_photos() -> None:
    """Notes, and photos that are edited, replaced and copied after they have one."""
    from PIL import Image, ImageEnhance

    notes = NOTES | {
        "gone/noted.jpg": "the note of a photo that is gone",
        "edited.jpg": "this one will be edited",
        "lost.jpg": "this one will be overwritten by another picture",
        "open.jpg": "a copy of this one stays",
    }
    lines = [json.dumps({"path": str(PHOTOS / path), "note": note}) for path, note in notes.items()]
    source = Path(os.environ["IMGRET_INDEX"]).with_name("notes.jsonl")
    source.write_text("\n".join(lines))
    imgret("note", "--import", str(source))
    shutil.copy2(PHOTOS / "open.jpg", PHOTOS / "copies" / "open before.jpg")
    for name, factor in (("edited.jpg", 1.02), ("open.jpg", 1.02)):
        picture = Image.open(PHOTOS / name)
        exif = picture.info["exif"]
        ImageEnhance.Brightness(picture).enhance(factor).save(PHOTOS / name, quality=90, exif=exif)
    (PHOTOS / "lost.jpg").write_bytes((PHOTOS / "2020" / "COCO_train2014_000000037944.jpg").read_bytes()[:-9])
    settle()


def describe() -> None:
    """Captions and topics from the detected objects, for what has none yet."""
    from imgret.index import results, work
    from imgret.index.connection import Index

    from imgret.describe import passage
    from imgret.photo import ModelIdentity, Stage

    captioner, classifier = (
        ModelIdentity("captions-from-labels", "1", "beams=3"),
        ModelIdentity("topics", "1"),
    )
    with Index(os.environ["IMGRET_INDEX"]) as index, index.writing():
        for (content,) in list(index.rows("SELECT id FROM content WHERE format IS NOT NULL ORDER BY id")):
            known = results.description(index, content)
            if known.caption is not None or content % 17 == 5:  # a few have none
                continue
            chance = random.Random(content)
            counts = passage.counts(known.detections or ())
            things = [f"{passage.numeral(n)} {chance.choice(COLOURS)} {label}" for label, n in counts.items()]
            caption = f"a picture of {' and '.join(things[:3]) or 'something'} {chance.choice(GROUNDS)}"
            topics = [
                t for t, wanted in TOPIC_WORDS.items() if any(w in label for label in counts for w in wanted)
            ]
            results.save_caption(index, content, captioner, caption)
            results.save_topics(index, content, classifier, topics or ["diaries_&_daily_life"])
            results.refresh_words(index, content)
            work.queue(index, content, [Stage.EMBED])


def finish() -> None:
    """Failures, a disk mounted below a root, and the vectors of another embedder for half of the photos."""
    import numpy as np
    from imgret.index import content_table, roots, vectors, work
    from imgret.index.connection import Index

    from imgret.photo import ModelIdentity, Stage, View

    other = ModelIdentity("other-embedder", "2", "float32")
    with Index(os.environ["IMGRET_INDEX"]) as index, index.writing() as db:
        embedded = [row[0] for row in index.rows("SELECT DISTINCT content FROM vector ORDER BY content")]
        for content in embedded[::2]:
            random_ = np.random.default_rng(content)
            rows = random_.standard_normal((2, OTHER_DIMENSION)).astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            vectors.save(index, content, other, {View.PASSAGE: rows[0], View.CAPTION: rows[1]})
        for content in embedded[1::2]:
            work.queue(index, content, [Stage.EMBED])
        found = index.row("SELECT content FROM photo WHERE name = ?", (b"COCO_train2014_000000037954.jpg",))
        work.queue(index, found[0], [Stage.CAPTION])
        work.failed(index, found[0], [Stage.CAPTION], "out of memory", int(time.time()))
        db.execute("UPDATE work SET attempts = 5 WHERE content = ? AND stage = 'caption'", found)
        db.execute("UPDATE work SET not_before = 1, attempts = max(attempts, 1) WHERE error IS NOT NULL")
        db.execute("UPDATE unreadable SET not_before = 1")  # the results must not depend on the time
        photos = next(root for root in roots.roots(index) if root.path == os.fsencode(PHOTOS))
        roots.mark_mounted(index, photos.id, b"card", "uuid-of-a-card")
        roots.mark_unmounted(index, photos.id, b"card", "no disk is mounted there")
        content_table.purge(index, int(time.time()))
        index.remember("models", None)
    index = Index(os.environ["IMGRET_INDEX"])
    index.db.pragma("journal_mode", "delete")
    index.close()


if __name__ == "__main__":
    main()
