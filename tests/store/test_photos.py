"""Photos: which content is at which path, compared with a plain dictionary."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from store_engines import Engine
from store_library import DAY, NOW, digest, stat

from imgret.photo import FileStat
from imgret.store import paths, policy, records
from imgret.store.interface import Store

ROOTS = (b"/p", b"/q")
FOLDERS = (
    b"",
    b"a",
    b"a/b",
    b"a0",
    b"ab",
    b"a-",
    b"\xff\n",
)  # names that sort beside `a/`, and one that is not text
NAMES = (b"x.jpg", b"\xfe'%_.jpg")
PATHS = st.tuples(st.sampled_from(ROOTS), st.sampled_from(FOLDERS), st.sampled_from(NAMES))
DATA = st.sampled_from(["one", "two", "three"])
STATS = st.integers(1, 3).map(stat)
WAITS = st.sampled_from([0, 1, 59, 60, 700, 4 * 3600, 2 * DAY])


@dataclass
class Unreadable:
    error: str
    attempts: int
    not_before: int


@dataclass
class Known:
    """The state of a path in the model."""

    file_stat: FileStat
    data: str | None
    gone_at: int | None = None
    unreadable: Unreadable | None = None


class Paths(RuleBasedStateMachine):
    """Two connections save, move and delete photos; a dictionary has what each of them must find."""

    used: Bundle[tuple[bytes, bytes, bytes]] = Bundle("used")  # paths that were given before

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._opened = engine.connections(2)
        self.store, self.other = self._opened.__enter__()
        self.now = NOW
        self.photos: dict[tuple[bytes, bytes, bytes], Known] = {}
        self.contents: dict[str, int] = {}
        self.offline: set[bytes] = set()

    @initialize(target=used, given=st.lists(PATHS, min_size=4, max_size=4))
    def add_roots(self, given: list[tuple[bytes, bytes, bytes]]) -> object:
        self.roots = {path: self.store.roots.add(path).id for path in ROOTS}
        return multiple(*given)

    def teardown(self) -> None:
        self._opened.__exit__(None, None, None)

    @rule(wait=WAITS)
    def wait_and_change_connections(self, wait: int) -> None:
        self.now += wait
        self.store, self.other = self.other, self.store

    @rule(target=used, path=PATHS, data=DATA)
    def save_at_another_path(self, path: tuple[bytes, bytes, bytes], data: str) -> object:
        self.save(path, data, stat())
        return path

    @rule(path=used, data=DATA, file_stat=STATS)
    def save(self, path: tuple[bytes, bytes, bytes], data: str, file_stat: FileStat) -> None:
        root, folder, name = path
        content, new = self.store.photos.save(
            self.roots[root], folder, name, file_stat, digest(data), self.now
        )
        assert new == (data not in self.contents)
        assert self.contents.setdefault(data, content) == content
        self.photos[path] = Known(file_stat, data)

    @rule(path=used, file_stat=STATS, error=st.sampled_from(["denied", "an I/O error"]))
    def fail_to_read(self, path: tuple[bytes, bytes, bytes], file_stat: FileStat, error: str) -> None:
        root, folder, name = path
        before = self.photos.get(path)
        known = before.unreadable if before else None
        again = (
            before is not None
            and known is not None
            and before.gone_at is None
            and before.file_stat == file_stat
            and known.not_before > self.now
        )
        counted = self.store.photos.save_unreadable(
            self.roots[root], folder, name, file_stat, error, self.now
        )
        assert counted == (not again)
        if not again:
            attempts = known.attempts + 1 if known else 1
            pause = policy.PAUSES[min(attempts, policy.MAX_ATTEMPTS) - 1]
            data = before.data if before else None
            if (
                before
                and before.gone_at is not None
                and data in {each.data for each in self.living().values()}
            ):
                data = None  # it was moved, and this is another file
            self.photos[path] = Known(file_stat, data, None, Unreadable(error, attempts, self.now + pause))

    @rule(path=used, names=st.sets(st.sampled_from(NAMES)))
    def delete(self, path: tuple[bytes, bytes, bytes], names: set[bytes]) -> None:
        root, folder = path[:2]
        names = names | {path[2]}
        alive = [
            path
            for name in names
            if (path := (root, folder, name)) in self.photos and self.photos[path].gone_at is None
        ]
        count = self.store.photos.mark_deleted(
            self.roots[root], folder, [*names, b"never there.jpg"], self.now
        )
        assert count == len(alive)
        for path in alive:
            self.photos[path] = replace(self.photos[path], gone_at=self.now)

    @rule(path=used, data=DATA)
    def suspect(self, path: tuple[bytes, bytes, bytes], data: str) -> None:
        if data not in self.contents:
            return
        known = self.photos.get(path)
        if known is not None and known.data == data:
            known.file_stat = known.file_stat._replace(inode=policy.OTHER_INODE)
        elsewhere = any(
            each.file_stat.inode != policy.OTHER_INODE and where[0] not in self.offline
            for where, each in self.living().items()
            if each.data == data
        )
        assert self.store.photos.suspect(paths.join(*path), self.contents[data]) == elsewhere

    @rule(root=st.sampled_from(ROOTS))
    def unplug_or_plug_in(self, root: bytes) -> None:
        if root in self.offline:
            self.offline.remove(root)
            self.store.roots.mark_online(self.roots[root], None)
        else:
            self.offline.add(root)
            self.store.roots.mark_offline(self.roots[root], "unplugged")

    def living(self) -> dict[tuple[bytes, bytes, bytes], Known]:
        return {path: each for path, each in self.photos.items() if each.gone_at is None}

    @invariant()
    def both_connections_find_the_same(self) -> None:
        for store in (self.store, self.other):
            self.compare_folders(store)
            self.compare_paths(store)

    def compare_folders(self, store: Store) -> None:
        living = self.living()
        for root in ROOTS:
            id_ = self.roots[root]
            here = [(folder, name) for where, folder, name in living if where == root]
            for folder in FOLDERS:
                inside = {name: living[root, folder, name].file_stat for at, name in here if at == folder}
                assert store.photos.known(id_, folder) == inside
                below = {at for at, _ in here if paths.relative(folder, at) is not None or not folder}
                assert store.photos.known_folders(id_, folder) == below
                assert store.photos.any_known(id_, folder) == bool(below)
            due = {
                path[1:]
                for path, each in living.items()
                if path[0] == root
                and each.unreadable is not None
                and each.unreadable.attempts < policy.MAX_ATTEMPTS
                and each.unreadable.not_before <= self.now
            }
            assert set(store.photos.due_unreadable(id_, self.now)) == due
            assert store.summary.photos_under(id_) == len(here)

    def compare_paths(self, store: Store) -> None:
        living = self.living()
        assert sorted(store.photos.all_paths()) == sorted(paths.join(*path) for path in living)
        for path, each in self.photos.items():
            found = store.photos.find(paths.join(*path))
            assert found is not None
            assert found.path == paths.join(*path)
            assert found.file_stat == each.file_stat
            assert found.gone_at == each.gone_at
            assert found.online == (path[0] not in self.offline)
            content = self.contents[each.data] if each.data else None
            assert found.content == content
            alive = each.gone_at is None
            assert store.photos.content_at(self.roots[path[0]], *path[1:]) == (content if alive else None)
            failure = store.failures.unreadable(found)
            assert (failure is None) == (each.unreadable is None)
            if failure is not None and each.unreadable is not None:
                assert (failure.path, failure.stage, failure.error) == (
                    found.path,
                    records.READ,
                    each.unreadable.error,
                )
                assert (failure.attempts, failure.not_before) == (
                    each.unreadable.attempts,
                    each.unreadable.not_before,
                )
        for data, content in self.contents.items():
            places = [
                (path[0] in self.offline, paths.join(*path)) for path in living if living[path].data == data
            ]
            found_at = store.photos.paths(content)
            assert [(not photo.online, photo.path) for photo in found_at] == sorted(places)
            assert all((photo.content, photo.gone_at) == (content, None) for photo in found_at)
        sizes = {each.file_stat.size for each in self.photos.values() if each.data is not None}
        assert {size for size in range(5) if store.photos.known_size(size)} == sizes


def test_paths_and_contents_are_as_a_dictionary_has_them(engine: Engine) -> None:
    run_state_machine_as_test(
        lambda: Paths(engine),
        settings=settings(max_examples=engine.examples(40), stateful_step_count=30, deadline=None),
    )
