"""Ids and vectors in PostgreSQL's binary form, converted by numpy and not one by one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import adapt, pq

INT4, INT8, TEXT, INT4_ARRAY, INT8_ARRAY, TEXT_ARRAY = 23, 20, 25, 1007, 1016, 1009  # oids
_SIZE, _INTEGER = struct.Struct(">i"), struct.Struct(">q")
_HEADER = struct.Struct(">iiiii")  # dimensions, has NULLs, type of the elements, length, first index
_ELEMENT = np.dtype([("size", ">i4"), ("value", ">i8")])

Ids = NDArray[np.int64]
Matrix = NDArray[np.float32]


class Half:
    """A vector as a value of the type halfvec."""

    __slots__ = ("data",)

    def __init__(self, vector: NDArray[Any]) -> None:
        """`vector`: (dimension,)."""
        self.data = struct.pack(">HH", len(vector), 0) + vector.astype(">f2").tobytes()


class Halves:
    """Vectors as a value of the type halfvec[]."""

    __slots__ = ("vectors",)

    def __init__(self, vectors: Sequence[NDArray[Any]]) -> None:
        """`vectors`: at least one, each (its dimension,)."""
        self.vectors = vectors


class HalvesDumper(adapt.Dumper):
    """Sends `Halves`; a subclass has the oids of halfvec[] and halfvec in this database."""

    format = pq.Format.BINARY
    element = 0

    def dump(self, obj: Halves) -> bytes:
        return _elements(self.element, [Half(vector).data for vector in obj.vectors])


class HalfDumper(adapt.Dumper):
    """Sends a `Half`; a subclass has the oid of halfvec in this database."""

    format = pq.Format.BINARY

    def dump(self, obj: Half) -> bytes:
        return obj.data


class IdsDumper(adapt.Dumper):
    """Sends an array of numpy, (n,) integers, as bigint[]."""

    format = pq.Format.BINARY
    oid = INT8_ARRAY

    def dump(self, obj: NDArray[Any]) -> bytes:
        if not len(obj):
            return struct.pack(">iii", 0, 0, INT8)
        elements = np.empty(len(obj), _ELEMENT)
        elements["size"], elements["value"] = 8, obj
        return _HEADER.pack(1, 0, INT8, len(obj), 1) + elements.tobytes()


class Texts:
    """Texts and NULLs as a value of the type text[]."""

    __slots__ = ("data",)

    def __init__(self, texts: Sequence[str | None]) -> None:
        """`texts`: at least one, without NUL and surrogates."""
        self.data = _elements(TEXT, [None if text is None else text.encode() for text in texts])


class Integers:
    """Integers and NULLs as a value of the type bigint[]."""

    __slots__ = ("data",)

    def __init__(self, numbers: Sequence[int | None]) -> None:
        """`numbers`: at least one, of 64 bits."""
        self.data = _elements(INT8, [None if number is None else _INTEGER.pack(number) for number in numbers])


class ElementsDumper(adapt.Dumper):
    """Sends what is in its binary form already; the subclasses have the types."""

    format = pq.Format.BINARY

    def dump(self, obj: Texts | Integers) -> bytes:
        return obj.data


class TextsDumper(ElementsDumper):
    """Sends `Texts`."""

    oid = TEXT_ARRAY


class IntegersDumper(ElementsDumper):
    """Sends `Integers`."""

    oid = INT8_ARRAY


class Raw(adapt.Loader):
    """Returns the bytes that the server sent, copied."""

    format = pq.Format.BINARY

    def load(self, data: Any) -> bytes:
        return bytes(data)


def register(adapters: adapt.AdaptersMap, halfvec: int | None, halfvecs: int | None) -> None:
    """Let a connection send ids and vectors, and return integer arrays and vectors as they were sent.

    `halfvec` and `halfvecs` are the oids of halfvec and halfvec[] in this database.
    """
    adapters.register_dumper(np.ndarray, IdsDumper)
    adapters.register_dumper(Texts, TextsDumper)
    adapters.register_dumper(Integers, IntegersDumper)
    adapters.register_loader(INT4_ARRAY, Raw)
    adapters.register_loader(INT8_ARRAY, Raw)
    if halfvec:
        adapters.register_loader(halfvec, Raw)
        adapters.register_dumper(Half, type("HalfDumper", (HalfDumper,), {"oid": halfvec}))
        array = {"oid": halfvecs, "element": halfvec}
        adapters.register_dumper(Halves, type("HalvesDumper", (HalvesDumper,), array))


def _elements(kind: int, values: Sequence[bytes | None]) -> bytes:
    """An array in binary form; the length -1 stands for NULL."""
    parts = [_HEADER.pack(1, None in values, kind, len(values), 1)]
    for data in values:
        parts += [_SIZE.pack(-1)] if data is None else [_SIZE.pack(len(data)), data]
    return b"".join(parts)


def int4s(array: bytes) -> NDArray[np.int32]:
    """An integer[] without NULLs as the server sent it -> (elements,)."""
    return np.frombuffer(array, ">i4")[6::2].astype(np.int32) if len(array) > 12 else np.zeros(0, np.int32)


def joined_int4s(arrays: bytes, sizes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Several integer[] without NULLs, of these sizes, as `array_send` makes them, one after the other -> all elements."""
    words = np.where(sizes > 0, 5 + 2 * sizes, 3)  # a header, then a length and a value for each element
    first = np.cumsum(words) - words + 6
    before = np.cumsum(sizes) - sizes
    places = np.repeat(first - 2 * before, sizes) + 2 * np.arange(sizes.sum())
    return np.asarray(np.frombuffer(arrays, ">i4")[places], np.int32)


def int8s(array: bytes | None) -> Ids:
    """A bigint[] without NULLs as the server sent it -> (elements,); empty for None."""
    if array is None or len(array) <= _HEADER.size:
        return np.zeros(0, np.int64)
    return np.frombuffer(array, _ELEMENT, offset=_HEADER.size)["value"].astype(np.int64)


def vectors(rows: list[bytes], dimension: int) -> Matrix:
    """Values of halfvec as the server sent them -> float32 (rows, dimension)."""
    halves = np.frombuffer(b"".join(rows), ">f2").reshape(len(rows), dimension + 2)
    return halves[:, 2:].astype(np.float32)


def copied_vectors(rows: Sequence[tuple[int, int, str, int, bytes]]) -> bytes:
    """Return rows of `vector` (id, content, view, space, float16 little-endian) as COPY reads them in binary form.

    The format: https://www.postgresql.org/docs/current/sql-copy.html, and `halfvec_recv` of pgvector.
    """
    parts = [b"PGCOPY\n\xff\r\n\0", bytes(8)]
    for id_, content, view, space, data in rows:
        name, half = view.encode(), Half(np.frombuffer(data, "<f2")).data
        parts += [struct.pack(">hiqiqi", 5, 8, id_, 8, content, len(name)), name]
        parts += [struct.pack(">iqi", 8, space, len(half)), half]
    return b"".join([*parts, b"\xff\xff"])
