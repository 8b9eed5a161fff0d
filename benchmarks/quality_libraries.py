"""Libraries described by texts, and queries for them, for `benchmarks.quality`."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from imgret import stage_results
from imgret.photo import Detection, Facts, FileStat, ModelIdentity
from imgret.search.query_encoder import QueryEncoder
from imgret.search.space_queries import SpaceEncoder
from imgret.search.stopwords import STOPWORDS
from imgret.stages import passage
from imgret.stages.interface import Item, Result, StageModel
from imgret.store.factory import open_store
from imgret.store.interface import Store

HERE = os.path.dirname(__file__)
BASELINE_DATA = os.path.join(HERE, "..", "..", "shared", "seed")
NAMES = ["Rosa", "Anneke", "Tobias", "Mehmet", "Yuki", "Priya", "Siobhan", "Matteo", "Zofia", "Lars", "Kwame"]
TOWNS = ["Lisbon", "Kyoto", "Tromso", "Zanzibar", "Ljubljana", "Galway", "Hanoi", "Porto", "Quito", "Palermo"]
THINGS = ["quokka", "funicular", "samovar", "bivouac", "gazpacho", "regatta", "obelisk", "marimba", "trellis"]
MEMORIES = ["{n} in {t}", "with {n}, {t}", "{n} and the {r}", "our {r} at {t}", "remember {n}'s {r}"]
SHAPES = {"circle": "disc", "square": "box", "triangle": "wedge", "star": "pentagram", "ring": "hoop"}
COLOURS = {"red": "crimson", "blue": "azure", "green": "emerald", "yellow": "golden", "black": "dark"}
GROUNDS = {"grass": "meadow", "sand": "beach", "snow": "winter", "water": "lake", "stone": "rock"}


class Scene(NamedTuple):
    """A photo and the queries for it."""

    name: str
    caption: str | None
    objects: Mapping[str, int]
    note: str | None
    natural: str  # in other words
    shared: str  # with some of the same words
    named: str | None = None  # with a name from the note
    captions: tuple[str, ...] = ()  # further ones


class JudgedQuery(NamedTuple):
    """A query and its relevant photos."""

    text: str
    relevant: frozenset[int]


class Library(NamedTuple):
    """A library with queries, and what encodes them."""

    title: str
    store: Store
    encoder: SpaceEncoder | None  # of texts
    others: Mapping[str, SpaceEncoder]  # of further spaces, by stage
    kinds: Mapping[str, Sequence[JudgedQuery]]


def described(folder: str, model: StageModel) -> Iterator[Library]:
    """Yield the libraries, each in an index in `folder`. Those of the gallery need the detector's counts."""
    found: dict[str, list[Scene]] = {}
    if os.path.isdir(os.path.join(BASELINE_DATA, "gallery")):
        counted = _counts()
        found["gallery, sentences as notes"] = gallery(counted, notes=False)
        found["gallery, captions and notes"] = gallery(counted, notes=True)
        found["other author, sentences as notes"] = paraphrased(counted, notes=False)
        found["other author, captions and notes"] = paraphrased(counted, notes=True)
    found["scenes in words"] = drawn()
    for number, (title, scenes) in enumerate(found.items()):
        with open_store(os.path.join(folder, f"described{number}.db")) as store:
            contents = fill(store, scenes, model)
            yield Library(title, store, QueryEncoder(model), {}, queries(scenes, contents))


def fill(store: Store, scenes: Sequence[Scene], model: StageModel) -> list[int]:
    """Save the scenes as described photos. Return their contents in order."""
    contents = []
    author = ModelIdentity("author", "benchmark")
    with store.writing():
        root = store.roots.add(b"/photos").id
        for number, scene in enumerate(scenes):
            digest = hashlib.blake2b(scene.name.encode(), digest_size=32).digest()
            content, _ = store.photos.save(
                root, b"trip", scene.name.encode(), FileStat(1, 1, 1, number), digest, 1
            )
            store.contents.save_facts(content, Facts("JPEG", 640, 480), digest)
            found = [Detection(o, 0.9, (0, 0, 1, 1)) for o, n in scene.objects.items() for _ in range(n)]
            captions = (scene.caption, *scene.captions) if scene.caption else None
            if captions is not None:
                stage_results.save(store, content, "caption", author, Result(captions))
            stage_results.save(store, content, "detect", author, Result(tuple(found)))
            store.results.write_note(content, scene.note)
            results = {"caption": captions, "detect": tuple(found)}
            (made,) = model.run([Item(results=results, note=scene.note, names=store.results.names(content))])
            assert isinstance(made, Result)
            stage_results.save(store, content, "embed", model.identity, made)
            contents.append(content)
    return contents


