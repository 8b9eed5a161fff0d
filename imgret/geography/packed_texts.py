"""Many short texts in one piece of memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator


class PackedTexts:
    """Texts as UTF-8, one behind the other: 4 bytes for each beside its own, in place of 50 and more for an object."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Keep the texts. Raises OverflowError for more than 4 GiB."""
        whole = bytearray()
        self._ends = array("I", [0])
        for text in texts:
            whole += text.encode("utf-8", "surrogatepass")
            self._ends.append(len(whole))
        self._whole = bytes(whole)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, at: int) -> str:
        at = range(len(self))[at]
        return self._whole[self._ends[at] : self._ends[at + 1]].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (self[at] for at in range(len(self)))
