"""The errors of files that are too large to be decoded. They are recognised by their ends: the index keeps the texts alone."""

from __future__ import annotations

from imgret.errors import PhotoError

_MEMORY = "Raise decode_memory_mb in the configuration."
_PIXELS = "Raise max_megapixels in the configuration."
_BYTES = "so it is not treated as a photo"
_EXCLUDE = "Exclude it."


def too_much_memory(name: str, memory_mb: int) -> PhotoError:
    """Return the error of a file whose decoder needs more memory than it may use."""
    return PhotoError(f"{name} needs more than the {memory_mb} MB that a decoder may use", _MEMORY)


def too_many_pixels(name: str, size: str, megapixels: int) -> PhotoError:
    """Return the error of an image with more pixels than are decoded; `size` describes how many it has."""
    return PhotoError(f"{name} has too many pixels ({size}, the limit is {megapixels} million)", _PIXELS)


def too_many_bytes(name: str, most: int) -> PhotoError:
    """Return the error of a file with more than `most` bytes."""
    return PhotoError(f"{name} is larger than {most >> 30} GiB, {_BYTES}", _EXCLUDE)


def is_too_large(advice: str) -> bool:
    """Return whether `advice`, of a PhotoError, is that of one of these errors. A name inside it does not count."""
    ends = (_MEMORY, _PIXELS, f"{_BYTES}. {_EXCLUDE}")
    return advice.endswith(tuple(end.removesuffix(".") for end in ends))