def queries(scenes: Sequence[Scene], contents: Sequence[int]) -> dict[str, list[JudgedQuery]]:
    """Return the queries for a library by kind."""
    chance = random.Random(3)

    def having(words: Sequence[str]) -> frozenset[int]:
        both = zip(contents, scenes, strict=True)
        return frozenset(
            content for content, scene in both if all(word in (scene.note or "") for word in words)
        )

    def of(text: Callable[[Scene], str]) -> list[JudgedQuery]:
        relevant: dict[str, set[int]] = {}
        for content, scene in zip(contents, scenes, strict=True):
            relevant.setdefault(text(scene), set()).add(content)
        return [JudgedQuery(text(scene), frozenset(relevant[text(scene)])) for scene in scenes]

    kinds = {"in other words": of(lambda s: s.natural), "with some of the same words": of(lambda s: s.shared)}
    kinds["file name"] = of(lambda s: os.path.splitext(s.name)[0])
    if all(scene.named for scene in scenes):
        kinds["with a name"] = of(lambda s: s.named or "")
        return kinds
    named = [(s, [w for w in NAMES + TOWNS + THINGS if s.note and w in s.note]) for s in scenes]
    if any(words for _, words in named):
        alone, beside = [], []
        for content, (scene, words) in zip(contents, named, strict=True):
            for word in words:
                alone.append(JudgedQuery(word, having([word])))
                beside.append(JudgedQuery(f"{scene.natural} {word}", frozenset([content])))
            if len(words) > 1:
                alone.append(JudgedQuery(" ".join(words), having(words)))
        kinds["a name, a place or a rare word"] = alone
        kinds["other words and a name"] = beside
        chance.shuffle(beside)
    return kinds


def gallery(counted: Mapping[str, Mapping[str, int]], *, notes: bool) -> list[Scene]:
    """Return the gallery's photos with sentences as notes, or with `notes`, as captions and with further notes."""
    chance = random.Random(5)
    scenes = []
    with open(os.path.join(HERE, "quality_gallery.tsv"), encoding="utf-8") as file:
        for line in file:
            name, sentence, natural = line.rstrip("\n").split("\t")
            memory = chance.choice(MEMORIES).format(
                n=chance.choice(NAMES), t=chance.choice(TOWNS), r=chance.choice(THINGS)
            )
            caption, note = (f"{passage.PROMPT}{sentence}", memory) if notes else (None, sentence)
            shared = _shared(sentence, natural, chance)
            scenes.append(Scene(name, caption, counted.get(name, {}), note, natural, shared))
    return scenes


def paraphrased(counted: Mapping[str, Mapping[str, int]], *, notes: bool) -> list[Scene]:
    """Return the same photos with the sentences, queries and notes of another author."""
    scenes = []
    with open(os.path.join(HERE, "quality_gallery_paraphrased.tsv"), encoding="utf-8") as file:
        for line in file:
            name, sentence, short, natural, shared, last = line.rstrip("\n").split("\t")
            named, memory = last.split(" | ")
            caption, note = (passage.PROMPT + short, memory) if notes else (None, sentence)
            objects = counted.get(name, {})
            scenes.append(Scene(name, caption, objects, note, natural, shared, named if notes else None))
    return scenes


def drawn() -> list[Scene]:
    """Return scenes of two shapes on a ground. Queries use synonyms of the words in the captions."""
    chance = random.Random(9)
    scenes = []
    things = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    for number, (colour, shape) in enumerate(things * 12):
        other_colour, other = chance.choice(things)
        ground = chance.choice(list(GROUNDS))
        many = chance.choice(["one", "two", "three"])
        sentence = f"{many} {colour} {shape} next to a {other_colour} {other} on {ground}"
        natural = f"{COLOURS[colour]} {SHAPES[shape]} beside {COLOURS[other_colour]} {SHAPES[other]} {GROUNDS[ground]}"
        memory = chance.choice(MEMORIES).format(
            n=chance.choice(NAMES), t=chance.choice(TOWNS), r=chance.choice(THINGS)
        )
        objects = {shape: ["one", "two", "three"].index(many) + 1}
        objects[other] = objects.get(other, 0) + 1
        shared = _shared(sentence, natural, chance)
        scenes.append(
            Scene(f"drawing-{number:04d}.png", passage.PROMPT + sentence, objects, memory, natural, shared)
        )
    return scenes


def _shared(sentence: str, natural: str, chance: random.Random) -> str:
    """Return some words of the sentence in their order, and up to two words of the other wording."""
    own = [word.strip(",") for word in sentence.split() if word.strip(",") not in STOPWORDS]
    kept = [word for word in own if chance.random() < 0.45] or own[:2]
    other = [word for word in natural.split() if word not in STOPWORDS]
    return " ".join(kept[:5] + chance.sample(other, min(len(other), chance.choice([0, 1, 2]))))


def _counts() -> dict[str, dict[str, int]]:
    """Return the objects that a detector counts in each photo of the gallery; empty if ultralytics is missing."""
    weights = os.path.join(BASELINE_DATA, "weights", "yolov8n_int8.onnx")
    folder = os.path.join(BASELINE_DATA, "gallery")
    with tempfile.TemporaryDirectory(prefix="imgret-bench-") as state:
        os.environ.update(YOLO_OFFLINE="True", YOLO_VERBOSE="False", YOLO_CONFIG_DIR=state)
        try:
            from ultralytics import YOLO

            model = YOLO(weights, task="detect")
            found = {}
            for name in sorted(os.listdir(folder)):
                boxes = model.predict(os.path.join(folder, name), verbose=False)[0]
                found[name] = passage.counts(
                    Detection(boxes.names[int(label)], 1.0, (0, 0, 1, 1))
                    for label in boxes.boxes.cls.tolist()
                )
        except ImportError as error:
            print(f"no counts: {error}")
            return {}
    return found
