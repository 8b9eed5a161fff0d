"""A library made by hand: real index files, the real offline embedder, no picture files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saving import save, save_vectors

from imgret.config import Settings, places
from imgret.photo import Detection, Facts, FileStat, ModelIdentity
from imgret.pipeline.loading import load_model
from imgret.search.query_encoder import QueryEncoder
from imgret.stages import registry
from imgret.stages.embed import EmbedSettings
from imgret.stages.interface import Item, StageModel
from imgret.store.factory import open_store
from imgret.store.interface import Store

CAPTIONER = ModelIdentity("captioner", "1")


@pytest.fixture(scope="session")
def wordllama() -> StageModel:
    settings = Settings().with_tables(embed=EmbedSettings(weights="wordllama"))
    return load_model(registry.own()["embed"], settings, places())


@pytest.fixture
def encoder(wordllama: StageModel) -> QueryEncoder:
    return QueryEncoder(wordllama)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "index.db")) as opened:
        yield opened


@pytest.fixture
def add(store: Store, wordllama: StageModel) -> Callable[..., int]:
    """add("a/b.jpg", caption=..., objects={...}, note=..., ...) -> content; the root is /photos."""

    def put(path: str, *, of: str | None = None, embed: bool = True, **known: Any) -> int:
        folder, _, name = path.rpartition("/")
        file_stat = FileStat(1, 1, 1, 1)
        digest = hashlib.blake2b((of or path).encode(), digest_size=32).digest()
        with store.writing():
            root = store.roots.add(b"/photos")
            content, new = store.photos.save(root.id, folder.encode(), name.encode(), file_stat, digest, 1)
            if not new:
                store.results.refresh_words(content)
                return content
            facts = Facts(known.get("format", "JPEG"), 40, 30, known.get("taken_at"), known.get("camera"))
            pixels = hashlib.blake2b(str(known.get("pixels", path)).encode(), digest_size=32).digest()
            store.contents.save_facts(content, facts, pixels)
            objects: dict[str, int] = known.get("objects", {})
            found = tuple(Detection(o, 0.9, (0, 0, 1, 1)) for o, n in objects.items() for _ in range(n))
            captions = known.get("caption")  # one, or several
            if isinstance(captions, str):
                captions = (captions,) if captions else ()
            if captions is not None:
                save(store, content, "caption", CAPTIONER, captions)
            if "topics" in known:
                save(store, content, "topics", CAPTIONER, tuple(known["topics"]))
            save(store, content, "detect", CAPTIONER, tuple(found))
            store.results.write_note(content, known.get("note"))
            if embed:
                described = {"caption": captions, "detect": found}
                names = store.results.names(content)
                (made,) = wordllama.run([Item(results=described, note=known.get("note"), names=names)])
                save_vectors(store, content, wordllama.identity, made.vectors)
        return content

    return put


@pytest.fixture
def units() -> Callable[..., Any]:
    """units(rows, dimension) -> random unit vectors in a narrow cone, as embedders of texts give them."""

    def make(rows: int, dimension: int = 32, seed: int = 0, cone: float = 2.0) -> Any:
        random = np.random.default_rng(seed)
        spectrum = np.arange(1, dimension + 1) ** -0.5
        vectors = random.standard_normal((rows, dimension)) * spectrum
        vectors[:, 0] += cone
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    return make


@pytest.fixture
def bulk(store: Store) -> Callable[[Sequence[Any], ModelIdentity], list[int]]:
    """bulk(vectors, model) -> contents with a photo, and this passage vector each."""

    def put(rows: Sequence[Any], model: ModelIdentity) -> list[int]:
        made = []
        with store.writing() as db:
            root = store.roots.add(b"/photos").id
            start = int(db.execute("SELECT coalesce(max(id), 0) FROM content").get)  # type: ignore[arg-type]
            for number, row in enumerate(rows, start + 1):
                name = b"%d.jpg" % number
                digest = hashlib.blake2b(name, digest_size=32).digest()
                content, _ = store.photos.save(root, b"", name, FileStat(1, 1, 1, number), digest, 1)
                store.contents.save_facts(content, Facts("JPEG", 4, 3, number), digest)
                store.vectors.save(content, model, {"passage": row})
                made.append(content)
        return made

    return put
