"""Generate a library of any size for `benchmarks.search`: realistic vectors, captions, dates.

If the 112 vectors of the baseline project are available, the mean, the axes and the variance are calibrated on them;
otherwise a built-in spectrum of the same shape is used. Scenes, events within scenes and shots within events create
near neighbours as in real photo folders.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

import apsw
import numpy as np
from numpy.typing import NDArray

from imgret.photo import ModelIdentity
from imgret.store.sqlite.sqlite_store import SqliteStore

BASELINE_VECTORS = os.path.join(
    os.path.dirname(__file__), "..", "..", "shared", "seed", "vectors", "feature_matrix.npy"
)
MODEL = ModelIdentity("generated", "benchmark")
DIMENSION = 768
STEP = 10_000
FIRST_DAY, LAST_DAY = 1_000_000_000, 1_700_000_000

Matrix = NDArray[np.float32]

# fmt: off
OBJECTS = ["giraffe", "zebra", "horse", "cow", "sheep", "dog", "cat", "bird", "elephant", "bus", "train", "car",
           "bicycle", "motorcycle", "airplane", "boat", "person", "child", "woman", "man", "pizza", "cake", "orange",
           "bed", "chair", "table", "umbrella", "kite", "surfboard", "racket", "clock", "vase", "book", "laptop"]
QUALITIES = ["red", "green", "blue", "white", "black", "brown", "yellow", "old", "small", "large", "striped", "wet"]
DOINGS = ["standing", "sitting", "walking", "running", "playing", "eating", "sleeping", "waiting", "jumping"]
PLACES = ["beach", "street", "field", "kitchen", "park", "river", "mountain", "forest", "station", "garden", "road"]
# fmt: on


class Generator:
    """Generate unit vectors with the variance and the neighbourhoods of real photo vectors."""

    def __init__(self, seed: int = 11) -> None:
        """Calibrate on the baseline project's vectors if they are available. `seed` is the random seed."""
        random = np.random.default_rng(seed)
        self.calibrated = os.path.exists(BASELINE_VECTORS)
        if self.calibrated:
            real = np.load(BASELINE_VECTORS).astype(np.float64)
            real /= np.linalg.norm(real, axis=1)[:, None]
        else:  # a narrow cone with cosines of 0.83 +- 0.03, like the real ones
            real = random.standard_normal((112, 64)) * np.arange(1, 65) ** -0.35
            real = np.hstack(
                [real / np.linalg.norm(real, axis=1)[:, None] * 0.42, np.zeros((112, DIMENSION - 64))]
            )
            real[:, -1] = 0.91
            real /= np.linalg.norm(real, axis=1)[:, None]
        self.mean = real.mean(axis=0)
        centred = real - self.mean
        axes = np.linalg.svd(centred, full_matrices=False)[2][:64]
        basis = np.linalg.qr(np.vstack([axes, random.standard_normal((DIMENSION - 64, DIMENSION))]).T)[0].T
        basis[:64] = axes
        self.total = (centred**2).sum(axis=1).mean()
        self.shot_axes = (np.sqrt(_spectrum(0.9, 256))[random.permutation(256), None] * basis[:256]).astype(
            np.float32
        )
        scene_axes = np.sqrt(_spectrum(0.7, 96))[:, None] * basis[:96]
        scenes = 6000
        self.scenes = (
            np.sqrt(0.3) * centred[random.integers(0, 112, scenes)]
            + np.sqrt(0.3 * self.total) * random.standard_normal((scenes, 96)) @ scene_axes
        ).astype(np.float32)
        popular = np.minimum(random.zipf(1.3, scenes).astype(float), 200)
        self.popular = popular / popular.sum()

    def photos(self, count: int, seed: int) -> tuple[Matrix, NDArray[np.int64]]:
        """Return `count` vectors, (count, 768), and the scene of each. Events have three shots on average."""
        random = np.random.default_rng(seed)
        event = np.repeat(np.arange(count), random.geometric(1 / 3, count))[:count]
        scene = random.choice(len(self.scenes), event[-1] + 1, p=self.popular)
        base = self.scenes[scene] + self._shots(random, len(scene), 0.30)
        vectors = base[event] + self._shots(random, count, 0.10) + self.mean.astype(np.float32)
        order = random.permutation(count)
        return _unit(vectors)[order], scene[event][order]

    def queries(self, targets: Matrix, seed: int) -> Matrix:
        """Return a query vector near each target, at the typical distance between captions and queries."""
        random = np.random.default_rng(seed)
        mean = self.mean.astype(np.float32)
        near = mean + np.float32(np.sqrt(0.65)) * (targets - mean)
        return _unit(near + self._shots(random, len(targets), 0.35))

    def _shots(self, random: np.random.Generator, count: int, share: float) -> Matrix:
        noise = random.standard_normal((count, 256)).astype(np.float32) @ self.shot_axes
        return np.asarray(np.float32(np.sqrt(share * self.total)) * noise, np.float32)


