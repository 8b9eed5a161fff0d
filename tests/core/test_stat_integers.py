"""The values of `stat`, as integers that SQLite can hold."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from imgret.photo import file_stat_of

anything = st.integers(-(2**70), 2**70)
ordinary = st.integers(-(2**63) + 1, 2**63 - 1)


def status(size, mtime, ctime, inode):
    return SimpleNamespace(st_size=size, st_mtime_ns=mtime, st_ctime_ns=ctime, st_ino=inode)


@given(st.tuples(anything, anything, anything, anything))
def test_every_field_has_64_bits_and_a_sign(fields):
    assert all(-(2**63) <= field < 2**63 for field in file_stat_of(status(*fields)))


@given(st.tuples(ordinary, ordinary, ordinary, ordinary))
def test_ordinary_fields_are_as_they_are(fields):
    assert file_stat_of(status(*fields)) == fields


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_inode_numbers_of_64_bits_stay_different(one, other):
    assert (file_stat_of(status(1, 2, 3, one)) == file_stat_of(status(1, 2, 3, other))) == (one == other)
