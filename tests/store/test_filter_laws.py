"""Filters over generated libraries, compared with a loop over plain data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from store_engines import Engine
from store_library import DAY, MODEL, NOW, decode, delete, describe, digest, put, stat, topic

from imgret.store import clauses, labels, paths, positions
from imgret.store.clauses import Clause
from imgret.store.fold import fold, fold_bytes, squeezed
from imgret.store.interface import Store
from imgret.store.records import TextColumn

ROOTS = (b"/p", "/Été".encode())  # the second one is away
FOLDERS = (b"", b"2019", b"2019/Rome", b"2019/rome2", b"20190", "Café".encode(), b"x\xff")
NAMES = (b"IMG_1.jpg", "Frühstück.JPG".encode(), b"c [1].png", b"\xff%_.jpg")
WORDS = ("zebra", "river", "cloud")
OBJECTS = ("dog", "person", "man", "Traffic light", "kite_x")
TOPICS = ("sports", "diaries_&_daily_life", "Élan")
TIMES = st.integers(-3, 3).map(lambda day: day * DAY)
TEXT = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)


@dataclass
class Content:
    taken_at: int | None
    camera: str | None
    format: str
    position: tuple[float, float] | None
    caption: str | None
    note: str
    text: str
    objects: dict[str, int]
    topics: set[str]


@dataclass
class File:
    root: bytes
    folder: bytes
    name: bytes
    data: str
    deleted: bool

    @property
    def path(self) -> bytes:
        return paths.join(self.root, self.folder, self.name)


CONTENTS = st.builds(
    Content,
    taken_at=st.none() | TIMES,
    camera=st.sampled_from([None, "Canon EOS 5D", "Voigtländer 2"]),
    format=st.sampled_from(["JPEG", "MPO", "PNG"]),
    position=st.none() | st.sampled_from([(48.1, 11.5), (48.1, 179.95)]),
    caption=st.none() | TEXT,
    note=TEXT,
    text=TEXT,
    objects=st.dictionaries(st.sampled_from(OBJECTS), st.integers(1, 3), max_size=3),
    topics=st.sets(st.sampled_from(TOPICS), max_size=2),
)
FILES = st.builds(
    File,
    root=st.sampled_from(ROOTS),
    folder=st.sampled_from(FOLDERS),
    name=st.sampled_from(NAMES),
    data=st.sampled_from("123"),
    deleted=st.integers(0, 4).map(lambda number: number == 0),
)
LIBRARIES = st.tuples(
    st.fixed_dictionaries(dict.fromkeys("123", CONTENTS)),
    st.lists(FILES, min_size=2, max_size=8, unique_by=lambda file: file.path),
    st.booleans(),  # whether the disk that is mounted at /p/2019 is away
)
PLACES = [
    "/p", "/p/2019", "/p/2019/", "/P/2019", "/p/2019/rome", "/", "2019", "ROME", "2019/Rome", "rom", "/été", "cafe",
    "/p/CAFÉ", "/nowhere",
]  # fmt: skip
PATTERNS = ("img", "IMG_1", "fruhstuck", "*.jpg", "?mg*", "c [1]", "[1]", "c [*", "%_", "_", "*", "x")
COUNTED = ("dog", "dogs", "people", "man", "traffic_light", "kite x", "emu")
MOMENTS = (None, -DAY, 0, 1, 2 * DAY)
ALL = [
    *(clauses.Taken(start, end) for start in MOMENTS for end in MOMENTS),
    *(clauses.Inside(folder.encode()) for folder in PLACES),
    clauses.Inside(b"x\xff"),
    *(clauses.Named(pattern) for pattern in PATTERNS),
    *(
        clauses.Objects(label, least, most)
        for label in COUNTED
        for least in (0, 1, 2)
        for most in (None, 0, 2)
    ),
    *(topic(name) for name in ("sports", "SPORT", "daily life", "elan", "opera")),
    *(clauses.Camera(name) for name in ("canon", "5d", "VOIGTLANDER", "nikon")),
    *(clauses.Has(what) for what in clauses.HAS),
    *(clauses.Online(online) for online in (True, False)),
    *(clauses.Format(name) for name in ("JPEG", "MPO", "PNG", "HEIF")),
    *(clauses.Containing(text) for text in ("ver", "river cloud", "dzeb", "O", "!!!")),
    *(clauses.Near(*at) for at in ((48.2, 11.6, 20), (48.1, -179.95, 10), (48.1, 11.5, 0.1), (0, 0, 20_000))),
    clauses.Around("two", (clauses.Near(48.2, 11.6, 20), clauses.Near(48.1, -179.95, 10))),
    *(clauses.Phrase(words) for words in ("zebra", "river cloud", "cloud river cloud", "!!!")),
]
ASKED = st.lists(st.builds(Clause, st.sampled_from(ALL), st.booleans()), min_size=2, max_size=3)
OF_PATHS = (clauses.Inside, clauses.Named, clauses.Online)


class Model:
    """A library as plain data."""

    def __init__(self, contents: dict[str, Content], files: list[File], *, away: bool) -> None:
        self.files = [file for file in files if not file.deleted]
        self.saved = {file.data: contents[file.data] for file in files}
        self.away = away

    def online(self, file: File) -> bool:
        if file.root == ROOTS[1]:
            return False
        return not self.away or paths.relative(b"2019", file.folder) is None

    def at(self, file: File, clause: Clause) -> bool:
        match clause.filter:
            case clauses.Online(online):
                found = self.online(file) == online
            case clauses.Named(pattern):
                found = self.named(fold_bytes(file.name), fold(pattern))
            case clauses.Inside(folder):
                found = self.inside(file, folder)
        return found != clause.negated

    def named(self, name: str, pattern: str) -> bool:
        if "*" not in pattern and "?" not in pattern:
            return pattern in name
        parts = {"*": ".*", "?": "."}
        return re.fullmatch("".join(parts.get(c, re.escape(c)) for c in pattern), name, re.S) is not None

    def inside(self, file: File, folder: bytes) -> bool:
        if folder.startswith(b"/"):
            folder = folder.rstrip(b"/") or b"/"
            exact = [
                each
                for each in self.files
                if paths.relative(folder, paths.join(each.root, each.folder, b"").rstrip(b"/")) is not None
            ]
            if exact:
                return file in exact
        whole = fold_bytes(file.root + b"/" + file.folder + b"/")
        wanted = fold_bytes(b"/" + folder.strip(b"/") + b"/")
        return whole.startswith(wanted) if folder.startswith(b"/") else wanted in whole

    def of(self, content: Content, clause: Clause) -> bool:
        filter_: Any = clause.filter
        match filter_:
            case clauses.Taken(start, end):
                taken = content.taken_at
                found = (
                    taken is not None and (start is None or taken >= start) and (end is None or taken < end)
                )
            case clauses.Objects(label, least, most):
                known = sorted({each for other in self.saved.values() for each in other.objects})
                count = sum(content.objects.get(each, 0) for each in labels.matching_labels(label, known))
                found = count >= least and (most is None or count <= most)
            case clauses.Camera(name):
                found = content.camera is not None and fold(name) in fold(content.camera)
            case clauses.Format(name):
                found = content.format in {"JPEG": ("JPEG", "MPO")}.get(name, (name,))
            case clauses.Has(what):
                found = {
                    "note": bool(content.note),
                    "caption": bool(content.caption),
                    "gps": content.position is not None,
                    "objects": bool(content.objects),
                    "topics": bool(content.topics),
                    "date": content.taken_at is not None,
                    "text": bool(content.text),
                }[what]
            case clauses.Containing(text):
                found = squeezed(text) in squeezed(content.text)
            case clauses.Near() | clauses.Around():
                circles = filter_.circles if isinstance(filter_, clauses.Around) else (filter_,)
                found = content.position is not None and any(
                    positions.distance_km((each.latitude, each.longitude), content.position) <= each.km
                    for each in circles
                )
            case clauses.Phrase(words):
                texts = [f" {text or ''} " for text in (content.caption, content.note, content.text)]
                found = words == "!!!" or any(f" {words} " in text for text in texts)
            case _:  # of topics
                wanted = fold(filter_.name.replace("_", " "))
                meant = labels.matching_labels(filter_.name, content.topics)
                found = bool(meant) or any(wanted in fold(each.replace("_", " ")) for each in content.topics)
        return found != clause.negated

    def showing(self, data: str, chosen: list[Clause]) -> list[File]:
        of_paths = [clause for clause in chosen if isinstance(clause.filter, OF_PATHS)]
        here = [file for file in self.files if file.data == data]
        return [file for file in here if all(self.at(file, clause) for clause in of_paths)]

    def matching(self, chosen: list[Clause]) -> set[str]:
        of_contents = [clause for clause in chosen if not isinstance(clause.filter, OF_PATHS)]
        return {
            data
            for data, content in self.saved.items()
            if self.showing(data, chosen) and all(self.of(content, clause) for clause in of_contents)
        }


def save(store: Store, contents: dict[str, Content], files: list[File], *, away: bool) -> dict[str, int]:
    """Put a library in a store. -> the content of each data"""
    roots = {path: store.roots.add(path).id for path in ROOTS}
    store.text_columns.set([TextColumn("caption", "caption"), TextColumn("ocr", "ocr", substrings=True)])
    saved: dict[str, int] = {}
    with store.writing():
        for file in files:
            content, _ = store.photos.save(
                roots[file.root], file.folder, file.name, stat(), digest(file.data), NOW
            )
            saved[file.data] = content
        for data, content in saved.items():
            known = contents[data]
            facts = {key: getattr(known, key) for key in ("taken_at", "camera", "format")}
            north, east = known.position or (None, None)
            decode(store, content, **facts, latitude=north, longitude=east)
            if known.note:
                store.results.write_note(content, known.note)
            store.results.save(content, "ocr", MODEL, "", texts={"ocr": known.text})
            describe(store, content, caption=known.caption, objects=known.objects, topics=known.topics)
        for file in files:
            if file.deleted:
                delete(store, file.path)
        if away:
            store.roots.mark_mounted(roots[b"/p"], b"2019", "vfat:1")
            store.roots.mark_unmounted(roots[b"/p"], b"2019", "away")
        store.roots.mark_offline(roots[ROOTS[1]], "unplugged")
    return saved


@settings(max_examples=25, deadline=None)
@given(LIBRARIES, st.lists(ASKED, min_size=20, max_size=20))
def test_filters_pass_what_a_loop_passes(engine: Engine, library: Any, several: list[list[Clause]]) -> None:
    contents, files, away = library
    model = Model(contents, files, away=away)
    alone = [[Clause(filter_, negated)] for filter_ in ALL for negated in (False, True)]
    with engine.empty() as store:
        saved = save(store, contents, files, away=away)
        for chosen in ([], *alone, *several):
            found = store.filters.matching(chosen)
            assert found.dtype == np.int64
            assert found.tolist() == sorted(saved[data] for data in model.matching(chosen)), chosen
            first = sorted(
                (min(file.path for file in model.showing(data, chosen)), saved[data])
                for data in model.matching(chosen)
            )
            assert store.filters.first_by_path(chosen, 2).tolist() == [content for _, content in first[:2]]
            if not any(isinstance(clause.filter, OF_PATHS) for clause in chosen):
                continue
            for data, content in saved.items():
                shown = store.filters.showing(chosen, content)
                wanted = [(file.path, model.online(file)) for file in model.showing(data, chosen)]
                assert sorted(shown) == sorted(wanted), chosen
                assert [online for _, online in shown] == sorted((o for _, o in shown), reverse=True)


@settings(max_examples=40, deadline=None)
@given(LIBRARIES, st.integers(0, 4), st.none() | st.sets(st.sampled_from("123")))
def test_the_newest_living_photos(engine: Engine, library: Any, count: int, among: set[str] | None) -> None:
    contents, files, away = library
    with engine.empty() as store:
        saved = save(store, contents, files, away=away)
        living = {file.data for file in files if not file.deleted}
        ids = np.array([*saved.values(), 999], np.int64)
        mask = store.filters.living(ids)
        assert mask.dtype == np.bool_
        assert mask.tolist() == [*(data in living for data in saved), False]
        pool = living if among is None else living & among
        order = sorted(
            pool,
            key=lambda data: (contents[data].taken_at is None, -(contents[data].taken_at or 0), saved[data]),
        )
        given_ = None if among is None else np.array(sorted(saved[data] for data in pool), np.int64)
        assert store.filters.newest(given_, count).tolist() == [saved[data] for data in order][:count]


def test_one_path_must_pass_all_filters_of_paths(store: Store) -> None:
    content = put(store, b"/photos/2019/img.jpg", "same")
    put(store, b"/photos/2020/copy.jpg", "same")
    inside, named = Clause(clauses.Inside(b"2019")), Clause(clauses.Named("copy"))
    assert store.filters.matching([inside]).tolist() == store.filters.matching([named]).tolist() == [content]
    assert store.filters.matching([inside, named]).tolist() == []
    outside = Clause(clauses.Inside(b"2019"), negated=True)
    assert store.filters.matching([outside, named]).tolist() == [content]
    assert store.filters.showing([inside], content) == [(b"/photos/2019/img.jpg", True)]
