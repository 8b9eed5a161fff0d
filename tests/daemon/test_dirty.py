"""A dirty folder is handed out exactly once, when it is quiet or has waited long enough."""

from hypothesis import given
from hypothesis import strategies as st
from imgretd.dirty import DirtyFolders, is_in

ROOT = b"/r"
folders = st.sampled_from([b"/r", b"/r/a", b"/r/a/b", b"/r/ab", b"/r/c"])
happenings = st.lists(
    st.tuples(
        st.floats(0, 2, allow_nan=False),  # seconds since the last one
        st.one_of(
            folders.map(lambda f: ("touch", f)),
            folders.map(lambda f: ("tree", f)),
            folders.map(lambda f: ("later", f)),
            st.just(("take", b"")),
        ),
    ),
    max_size=40,
)


def covers(due, folder):
    return folder in due.folders or any(is_in(folder, tree) for tree in due.trees)


@given(happenings, st.integers(1, 5))
def test_every_touch_is_scanned_after_it_and_in_time(happenings, most):
    dirty, now = DirtyFolders(quiet=0.3, longest=2.0, most=most), 0.0
    waiting = {}  # folder -> its first touch that no scan has covered yet
    for passed, (what, folder) in happenings:
        now += passed
        if what == "touch":
            dirty.touch(folder, ROOT, now)
            waiting.setdefault(folder, now)
        elif what == "tree":
            dirty.touch_tree(folder, now)
            waiting.setdefault(folder, now)
        elif what == "later":
            dirty.scan_later(folder, now + 1.0)
        else:
            due = dirty.take(now)
            assert not any(is_in(f, tree) for f in due.folders for tree in due.trees)
            waiting = {f: since for f, since in waiting.items() if not covers(due, f)}
            assert all(since > now - 2.0 for since in waiting.values())
    end = dirty.take(now + 10)
    assert all(covers(end, folder) for folder in waiting)
    assert len(dirty) == 0
    assert dirty.due() is None
    assert not dirty.take(now + 20)


def test_a_burst_causes_one_scan():
    dirty = DirtyFolders(quiet=0.3, longest=5.0)
    for tenth in range(10):
        dirty.touch(b"/r/a", ROOT, tenth / 10)
        assert not dirty.take(tenth / 10)
    assert dirty.due() == 0.9 + 0.3
    assert dirty.take(1.3).folders == {b"/r/a"}


def test_a_folder_that_is_never_quiet_is_scanned_all_the_same():
    dirty = DirtyFolders(quiet=0.3, longest=5.0)
    taken = []
    for tenth in range(101):
        dirty.touch(b"/r", ROOT, tenth / 10)
        if dirty.take(tenth / 10):
            taken.append(tenth / 10)
    assert taken == [5.0]


def test_looking_again_does_not_hold_up_what_comes_in_between():
    dirty = DirtyFolders(quiet=0.3, longest=5.0)
    dirty.scan_later(b"/r", 2.0)
    dirty.touch(b"/r", ROOT, 0.5)
    assert dirty.take(0.9).folders == {b"/r"}
    assert dirty.take(2.0).folders == {b"/r"}


def test_very_many_folders_become_one_tree():
    dirty = DirtyFolders(most=10)
    for i in range(11):
        dirty.touch(b"/r/%d" % i, ROOT, 0.0)
    assert len(dirty) == 1
    assert dirty.take(1.0).trees == {ROOT}
