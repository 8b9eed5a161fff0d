"""Read vectors of photos and questions from an `.npz` file of numpy arrays.

The arrays are `names` (n,), `images` (n, d), `questions` (m,) and `vectors` (m, d): the paths of the photos with their
vectors, and texts with theirs, all by one image-text encoder. A fifth array, `photos` (m,), may have the path of the
photo that each question was written for.

The file may come from anywhere. It is read without pickle, and everything that is wrong with it is a UsageError that names
the file and the row.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from imgret.errors import UsageError
from imgret.limits import as_sentence, must_propagate

Matrix = NDArray[np.float32]  # (rows, dimension), unit norm

LAYOUT = (
    "An .npz file of vectors has the arrays names (n,) and questions (m,), both text,"
    " and images (n, d) and vectors (m, d), both float16 or float32; numpy.savez writes one."
)
LARGEST = 8 << 30  # bytes of all arrays together
SHOWN = 60  # characters of a text in a message


class VectorFile(Struct, frozen=True, eq=False):
    """The contents of a file of vectors. Row i of `images` belongs to names[i], row j of `vectors` to questions[j]."""

    path: str
    names: tuple[str, ...]  # each once
    images: Matrix
    questions: tuple[str, ...]  # stripped, each once
    vectors: Matrix
    photos: tuple[str, ...] | None  # (m,): the photo of each question
    digest: str  # SHA-256 of the file, in hex


def read(path: str) -> VectorFile:
    """Read a file of vectors. They are normalised to unit length. Raises UsageError for a file that is not usable."""
    arrays = _arrays(path)
    names = _texts(path, "names", arrays)
    questions = tuple(text.strip() for text in _texts(path, "questions", arrays))
    _each_once(path, "names", names)
    _each_once(path, "questions", questions)
    images = _unit_rows(path, "images", arrays, ("names", names))
    vectors = _unit_rows(path, "vectors", arrays, ("questions", questions))
    if images.shape[1] != vectors.shape[1]:
        raise UsageError(
            f"{path}: the rows of images have {images.shape[1]} numbers, and those of vectors have {vectors.shape[1]}",
            "Compute both with the same image-text encoder.",
        )
    photos = _texts(path, "photos", arrays) if "photos" in arrays else None
    if photos is not None and len(photos) != len(questions):
        raise UsageError(
            f"{path}: photos has {len(photos)} rows, and questions has {len(questions)}",
            "Row i of photos is the photo of question i.",
        )
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return VectorFile(path, names, images, questions, vectors, photos, digest)


def _arrays(path: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of the file by name. Raises UsageError if it cannot be read or lacks one."""
    wanted = ("names", "images", "questions", "vectors")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise UsageError(
                f"{path} holds {size / 2**30:.1f} GiB of arrays, and {LARGEST >> 30} GiB is the most"
            )
        with np.load(path, allow_pickle=False) as found:
            missing = [name for name in wanted if name not in found.files]
            if missing:
                raise UsageError(f"{path} has no array {' and no array '.join(missing)}", LAYOUT)
            return {name: found[name] for name in (*wanted, "photos") if name in found.files}
    except BaseException as error:  # a damaged file makes zipfile, zlib and numpy raise anything
        if isinstance(error, UsageError) or must_propagate(error):
            raise
        if isinstance(error, OSError) and error.strerror is not None:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from None
        if "Object arrays" in str(error):
            raise UsageError(
                f"{path} holds Python objects, which are not read because they can run code",
                "Save the texts as arrays of str, and the vectors as float16 or float32.",
            ) from None
        raise UsageError(f"{path} is not an .npz file, or is damaged: {as_sentence(error)}", LAYOUT) from None


def _texts(path: str, name: str, arrays: dict[str, NDArray[Any]]) -> tuple[str, ...]:
    """Return an array of text as strings. Raises UsageError if it is none, has no row, or an unusable one."""
    array = arrays[name]
    if array.dtype.kind != "U" or array.ndim != 1:
        raise UsageError(
            f"{path}: {name} is an array {_shape(array)} of {array.dtype}, not a row of texts", LAYOUT
        )
    if not len(array):
        raise UsageError(f"{path}: {name} has no rows", LAYOUT)
    found: list[str] = []
    for row, text in enumerate(array.tolist()):
        try:
            usable = bool(text.strip()) and b"\0" not in os.fsencode(text)
        except UnicodeEncodeError:
            usable = False
        if not usable:
            what = "is empty" if not text.strip() else "is not valid text"
            raise UsageError(f"{path}: row {row} of {name} {what}", "Remove that row, or correct it.")
        found.append(text)
    return tuple(found)


def _each_once(path: str, name: str, texts: tuple[str, ...]) -> None:
    """Raise UsageError for a text that occurs twice."""
    seen: dict[str, int] = {}
    for row, text in enumerate(texts):
        if text in seen:
            shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
            raise UsageError(
                f"{path}: rows {seen[text]} and {row} of {name} are the same: {shown}",
                "Keep one of the two rows, because each can have only one vector.",
            )
        seen[text] = row


def _unit_rows(
    path: str, name: str, arrays: dict[str, NDArray[Any]], texts: tuple[str, tuple[str, ...]]
) -> Matrix:
    """Return the rows of an array, normalised. Raises UsageError if they do not fit `texts`, or one has no direction."""
    array, (beside, wanted) = arrays[name], texts
    if array.dtype.kind != "f" or array.ndim != 2 or not array.shape[1]:
        raise UsageError(
            f"{path}: {name} is an array {_shape(array)} of {array.dtype}, not rows of vectors", LAYOUT
        )
    if len(array) != len(wanted):
        raise UsageError(
            f"{path}: {name} has {len(array)} rows, and {beside} has {len(wanted)}",
            f"Row i of {name} is the vector of {beside}[i].",
        )
    greatest = np.abs(array).max(axis=1).astype(np.float64)
    for wrong, what in ((~np.isfinite(greatest), "holds NaN or infinity"), (greatest == 0, "is all zeros")):
        if wrong.any():
            row = int(np.argmax(wrong))
            raise UsageError(
                f"{path}: row {row} of {name} {what}",
                f"Compute it again, or remove it from {name} and {beside}.",
            )
    # Divided by the greatest number first, so that no square overflows or becomes zero.
    scaled = array.astype(np.float64) / greatest[:, None]
    return np.asarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True), np.float32)


def _shape(array: NDArray[Any]) -> str:
    return f"({', '.join(map(str, array.shape))})"