def path_of(content: int) -> str:
    """Return the path of a photo of the library."""
    return f"/photos/album-{content // 100:05d}/IMG_{content:07d}.JPG"


def fill(store: SqliteStore, generator: Generator, photos: int) -> Iterator[tuple[Matrix, list[str]]]:
    """Insert a library into an empty index in bulk. Yields the vectors and captions of each step."""
    with store.writing() as db:
        root = store.roots.add(b"/photos").id
        db.execute("INSERT INTO model VALUES (1, 'embed', ?, ?, '')", (MODEL.name, MODEL.revision))
        db.execute("INSERT INTO model VALUES (2, 'caption', 'generated', 'benchmark', '')")
        db.execute(
            "INSERT INTO space (id, model, stage, dimension, lead, active) VALUES (1, 1, 'embed', ?, 'passage', 1)",
            (DIMENSION,),
        )
    random = np.random.default_rng(7)
    for first in range(1, photos + 1, STEP):
        count = min(STEP, photos + 1 - first)
        vectors, scenes = generator.photos(count, seed=first)
        texts = [caption(int(scene), random) for scene in scenes]
        ids = range(first, first + count)
        data = [row.tobytes() for row in vectors.astype(np.float16)]
        with store.writing() as db:
            insert_photos(db, root, ids, random, texts, caption_model=2)
            for view in ("passage", "captions"):
                db.executemany(
                    f"INSERT INTO vector (content, view, space, data) VALUES (?, '{view}', 1, ?)",
                    zip(ids, data, strict=True),
                )
        yield vectors, texts


def library(folder: str, photos: int, generator: Generator) -> SqliteStore:
    """Open the library of this size, which is made on first use."""
    path = os.path.join(folder, f"library-{photos}.db")
    built = os.path.exists(path)
    store = SqliteStore(path)
    started = time.perf_counter()
    if not built:
        for _ in fill(store, generator, photos):
            pass
        filled = time.perf_counter()
        store.vectors.rebuild()
        print(
            f"created in {filled - started:.0f} s, the nearest-neighbour table in {time.perf_counter() - filled:.1f} s"
        )
        store.checkpoint()
    return store


def insert_photos(
    db: apsw.Connection,
    root: int,
    ids: range,
    random: np.random.Generator,
    captions: Sequence[str],
    *,
    caption_model: int,
) -> None:
    """Insert photos with contents, dates, captions and words; vectors are up to the caller."""
    days = random.integers(FIRST_DAY, LAST_DAY, len(ids)).tolist()
    db.executemany(
        "INSERT INTO content (id, hash, pixels, format, width, height, taken_at, date, date_source, date_precision)"
        " VALUES (?1, ?2, ?2, 'JPEG', 4000, 3000, ?3, ?3, 'exif', 'second')",
        ((i, b"%032d" % i, day) for i, day in zip(ids, days, strict=True)),
    )
    db.executemany(
        "INSERT INTO photo (id, root, folder, name, size, mtime_ns, ctime_ns, inode, content,"
        f" first_seen, last_seen) VALUES (?1, {root}, ?2, ?3, 1, 1, 1, ?1, ?1, 1, 1)",
        ((i, b"album-%05d" % (i // 100), b"IMG_%07d.JPG" % i) for i in ids),
    )
    db.executemany(
        f"INSERT INTO stage_result VALUES (?, 'caption', {caption_model}, ?, 1)",
        ((i, f'["{text}"]') for i, text in zip(ids, captions, strict=True)),
    )
    db.executemany(
        "INSERT INTO document (content, caption, names) VALUES (?, ?, ?)",
        ((i, text, f"album {i // 100:05d} IMG {i:07d}") for i, text in zip(ids, captions, strict=True)),
    )


def caption(scene: int, random: np.random.Generator) -> str:
    """Return a caption. Photos of one scene share the object and the place, but not the other words."""
    thing, place = OBJECTS[scene % len(OBJECTS)], PLACES[scene // len(OBJECTS) % len(PLACES)]
    other = OBJECTS[int(random.zipf(1.5)) % len(OBJECTS)]
    quality = QUALITIES[int(random.integers(len(QUALITIES)))]
    doing = DOINGS[int(random.integers(len(DOINGS)))]
    return f"a picture of a {quality} {thing} {doing} near a {other} at the {place}"


def _spectrum(power: float, components: int) -> NDArray[np.float64]:
    """Return shares of the variance that decrease as a power of the rank; they sum to 1."""
    shares = np.arange(1, components + 1) ** -power
    return np.asarray(shares / shares.sum(), np.float64)


def _unit(vectors: Matrix) -> Matrix:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
