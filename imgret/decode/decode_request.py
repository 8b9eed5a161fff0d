"""A request to a decoder process."""

from __future__ import annotations

from msgspec import Struct


class DecodeRequest(Struct, frozen=True):
    """Which file to decode, and what of it is needed."""

    path: bytes
    expected: bytes | None = None  # the 32-byte BLAKE3 that its bytes must have; None: any
    sidecars: tuple[bytes, ...] = ()  # paths, the most important first
    with_pixels: bool = True  # otherwise the facts and the metadata only
