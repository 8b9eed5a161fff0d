"""Files of vectors for `imgret eval`: what is read, and what is refused with a sentence."""

import os
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from imgret.errors import Exit, UsageError
from imgret.evaluate import vector_file

GOOD = {
    "names": np.array(["a.jpg", "in/b.jpg", "ü.jpg"]),
    "images": np.array([[3, 4], [0, 2], [-1, 0]], np.float16),
    "questions": np.array([" a dog ", "a cat"]),
    "vectors": np.array([[1, 0], [0, 5]], np.float32),
}


def saved(tmp_path, **changed):
    path = tmp_path / "v.npz"
    kept = {name: array for name, array in {**GOOD, **changed}.items() if array is not None}
    np.savez(path, **kept)
    return str(path)


def test_vectors_are_normalised_and_texts_are_stripped(tmp_path):
    found = vector_file.read(saved(tmp_path))
    assert found.names == ("a.jpg", "in/b.jpg", "ü.jpg")
    assert found.questions == ("a dog", "a cat")
    assert found.images.dtype == found.vectors.dtype == np.float32
    assert found.images == pytest.approx(np.array([[0.6, 0.8], [0, 1], [-1, 0]]))
    assert found.vectors == pytest.approx(np.eye(2))
    assert found.photos is None
    with_photos = vector_file.read(saved(tmp_path, photos=np.array(["in/b.jpg", "a.jpg"])))
    assert with_photos.photos == ("in/b.jpg", "a.jpg")
    assert with_photos.digest != found.digest


def test_a_compressed_file_is_read_and_other_arrays_are_ignored(tmp_path):
    path = str(tmp_path / "v.npz")
    np.savez_compressed(path, **GOOD, more=np.array([None, {}], object))
    assert len(vector_file.read(path).names) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"names": None}, "has no array names"),
        ({"images": None, "vectors": None}, "has no array images and no array vectors"),
        ({"names": np.array(["a", "b"])}, r"images has 3 rows, and names has 2"),
        ({"questions": np.array(["a"])}, r"vectors has 2 rows, and questions has 1"),
        ({"names": np.array(["a", "b", "a"])}, r"rows 0 and 2 of names are the same: a$"),
        ({"questions": np.array(["a dog", "a dog  "])}, r"rows 0 and 1 of questions are the same: a dog$"),
        ({"names": np.array([["a", "b", "c"]])}, r"names is an array \(1, 3\) of <U1, not a row of texts"),
        ({"names": np.array([b"a", b"b", b"c"])}, r"names is an array \(3\) of \|S1"),
        ({"names": np.array([1, 2, 3])}, "names is an array"),
        ({"names": np.array(["a", " ", "c"])}, "row 1 of names is empty"),
        ({"names": np.array(["a", "b\0c", "c"])}, "row 1 of names is not valid text"),
        ({"names": np.array(["a", "\ud800", "c"])}, "row 1 of names is not valid text"),
        ({"questions": np.array([], str), "vectors": np.zeros((0, 2))}, "questions has no rows"),
        ({"names": np.array([], str), "images": np.zeros((0, 2))}, "names has no rows"),
        ({"names": np.array(["a", "b", None], object)}, "holds Python objects"),
        ({"images": np.array([[1], [None], [2]], object)}, "holds Python objects"),
        (
            {"images": np.eye(3, 2, dtype=np.int64)},
            r"images is an array \(3, 2\) of int64, not rows of vectors",
        ),
        ({"images": np.ones(3)}, r"images is an array \(3\) of float64"),
        ({"images": np.ones((3, 0))}, r"images is an array \(3, 0\)"),
        ({"images": np.ones((3, 2, 1))}, r"images is an array \(3, 2, 1\)"),
        ({"images": np.ones((3, 4), np.float32)}, "images have 4 numbers, and those of vectors have 2"),
        ({"images": np.array([[1, 1], [1, np.nan], [1, 1]])}, "row 1 of images holds NaN or infinity"),
        ({"vectors": np.array([[-np.inf, 1], [1, 1]], np.float16)}, "row 0 of vectors holds NaN or infinity"),
        ({"vectors": np.array([[1, 1], [0, 0]], np.float16)}, "row 1 of vectors is all zeros"),
        ({"photos": np.array(["a.jpg"])}, "photos has 1 rows, and questions has 2"),
    ],
)
def test_a_file_that_is_not_usable_is_refused_with_a_sentence(tmp_path, changed, message):
    path = saved(tmp_path, **changed)
    with pytest.raises(UsageError, match=message) as raised:
        vector_file.read(path)
    assert str(raised.value).startswith(path)
    assert raised.value.hint
    assert raised.value.exit_code == Exit.USAGE


def test_a_file_that_is_no_archive_of_arrays_is_refused(tmp_path):
    plain = tmp_path / "v.npy"
    np.save(plain, np.eye(2))
    text = tmp_path / "v.txt"
    text.write_text("no arrays")
    empty = tmp_path / "empty.npz"
    empty.write_bytes(b"")
    archive = tmp_path / "v.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("names.npy", "not an array")
        made.writestr("images.npy", b"\x93NUMPY")
        made.writestr("questions.npy", "")
        made.writestr("vectors.npy", "")
    for path in (plain, text, empty, archive):
        with pytest.raises(UsageError, match=r"is not an \.npz file, or is damaged"):
            vector_file.read(str(path))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        vector_file.read(str(tmp_path / "absent.npz"))
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        vector_file.read(str(tmp_path))


def test_an_archive_that_unpacks_to_more_than_fits_is_not_unpacked(tmp_path, monkeypatch):
    path = saved(tmp_path)
    monkeypatch.setattr(vector_file, "LARGEST", 500)
    with pytest.raises(UsageError, match="GiB of arrays"):
        vector_file.read(path)


@given(matrix=arrays_of.arrays(st.sampled_from([np.float16, np.float32, np.float64]), (2, 3)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_numbers_are_unit_vectors_or_are_refused(tmp_path, matrix):
    path = saved(tmp_path, names=np.array(["a", "b"]), images=matrix, vectors=np.eye(2, 3))
    if np.isfinite(matrix).all() and matrix.any(axis=1).all():
        found = vector_file.read(path).images
        assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1], abs=1e-6)
        assert ((found > 0) <= (matrix > 0)).all()
    else:
        with pytest.raises(UsageError, match="of images"):
            vector_file.read(path)


def test_the_greatest_and_smallest_numbers_have_a_direction(tmp_path):
    for number in (np.finfo(np.float32).max, np.float32(1e-45), np.finfo(np.float64).max, 5e-324):
        matrix = np.full((3, 2), number)
        found = vector_file.read(saved(tmp_path, images=matrix)).images
        assert found == pytest.approx(np.full((3, 2), 0.5**0.5))


@given(share=st.floats(0, 0.999))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_truncated_file_is_refused(tmp_path, share):
    with open(saved(tmp_path), "rb") as file:
        data = file.read()
    cut = tmp_path / "cut.npz"
    cut.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UsageError, match=r"cut\.npz is not an \.npz file, or is damaged"):
        vector_file.read(str(cut))


@given(place=st.floats(0, 0.999), byte=st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_a_file_with_a_wrong_byte_is_read_or_refused_with_a_sentence(tmp_path, place, byte):
    path = tmp_path / "wrong.npz"
    np.savez_compressed(path, **GOOD)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] = byte
    path.write_bytes(data)
    try:
        found = vector_file.read(str(path))
    except UsageError as error:
        assert os.fspath(path) in str(error)
    else:
        assert found.images == pytest.approx(np.array([[0.6, 0.8], [0, 1], [-1, 0]]))
